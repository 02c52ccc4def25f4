package tasks

import (
	"context"
	"time"

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
			t := turn{rollout: r, host: r.hosts[hp.Host], want: r.desired[hp.Host], plan: r.plan.Host(hp.Host)}
			if err := t.finish(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// finish is the end of a turn whose beginning an earlier run made.
func (t turn) finish(ctx context.Context) error {
	if err := t.join(ctx, t.plan.To.Version); err != nil {
		return err
	}
	t.lock.Good(t.host.Name, t.plan.To.Generation)
	t.outcome(t.host.Name, HostOutcome{Outcome: "done", Runs: t.plan.To.String(), Detail: "finished what an earlier run began"})
	return nil
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
			return err
		}
	}
	return nil
}

// names of hosts, for messages.
func names(hosts []fleet.Host) (out []string) {
	for _, h := range hosts {
		out = append(out, h.Name)
	}
	return out
}
