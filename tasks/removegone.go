package tasks

import (
	"context"
	"slices"

	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// gatherFactsBut is gatherFacts that goes on without hosts of which missing says that they
// may be gone.
func (r *Runner) gatherFactsBut(ctx context.Context, missing func(host string) bool) (*picture, error) {
	p := &picture{desired: map[string]*desired.Host{}}
	var err error
	if p.hosts, p.absent, err = r.observePresent(ctx, missing); err != nil {
		return nil, err
	}
	if p.balancer, err = r.openBalancer(ctx); err != nil {
		return nil, err
	}
	return p, nil
}

// planGone adds the hosts to the plan of a removal that cannot be reached: nothing is done
// on them, and the others and the load balancer forget them.
func (r *Runner) planGone(p *picture, plan *Plan) {
	for i, h := range r.c.Hosts {
		if p.absent[h.Name] == nil {
			continue
		}
		hp := HostPlan{Host: h.Name, Actions: []Action{{
			Kind: ActionRemove, Host: h.Name,
			Summary: "forget " + h.Name + ", which cannot be reached: the others and the load balancer go on without it", Reason: "remove",
		}}}
		plan.Hosts = slices.Insert(plan.Hosts, min(i, len(plan.Hosts)), hp)
		plan.Warnings = append(plan.Warnings,
			h.Name+" cannot be reached, so nothing is stopped or deleted on it: wipe it, or keep it off the network, before it comes back, "+
				"or its Grafana serves and notifies beside the cluster")
	}
}

// drainAbsent keeps the load balancer from sending requests to hosts that are gone, also
// when one comes back by itself.
func (r *Runner) drainAbsent(ctx context.Context, p *picture) error {
	if p.balancer == nil || r.c.LoadBalancer.Manage {
		return nil // it is written anew without them
	}
	for _, h := range r.c.Hosts {
		if p.absent[h.Name] == nil {
			continue
		}
		if err := p.balancer.Drain(ctx, h); err != nil {
			return &fleet.HostError{Host: h.Name, Step: stepDrain, Cause: err, State: "nothing was changed",
				Next: "bring the load balancer back, then run it again"}
		}
	}
	return nil
}

// tellGone says in the result what was not done on hosts that are gone.
func (r *Runner) tellGone(p *picture, res *Result) {
	for name := range p.absent {
		res.Hosts[name] = HostOutcome{Outcome: "done", Runs: "unknown", Detail: "removed; not reached, left as it was"}
	}
}
