package main

import (
	"errors"
	"fmt"
	"os"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// faultError says of a panic, besides the error that it was made, what it means and
// where its trace is. What was held on hosts is free: by the command on its way out, or
// because the connections end with the process.
type faultError struct{ trace string }

func (e *faultError) Error() string {
	return "an internal error is a fault of ghadeploy, not of your hosts; the lock is free. To report it, send " + e.trace
}

// faultIn keeps the trace of a panic in err in a file that only its owner reads; nil when
// there is none.
func faultIn(err error) error {
	caught, ok := errors.AsType[*guard.PanicError](err)
	if !ok {
		return nil
	}
	return &faultError{writeTrace(caught)}
}

// writeTrace writes it to the folder for temporary files, since where the state of a
// run lies may be a host. It says where, or why not.
func writeTrace(e *guard.PanicError) string {
	f, err := os.CreateTemp("", "ghadeploy-fault-*.txt") // 0600
	if err != nil {
		return "this message (the trace could not be written: " + err.Error() + ")"
	}
	_, err = fmt.Fprintf(f, "ghadeploy %s: %v\n\n%s", toolVersion().Version, e, e.Trace)
	if err = errors.Join(err, f.Close()); err != nil {
		return f.Name() + " (incomplete: " + err.Error() + ")"
	}
	return f.Name()
}

// lonelyFault ends the process for a panic in a goroutine that nobody waits for: the
// command cannot go on without it. Connections end with the process, and so do locks.
func (a *app) lonelyFault(exit func(code int)) func(*guard.PanicError) {
	return func(e *guard.PanicError) {
		a.showError(errors.Join(e, faultIn(e)), exitFailed, a.json())
		exit(exitFailed)
	}
}
