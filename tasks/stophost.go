package tasks

import (
	"context"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// stopHost takes a host out of service: out of the load balancer, until its requests are
// done, then stopped. It is the one way to stop a host. What could not be stopped still
// serves, or will: it is put back, or noted among those that bringBack starts.
func (r *rollout) stopHost(ctx context.Context, h fleet.Host, why string) error {
	t := r.turnOf(h)
	wasUp := t.isUp()
	if err := r.takeOut(ctx, t); err != nil {
		_ = t.putBack(ctx) // the error tells of the balancer already
		r.notStopped(t, err, "")
		return err
	}
	err := t.command(ctx, verbStop, Deployed{})
	switch {
	case err == nil && !wasUp:
		r.outcome(h.Name, HostOutcome{Outcome: "stopped", Runs: "nothing", Detail: "did not run"})
	case err == nil:
		r.park(h.Name, why)
	case unreachable(err): // what cannot be reached cannot be brought back either
		r.notStopped(t, err, "drained, and not reached: ")
	default:
		state := "it was not stopped" + t.place(ctx, wasUp)
		r.park(h.Name, why)
		r.notStopped(t, err, state+": ")
		next := "look at: systemctl status " + r.cluster.Paths.Service + "; then: " + r.resumeCommand()
		return &fleet.HostError{Host: h.Name, Step: string(verbStop), Cause: err, State: state, Next: next}
	}
	return err
}

// takeOut takes the host out of the load balancer. Where that was switched to others
// already, only its requests are waited for.
func (r *rollout) takeOut(ctx context.Context, t turn) error {
	if r.tookOver() && t.isUp() {
		return t.step(stepDrain, func() error { return t.untilIdle(ctx) })
	}
	return t.leave(ctx)
}

// notStopped notes how a host was left that could not be taken out of service.
func (r *rollout) notStopped(t turn, err error, how string) {
	r.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.From.String(), Detail: how + err.Error()})
}
