package ui

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Failure is one error in parts, for people and for JSON.
type Failure struct {
	// Kind is "usage", "inventory", "unreachable", "gate", "locked", "check",
	// "refused", "interrupted", "paused" or "failed".
	Kind    string `json:"kind"`
	Host    string `json:"host,omitempty"`
	Step    string `json:"step,omitempty"`
	Message string `json:"message"`
	// State is in which state the host was left, Next the command to type.
	State string `json:"state,omitempty"`
	Next  string `json:"next,omitempty"`
	// Journal is the unit's last lines.
	Journal string `json:"journal,omitempty"`
	// Diagnostics are the mistakes of an inventory.
	Diagnostics []Diagnostic `json:"diagnostics,omitempty"`
}

// Diagnostic is one mistake of an inventory, for editors.
type Diagnostic struct {
	File    string `json:"file"`
	Line    int    `json:"line"`
	Column  int    `json:"column"`
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

// Diagnostics turns an inventory's diagnostics into JSON's.
func Diagnostics(ds inventory.Diagnostics) []Diagnostic {
	out := make([]Diagnostic, len(ds))
	for i, d := range ds {
		out[i] = Diagnostic{File: d.Pos.File, Line: d.Pos.Line, Column: d.Pos.Column, Message: d.Message, Hint: d.Hint}
	}
	return out
}

// checkFailure says how to go on: with what was wrong corrected, or in spite of it.
func checkFailure(e *tasks.CheckError) Failure {
	f := Failure{Kind: "check", Message: plural(len(e.Failed), "check") + " failed:\n" + strings.Join(e.Failed, "\n"),
		State: "nothing was touched", Next: "ghadeploy check INVENTORY"}
	if len(e.Names) > 0 {
		f.Next += "; to go on in spite of it: --skip-check " + strings.Join(e.Names, ",")
	}
	return f
}

// Failures takes err apart: one per error that was collected. path replaces
// the word INVENTORY in commands to type.
func Failures(err error, path string) []Failure {
	var out []Failure
	for _, e := range leaves(err) {
		f := failure(e)
		if message, next, found := strings.Cut(f.Message, nextMark); found {
			f.Message, f.Next = message, orWord(f.Next, next)
		}
		f.Next = strings.ReplaceAll(f.Next, "INVENTORY", path)
		f.Message = strings.ReplaceAll(f.Message, "INVENTORY", path)
		f.State = strings.ReplaceAll(f.State, "INVENTORY", path)
		out = append(out, f)
	}
	return out
}

// leaves flattens collected errors (go-multierror and errors.Join). An error
// that wraps a collection with words of its own stays whole.
func leaves(err error) []error {
	if err == nil {
		return nil
	}
	var list []error
	switch e := err.(type) {
	case interface{ WrappedErrors() []error }:
		list = e.WrappedErrors()
	case interface{ Unwrap() []error }:
		list = e.Unwrap()
	default:
		return []error{err}
	}
	var out []error
	for _, e := range list {
		out = append(out, leaves(e)...)
	}
	return out
}

func failure(err error) Failure {
	var (
		diagnostics inventory.Diagnostics
		usage       *tasks.UsageError
		gate        *tasks.GateError
		unreachable *remote.UnreachableError
		host        *fleet.HostError
		locked      *lock.HeldError
		check       *tasks.CheckError
		paused      *tasks.PausedError
		refused     *tasks.RefusedError
		beyond      *tasks.ReachError
	)
	switch {
	case errors.As(err, &beyond):
		return beyondFailure(beyond)
	case errors.As(err, &diagnostics):
		return Failure{Kind: "inventory", Message: plural(len(diagnostics), "mistake") + " in the inventory",
			Diagnostics: Diagnostics(diagnostics)}
	case errors.As(err, &gate):
		return Failure{Kind: "gate", Host: gate.Host, Step: "gate:" + gate.Gate, State: gate.State, Next: gate.Next, Journal: gate.Journal,
			Message: gateMessage(gate)}
	case errors.As(err, &unreachable):
		return unreachableFailure(err, unreachable)
	case errors.As(err, &host):
		return Failure{Kind: "failed", Host: host.Host, Step: host.Step, State: host.State, Next: host.Next,
			Message: fmt.Sprintf("%s: %v", host.Step, host.Cause)}
	case errors.As(err, &locked):
		return lockedFailure(locked)
	case errors.As(err, &check):
		return checkFailure(check)
	case errors.As(err, &refused):
		return Failure{Kind: "refused", Message: refused.Message, State: "nothing was touched", Next: refused.Next}
	case errors.As(err, &usage):
		return Failure{Kind: "usage", Message: err.Error()}
	case errors.As(err, &paused):
		return Failure{Kind: "paused", Message: paused.Standing(), Next: "look at them, then go on with: " + paused.Next}
	}
	return plainFailure(err)
}

// gateMessage says how long the gate was waited for, unless what it saw was
// hopeless at once.
func gateMessage(g *tasks.GateError) string {
	if g.After == 0 {
		return fmt.Sprintf("gate %s: %s", g.Gate, g.Saw)
	}
	return fmt.Sprintf("gate %s did not open within %s: %s", g.Gate, span(g.After), g.Saw)
}

func unreachableFailure(err error, u *remote.UnreachableError) Failure {
	f := Failure{Kind: "unreachable", Host: u.Host, Message: fmt.Sprintf("unreachable: %v", u.Cause), Next: u.Hint}
	var host *fleet.HostError
	if errors.As(err, &host) {
		f.Step, f.State = host.Step, host.State
		f.Next = orWord(host.Next, f.Next)
	}
	return f
}

func lockedFailure(l *lock.HeldError) Failure {
	f := Failure{Kind: "locked", Host: l.Host, Next: "wait, or add --lock-wait 10m"}
	f.Message = fmt.Sprintf("locked by %s since %s: %s", l.Holder.Who(), clockDate(l.Holder.Since), l.Holder.Command)
	if l.Frozen {
		f.Message = fmt.Sprintf("frozen by %s since %s: %s", l.Holder.Who(), clockDate(l.Holder.Since), l.Holder.Message)
		f.Next = "ghadeploy unlock INVENTORY"
	}
	return f
}

// nextMark is how errors of all packages announce the command to type.
const nextMark = "; next: "

func plainFailure(err error) Failure {
	return Failure{Kind: "failed", Message: err.Error()}
}

// WriteError shows err: what failed, in which state things were left, what to
// type next, and the journal of the unit where there is one.
func WriteError(w io.Writer, s Style, columns int, err error, path string) {
	var b strings.Builder
	var diagnostics inventory.Diagnostics
	if errors.As(err, &diagnostics) {
		writeDiagnostics(&b, s, diagnostics, path)
		_, _ = io.WriteString(w, b.String())
		return
	}
	for _, f := range oneNext(Failures(err, path), path) {
		writeFailure(&b, s, columns, f)
	}
	_, _ = io.WriteString(w, b.String()) // there is nowhere to report that stderr is gone
}

func writeFailure(b *strings.Builder, s Style, columns int, f Failure) {
	text := f.Message
	if f.Host != "" {
		text = f.Host + ": " + text
	}
	for i, l := range wrap(Clean(text), columns-7) {
		mark := s.Bad("error: ")
		if i > 0 {
			mark = "       "
		}
		fmt.Fprintf(b, "%s%s\n", mark, l)
	}
	for _, part := range []struct{ name, text string }{{"state", f.State}, {"next", f.Next}} {
		if part.text == "" {
			continue
		}
		for i, l := range wrap(Clean(part.text), columns-7) {
			name := part.name + ":"
			if i > 0 {
				name = ""
			}
			fmt.Fprintf(b, "%s%s\n", s.Faint(pad(name, 7)), l)
		}
	}
	if f.Journal != "" {
		fmt.Fprintf(b, "%s\n%s\n", s.Faint("what "+f.Host+"'s log says of it:"), indent(Clean(f.Journal), "  "))
	}
}

// writeDiagnostics shows every mistake as compilers do.
func writeDiagnostics(b *strings.Builder, s Style, ds inventory.Diagnostics, path string) {
	mistakes := 0
	for _, d := range ds {
		text := inventory.Diagnostics{d}.Error()
		head, source, _ := strings.Cut(text, "\n")
		place := d.Pos.String()
		fmt.Fprintf(b, "%s%s\n", s.Strong(place), s.Bad(Clean(strings.TrimPrefix(head, place))))
		if source != "" {
			fmt.Fprintln(b, Clean(source))
		}
		mistakes++
	}
	fmt.Fprintf(b, "%s\n", s.Bad(plural(mistakes, "mistake")))
	if mistakes > 0 {
		fmt.Fprintf(b, "%s%s\n", s.Faint("next:  "), Clean(correct(ds[0], path)))
	}
}

// WriteWarnings shows what an inventory's loader found questionable.
func WriteWarnings(w io.Writer, s Style, ds inventory.Diagnostics) {
	var b strings.Builder
	for _, d := range ds {
		fmt.Fprintf(&b, "%s %s\n", s.Warn("warning:"), Clean(d.Error()))
	}
	_, _ = io.WriteString(w, b.String())
}
