package main

import (
	"context"
	"errors"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// The exit codes, which scripts rely on.
const (
	exitDone        = 0 // done, or nothing to do
	exitFailed      = 1
	exitChanges     = 2 // changes are pending (plan --detailed-exitcode, a rollout that paused)
	exitUsage       = 3 // invalid inventory or usage
	exitUnreachable = 4
	exitGate        = 5 // a gate failed, or the cluster is not healthy
	exitLocked      = 6
	exitCheck       = 7 // a check failed, or what was asked for would lose data
	exitInterrupted = 130
)

// exitError is an exit code without an error message: what there is to say
// stands in the result.
type exitError struct{ code int }

func (e *exitError) Error() string { return "" }

// shownError is an error that was shown already.
type shownError struct{ error }

func (e shownError) Unwrap() error { return e.error }

func wasShown(err error) bool {
	var shown shownError
	var code *exitError
	return errors.As(err, &shown) || errors.As(err, &code)
}

// exitCode is the code of the most telling of the errors in err. Work that was
// cancelled because other work failed does not count as interrupted.
func (a *app) exitCode(err error) int {
	var (
		code        *exitError
		locked      *lock.HeldError
		unreachable *remote.UnreachableError
		shell       *remote.ShellError // a host on which no command can be run
		gate        *tasks.GateError
		check       *tasks.CheckError
		beyond      *tasks.ReachError
		diagnostics inventory.Diagnostics
		usage       *tasks.UsageError
		paused      *tasks.PausedError
		refused     *tasks.RefusedError
	)
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &code):
		return code.code
	case a.interrupted.Load() && errors.Is(err, context.Canceled):
		return exitInterrupted
	case errors.As(err, &locked):
		return exitLocked
	case errors.As(err, &unreachable), errors.As(err, &shell):
		return exitUnreachable
	case errors.As(err, &gate):
		return exitGate
	case errors.As(err, &check), errors.As(err, &refused), errors.As(err, &beyond):
		return exitCheck
	case errors.As(err, &paused):
		return exitChanges
	case errors.As(err, &diagnostics), errors.As(err, &usage), errors.Is(err, ui.ErrNoTerminal):
		return exitUsage
	}
	return exitFailed
}
