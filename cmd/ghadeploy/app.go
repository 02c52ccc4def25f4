package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// app is one invocation: what it was handed by the process, and the flags that
// all commands share.
type app struct {
	streams ui.Streams
	getenv  func(string) string
	now     func() time.Time
	// newRunner is realRunner, except in tests.
	newRunner func(*inventory.Cluster, tasks.Options) runner
	signals   <-chan os.Signal
	// interrupts is where signals come from; nil in tests that send their own.
	interrupts *interrupts

	flags globalFlags
	// started: the command line was understood; errors before it are usage.
	started bool
	// inventory is the path in use, for commands that errors tell to type.
	inventory string
	// hide masks the secrets of the cluster at hand; nil before there is one.
	hide func(string) string
	// interrupted: the operator asked to stop.
	interrupted atomic.Bool
}

// globalFlags are the flags of every command.
type globalFlags struct {
	limit   string
	output  string
	yes     bool
	verbose bool
	diff    string
	noColor bool
	timeout time.Duration
	// askBecome asks for the password of sudo or doas.
	askBecome bool
}

// wholeDiffs tells whether plans show all of every diff.
func (f globalFlags) wholeDiffs() bool { return f.verbose || f.diff == diffFull }

// What --diff takes.
const (
	diffBrief = "brief"
	diffFull  = "full"
)

// main runs one command line and returns the exit code.
func (a *app) main(ctx context.Context, args []string) int {
	a.streams = a.streams.Cleaned()
	root := a.root()
	root.SetArgs(args)
	err := guard.Do(func() error { return root.ExecuteContext(ctx) })
	told := faultIn(err)
	if err != nil && !a.started && told == nil {
		err = &tasks.UsageError{Message: err.Error()}
	}
	if err == nil {
		return exitDone
	}
	code := a.exitCode(err)
	switch {
	case !wasShown(err):
		a.showError(errors.Join(err, told), code, a.json() || wantsJSON(args))
	case told != nil:
		a.showError(told, code, false) // beside the result, which holds the error
	}
	return code
}

// json tells whether stdout is for programs.
func (a *app) json() bool { return a.flags.output == "json" }

// wantsJSON looks for -o json in a command line that could not be parsed.
func wantsJSON(args []string) bool {
	for i, arg := range args {
		if arg == "--" {
			return false
		}
		if slices.Contains([]string{"-ojson", "-o=json", "--output=json"}, arg) {
			return true
		}
		if (arg == "-o" || arg == "--output") && i+1 < len(args) && args[i+1] == "json" {
			return true
		}
	}
	return false
}

// errorDocument is an error as -o json shows it.
type errorDocument struct {
	Error errorBody `json:"error"`
}

type errorBody struct {
	Message  string       `json:"message"`
	ExitCode int          `json:"exit_code"`
	Failures []ui.Failure `json:"failures,omitempty"`
}

func (a *app) errorBody(err error, code int) errorBody {
	failures := ui.Failures(err, a.inventoryName())
	messages := make([]string, len(failures))
	for i, f := range failures {
		messages[i] = f.Message
		if f.Host != "" {
			messages[i] = f.Host + ": " + f.Message
		}
	}
	return errorBody{Message: strings.Join(messages, "; "), ExitCode: code, Failures: failures}
}

func (a *app) showError(err error, code int, asJSON bool) {
	if asJSON {
		// Nothing is left to tell it to when stdout is gone.
		_ = a.document(errorDocument{a.errorBody(err, code)})
		return
	}
	ui.WriteError(a.streams.Err, a.streams.ErrStyle, a.streams.Columns(), err, a.inventoryName())
}

func (a *app) inventoryName() string {
	if a.inventory == "" {
		return "INVENTORY"
	}
	return a.inventory
}

// document writes v as JSON on stdout.
func (a *app) document(v any) error {
	enc := json.NewEncoder(ui.JSON(a.streams.Out))
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(filled(v)); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// render shows a result: v as JSON, or what text writes.
func (a *app) render(v any, text func() error) error {
	named(v, a.inventoryName())
	if a.json() {
		return a.document(v)
	}
	if err := text(); err != nil {
		return fmt.Errorf("write the result: %w", err)
	}
	return nil
}

// usage is a mistake in the command line.
func usage(format string, args ...any) error {
	return &tasks.UsageError{Message: fmt.Sprintf(format, args...)}
}
