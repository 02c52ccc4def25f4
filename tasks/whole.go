package tasks

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// finishOthers runs the gates on hosts whose turn an earlier run began and did not
// see the end of, and puts healthy hosts that it left drained back.
func (r *rollout) finishOthers(ctx context.Context) error {
	for _, hp := range r.plan.Hosts {
		for _, a := range hp.Actions {
			if a.Kind != ActionUndrain {
				continue
			}
			t := r.turnOf(r.hosts[hp.Host])
			t.resumed = true
			if err := t.finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish is the end of a turn whose beginning an earlier run made.
func (t turn) finish(ctx context.Context) error {
	err := t.join(ctx, t.plan.To.Version)
	if notJoined(err) {
		err = t.restartToJoin(ctx, err)
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return t.abandoned(ctx, err)
	case err != nil:
		return t.failed(ctx, err, true)
	}
	t.lock.Good(t.host.Name, t.plan.To.Generation)
	t.outcome(t.host.Name, HostOutcome{Outcome: "done", Runs: t.plan.To.String(), Detail: "finished what an earlier run began"})
	return nil
}

// notJoined tells whether a gate found a host healthy, but not one of its cluster. That may
// be for good: Grafana that started while the Redis of Live was away never asks again
// (10.3.1: pkg/services/live/live.go, setupRedisLiveEngine).
func notJoined(err error) bool {
	g, ok := errors.AsType[*GateError](err)
	return ok && (g.Gate == gateLive || g.Gate == gateMembers)
}

// restartToJoin restarts a host that did not join its cluster, if the others can do without it.
func (t turn) restartToJoin(ctx context.Context, cause error) error {
	if t.rollout.outage(ctx, t.host) != nil {
		return cause
	}
	if err := t.othersHealthy(ctx, []string{t.host.Name}); err != nil {
		return err
	}
	t.say(event.Warning, t.host.Name, cause.Error()+"; restart it, so that it joins")
	if err := t.leave(ctx); err != nil {
		return err
	}
	return t.command(ctx, verbRestart, t.plan.To)
}

// ghostTime is how long the old process of a restarted host may still count as a
// node of Live (recorded: 20 s).
const ghostTime = 30 * time.Second

// whole is the last gate of a run: all hosts see one cluster.
func (r *rollout) whole(ctx context.Context) error {
	if len(r.running()) == 0 || r.plan.Policy.Kind == PolicyNone {
		return nil
	}
	for _, name := range r.plan.Policy.Final {
		var g gate
		switch name {
		case gateMembers:
			g = r.members("")
		case gateLive:
			g = r.live("")
		default:
			continue
		}
		g.name = "cluster " + name
		g.timeout += ghostTime
		if err := g.wait(ctx, "", r.sink); err != nil {
			return r.failedToJoin(ctx, err)
		}
	}
	return nil
}

// failedToJoin says what to do about a cluster whose hosts all had their turns, and do not
// see each other.
func (r *rollout) failedToJoin(ctx context.Context, err error) error {
	g, ok := errors.AsType[*GateError](err)
	if !ok {
		return err
	}
	g.Host, g.State, g.Next = r.cluster.Name, "every host runs what it should, and serves", "ghadeploy verify INVENTORY"
	if o := r.outage(ctx, r.running()[0]); o != nil {
		g.Shared = o.name
		g.State += fmt.Sprintf("; %s answers no host any more (%v)", o.name, o.cause)
		g.Next = "bring " + o.name + " back, then: " + g.Next
	}
	return err
}

// names of hosts, for messages.
func names(hosts []fleet.Host) (out []string) {
	for _, h := range hosts {
		out = append(out, h.Name)
	}
	return out
}
