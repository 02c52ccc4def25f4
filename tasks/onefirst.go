package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// stopOthers stops the hosts that change after the first: between these versions, old
// and new must not serve side by side. A host that an earlier run took there already
// serves on.
func (r *rollout) stopOthers(ctx context.Context) error {
	later := slices.Concat(r.plan.Policy.Batches[1:]...)
	others := slices.DeleteFunc(r.running(), func(h fleet.Host) bool { return !slices.Contains(later, h.Name) })
	r.sink.Emit(event.Event{Kind: event.PhaseStarted, Run: r.run, Step: "stop", Message: r.plan.Policy.Reason})
	return fleet.Each(others, func(_ int, h fleet.Host) error { return r.stopHost(ctx, h, "for the first host's migration") })
}

// park notes that this run has stopped a host, which a later turn starts.
func (r *rollout) park(host, why string) {
	r.outcome(host, HostOutcome{Outcome: "stopped", Runs: "nothing", Detail: "stopped " + why})
	r.mu.Lock()
	defer r.mu.Unlock()
	r.parked = append(r.parked, host)
}

// untouched says how a host stands whose turn did not begin.
func (t turn) untouched() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	if slices.Contains(t.parked, t.host.Name) {
		return "it stays stopped"
	}
	return "the host was not touched"
}

// firstFailed ends a rollout whose first host failed while others are stopped for it.
// They serve again on the old version when that one was never begun or was taken back,
// which it is not when migrations ran. Else only the dump brings them back.
func (r *rollout) firstFailed(ctx context.Context, first string, cause error) error {
	r.mu.Lock()
	runsNew, sent := r.flipped[first]
	touched := r.begun[first]
	r.mu.Unlock()
	if !touched || sent && !runsNew {
		return r.bringBack(ctx, cause)
	}
	return r.leaveStopped(cause, "the schema may be newer than what they know",
		"correct the cause, then: "+r.resumeCommand()+"; or: ghadeploy rollback INVENTORY --with-database "+cmp.Or(r.dump, "DUMP"))
}

// leaveStopped says which hosts stay stopped, and why.
func (r *rollout) leaveStopped(cause error, why, next string) error {
	r.mu.Lock()
	stopped := slices.Sorted(slices.Values(r.parked))
	r.mu.Unlock()
	if len(stopped) == 0 {
		return cause
	}
	state := strings.Join(stopped, ", ") + " stay stopped: " + why
	r.say(event.Attention, "", state+"; next: "+next)
	return withState(cause, state)
}

// withState adds to an error in which state the cluster was left, where it has a place for that.
func withState(cause error, state string) error {
	var g *GateError
	var h *fleet.HostError
	switch {
	case errors.As(cause, &g):
		g.State = also(g.State, state)
	case errors.As(cause, &h):
		h.State = also(h.State, state)
	}
	return cause
}

// bringBack starts what this run stopped on the version that it had.
func (r *rollout) bringBack(ctx context.Context, cause error) error {
	if ctx.Err() != nil {
		return r.leaveStopped(cause, "the run was told to stop at once", "ghadeploy start INVENTORY")
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	var stopped []fleet.Host
	r.mu.Lock()
	for _, name := range r.parked {
		stopped = append(stopped, r.hosts[name])
	}
	r.mu.Unlock()
	if len(stopped) > 0 {
		r.say(event.Info, "", fmt.Sprintf("start %s again, which this run stopped", strings.Join(names(stopped), ", ")))
	}
	err := fleet.Each(stopped, func(_ int, h fleet.Host) error {
		t := r.turnOf(h)
		err := t.command(ctx, verbStart, t.plan.From)
		o := HostOutcome{Outcome: "unchanged", Runs: t.plan.From.String(), Detail: "was stopped meanwhile, and serves again"}
		if err != nil {
			o.Outcome, o.Detail = "failed", "was stopped meanwhile, and started again: "+err.Error()
		}
		t.outcome(h.Name, o)
		return err
	})
	return fleet.Join(cause, err)
}
