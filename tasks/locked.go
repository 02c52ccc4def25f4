package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// ErrDeclined: the operator said no to the plan. Nothing was changed.
var ErrDeclined = errors.New("not confirmed: nothing was changed")

// locked is the frame of every command that changes something: it asks the operator,
// takes the lock of every host, and keeps the journal while do works. An empty plan,
// or a plan that is not the saved one, ends before that. The result says of every
// host how it was left, whatever happened.
func (r *Runner) locked(ctx context.Context, hosts []fleet.Host, plan *Plan, do func(held *lock.Lock, res *Result) error) (res *Result,
	err error) {
	start := time.Now()
	res = &Result{Run: r.id, Plan: plan, Hosts: map[string]HostOutcome{}, Warnings: plan.Warnings}
	defer func() { res.Seconds = time.Since(start).Seconds() }()
	for _, hp := range plan.Hosts {
		res.Hosts[hp.Host] = HostOutcome{Outcome: "unchanged", Runs: hp.From.String()}
	}
	if r.o.Saved != nil && r.o.Saved.Hash != plan.Hash {
		return res, movedSince(r.o.Saved, plan)
	}
	if plan.Empty() {
		return res, nil
	}
	if err := plan.refused(); err != nil {
		return res, err
	}
	if r.o.Confirm != nil {
		ok, err := r.o.Confirm(ctx, plan)
		if err == nil && !ok {
			err = ErrDeclined
		}
		if err != nil {
			return res, err
		}
	}
	held, err := r.lockAll(ctx, hosts)
	if err != nil {
		return res, err
	}
	tell := r.tell(ctx, hosts, plan, res)
	defer func() { tell(err) }() // once the lock is free: a slow receiver holds nobody up
	defer held.Release()
	j := r.newJournal(held)
	j.begin(plan)
	defer func() { j.end(res, err) }()
	res.Changed = true
	// A panic is this run's failure for the journal, the receivers and the exit code too.
	return res, guard.Do(func() error { return do(held, res) })
}

// lockAll takes the lock of every host of the cluster: a rollout looks at all of
// them, whichever --limit lets change.
func (r *Runner) lockAll(ctx context.Context, hosts []fleet.Host) (*lock.Lock, error) {
	return lock.Acquire(ctx, hosts, r.c.Paths.State, lock.NewHolder(r.o.Command, r.id), r.o.LockWait, func(err error) {
		r.o.Sink.Emit(event.Event{Kind: event.Info, Run: r.id, Message: "wait for the lock: " + err.Error()})
	})
}
