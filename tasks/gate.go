package tasks

import (
	"cmp"
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

const (
	// gatePoll is how often a gate looks. Grafana tells nobody when it is ready,
	// so it has to be asked.
	gatePoll = 150 * time.Millisecond
	// linkPatience is how long a host that is lost in the middle of its turn is looked
	// for: longer than a cable that is unplugged by mistake, shorter than an operator
	// waits for a machine that is gone.
	linkPatience = time.Minute
	// gateTell is how often a waiting gate says what it sees.
	gateTell = 900 * time.Millisecond
)

// gate is one condition that must hold before a turn goes on.
type gate struct {
	name    string
	timeout time.Duration
	// patience is how long a host may be unreachable meanwhile; 0: as long as timeout.
	patience time.Duration
	// look tells whether the gate is open, and in words what it saw. A fatal
	// error ends the wait at once; a *[remote.UnreachableError] does when it lasts,
	// since a link that was cut comes back.
	look func(ctx context.Context) (open bool, saw string, fatal error)
}

// absence is how long a host has been unreachable, and the error that said so.
type absence struct {
	since time.Time
	err   error
}

// excuse takes an error of look and gives back what ends the wait: nothing while a
// host has been unreachable for less than patience.
func (a *absence) excuse(err error, patience time.Duration) error {
	if !unreachable(err) {
		*a = absence{}
		return err
	}
	if a.err == nil {
		a.since = time.Now()
	}
	a.err = err
	if time.Since(a.since) > patience {
		return err
	}
	return nil
}

// wait looks until the gate is open. The error is a *[GateError], a fatal one of
// look, or ctx's.
func (g gate) wait(ctx context.Context, host string, sink event.Sink) error {
	start, told := time.Now(), time.Time{}
	sink.Emit(event.Event{Kind: event.StepStarted, Host: host, Step: "gate:" + g.name})
	deadline := time.NewTimer(g.timeout)
	defer deadline.Stop()
	poll := time.NewTicker(gatePoll)
	defer poll.Stop()
	saw := "nothing yet"
	var away absence
	for {
		open, now, err := g.look(ctx)
		if err = away.excuse(err, min(cmp.Or(g.patience, g.timeout), linkPatience)); away.err != nil {
			open, now = false, away.err.Error()
		}
		if err != nil {
			if ge, ok := errors.AsType[*GateError](err); ok && ge.After == 0 {
				ge.After = time.Since(start)
			}
			failed := event.Event{Kind: event.StepFailed, Host: host, Step: "gate:" + g.name, Error: err.Error()}
			failed.Seconds = time.Since(start).Seconds()
			sink.Emit(failed)
			return err
		}
		if now != saw {
			saw, told = now, time.Time{}
		}
		if open {
			sink.Emit(event.Event{Kind: event.StepDone, Host: host, Step: "gate:" + g.name, Message: saw, Seconds: time.Since(start).Seconds()})
			return nil
		}
		if time.Since(told) > gateTell {
			told = time.Now()
			sink.Emit(event.Event{Kind: event.StepProgress, Host: host, Step: "gate:" + g.name, Message: saw, Seconds: time.Since(start).Seconds()})
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-deadline.C:
			sink.Emit(event.Event{Kind: event.StepFailed, Host: host, Step: "gate:" + g.name, Error: saw, Seconds: time.Since(start).Seconds()})
			if away.err != nil {
				return away.err
			}
			return &GateError{Host: host, Gate: g.name, Saw: saw, After: g.timeout}
		case <-poll.C:
		}
	}
}
