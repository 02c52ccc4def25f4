package main

import (
	"context"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/term"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// lastWords is how long the process may take to end after the second signal: the run
// undoes nothing any more, it only closes its connections.
const lastWords = 900 * time.Millisecond

// interrupts stand between the process's signals and the command. Whatever the command
// waits for, a file, a terminal that was stopped with Ctrl-S, a host, the second signal
// ends the process; and so does the first while no session listens for it.
type interrupts struct {
	listening atomic.Bool
	to        chan os.Signal
	// exit ends the process.
	exit func()
}

func newInterrupts(exit func()) *interrupts {
	return &interrupts{to: make(chan os.Signal, 4), exit: exit}
}

// relay hands on signals until in is closed.
func (i *interrupts) relay(in <-chan os.Signal) {
	heard := 0
	for sig := range in {
		if heard++; heard == 1 && !i.listening.Load() {
			i.exit()
			return
		}
		select {
		case i.to <- sig:
		default: // nobody takes them
		}
		if heard == 2 {
			time.AfterFunc(lastWords, i.exit)
		}
	}
}

// exitProcess ends the process and leaves the terminal as it was: a question for a
// password may have turned off its echo.
func exitProcess(stdin *os.File) func() {
	before, err := term.GetState(int(stdin.Fd()))
	return func() {
		if err == nil {
			_ = term.Restore(int(stdin.Fd()), before)
		}
		os.Exit(exitInterrupted)
	}
}

// watchSignals makes the first signal a request to end after the host at hand
// (the returned channel is closed) and the second one the end at once. Where
// there is nothing to finish, the first is the end.
func (s *session) watchSignals(graceful bool) <-chan struct{} {
	ctx, cancel := context.WithCancel(s.ctx)
	s.ctx = ctx
	interrupt := make(chan struct{})
	ended := make(chan struct{})
	s.listening(true)
	guard.Go(func() {
		defer close(ended)
		asked := false
		for {
			select {
			case <-s.signals:
			case <-ctx.Done():
				return
			}
			s.interrupted.Store(true)
			if asked || !graceful {
				cancel()
				return
			}
			asked = true
			close(interrupt)
			s.progress.Aside(func() {
				fmt.Fprintln(s.streams.Err,
					s.streams.ErrStyle.Warn("interrupted: the host at hand is finished first; press Ctrl-C again to stop at once"))
			})
		}
	})
	s.cleanup = append(s.cleanup, func() {
		s.listening(false)
		cancel()
		<-ended
	})
	return interrupt
}

// listening says whether a session takes the first signal.
func (a *app) listening(yes bool) {
	if a.interrupts != nil {
		a.interrupts.listening.Store(yes)
	}
}
