package tasks

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// A handover goes through these moments; whatever ends a run, the next one finds out by
// what the hosts run in which of them it was:
//
//	the first host is drained and changes its version  -> the others serve, on the old one
//	its gates are open, it is out of the balancer      -> the others serve, on a schema that the new one has made
//	the balancer is switched, in one step              -> the first serves, on the new one
//	the others are idle, are stopped, change, start    -> the first serves
//	their gates are open                               -> all serve
//
// Old and new never serve at the same moment, so a host is kept out of the balancer
// whenever it has the version that does not serve.

// stepSwitch is the moment of the handover, at the load balancer.
const stepSwitch = "switch"

// takesOver tells whether batch i is the one before which the handover is.
func (r *rollout) takesOver(i int) bool {
	p := r.plan.Policy
	return p.Kind == PolicyHandover && i == len(p.Batches)-1
}

// keptOut tells whether a host has the version that does not serve at the moment.
func (r *rollout) keptOut(host string) bool {
	if r.plan.Policy.Kind != PolicyHandover {
		return false
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined(host) != r.handedOver
}

// tookOver tells whether the handover has come about.
func (r *rollout) tookOver() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.handedOver
}

// handOver lets the hosts with the new version take over, and stops the others. Those
// that could not be stopped are left out of the batch that follows; what the error says
// of them is for the end of the rollout. over: nothing was switched, and the rollout ends.
func (r *rollout) handOver(ctx context.Context, batch []string) (rest []string, over bool, err error) {
	sides := fmt.Sprintf("%s takes over from %s", strings.Join(r.plan.Policy.TakesOver, ", "), strings.Join(batch, ", "))
	r.sink.Emit(event.Event{Kind: event.PhaseStarted, Run: r.run, Step: "handover", Message: sides})
	if r.interrupted() {
		r.say(event.Attention, "", "told to stop: the handover is finished first, since old and new share the database; "+
			"told once more, it stops at once")
	}
	start := time.Now()
	if err := r.switchOver(ctx, batch); err != nil {
		return nil, true, r.notTakenOver(err)
	}
	rest, err = r.stopOld(ctx, batch)
	r.sink.Emit(event.Event{Kind: event.PhaseDone, Run: r.run, Step: "handover", Seconds: time.Since(start).Seconds()})
	if ctx.Err() != nil {
		return nil, true, r.leaveStopped(cmp.Or(err, ctx.Err()), "the run was told to stop at once", r.resumeCommand())
	}
	return rest, false, err
}

// switchOver puts the new hosts in and takes the old ones out. When a balancer does not
// do it, the others are taken back to what they were.
func (r *rollout) switchOver(ctx context.Context, batch []string) error {
	in, out := r.sides(batch)
	for _, h := range in {
		if err := r.balancer.WaitFit(ctx, h, r.cluster.Rollout.GateTimeout); err != nil {
			next := "look at the load balancer's health check, then: " + r.resumeCommand()
			return &GateError{Host: h.Name, Gate: gateBalancer, Saw: err.Error(), After: r.cluster.Rollout.GateTimeout, Next: next}
		}
	}
	for _, h := range in {
		if err := r.followed(ctx, h); err != nil {
			return &fleet.HostError{Host: h.Name, Step: stepMove, Cause: err, Next: "bring the load balancer back, then: " + r.resumeCommand()}
		}
	}
	r.warmUp(ctx, in)
	first := r.turnOf(r.hosts[r.plan.Policy.TakesOver[0]])
	err := first.step(stepSwitch, func() error {
		err := r.balancer.Switch(ctx, in, out)
		if err == nil {
			r.setHandedOver()
			return nil
		}
		back, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
		defer cancel()
		_ = r.balancer.Switch(back, out, in) // who did not do the one does not do the other
		next := "bring the load balancer back, then: " + r.resumeCommand()
		return &fleet.HostError{Host: first.host.Name, Step: stepSwitch, Cause: err, Next: next}
	})
	if err != nil {
		return err
	}
	for _, h := range in {
		if err := r.balancer.WaitUp(ctx, h, r.cluster.Rollout.GateTimeout); err != nil {
			r.say(event.Warning, h.Name, err.Error())
		}
	}
	return nil
}

func (r *rollout) setHandedOver() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.handedOver = true
}

// sides are the hosts that come in and go out. Who is drained by hand stays out.
func (r *rollout) sides(batch []string) (in, out []*inventory.Host) {
	for _, name := range r.plan.Policy.TakesOver {
		if r.byHand[name] == "" {
			in = append(in, r.hosts[name].Host)
		}
	}
	for _, name := range batch {
		if r.byHand[name] == "" {
			out = append(out, r.hosts[name].Host)
		}
	}
	return in, out
}

// notTakenOver says how a handover that did not come about has left the cluster.
func (r *rollout) notTakenOver(cause error) error {
	state := r.oldServe()
	for _, name := range r.plan.Policy.TakesOver {
		r.outcome(name, HostOutcome{Outcome: "failed", Runs: r.plan.Host(name).To.String(), Detail: "healthy, but it did not take over"})
	}
	r.say(event.Attention, "", state)
	return withState(cause, state)
}

// oldServe says what it means that a handover stands still half way.
func (r *rollout) oldServe() string {
	var old, version []string
	for _, h := range r.running() {
		if hp := r.plan.Host(h.Name); hp != nil && r.isOld(h.Name) {
			old = append(old, h.Name)
			if !slices.Contains(version, hp.From.Version) {
				version = append(version, hp.From.Version)
			}
		}
	}
	if len(old) == 0 {
		return ""
	}
	return fmt.Sprintf("%s still serve with %s, on the schema that %s has made: "+
		"go on soon, since nobody promises that the old version reads and writes it well",
		strings.Join(old, ", "), strings.Join(version, ", "), r.plan.Host(r.plan.Policy.TakesOver[0]).To.Version)
}

func (r *rollout) isOld(host string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return !r.joined(host)
}

// stopOld lets requests on the old hosts end and stops them, all at once.
func (r *rollout) stopOld(ctx context.Context, batch []string) (rest []string, err error) {
	errs := make([]error, len(batch))
	hosts := make([]fleet.Host, len(batch))
	for i, name := range batch {
		hosts[i] = r.hosts[name]
	}
	_ = fleet.Each(hosts, func(i int, h fleet.Host) error {
		if r.anyUp([]string{h.Name}) {
			errs[i] = r.stopHost(ctx, h, "for the handover")
		}
		return nil
	})
	var failed []error
	for i, name := range batch {
		if errs[i] == nil {
			rest = append(rest, name)
			continue
		}
		failed = append(failed, errs[i])
	}
	return rest, fleet.Join(failed...)
}

// halfWay says, at the end of a rollout that did not come to its handover, who serves
// and who waits: a host with the new version may be healthy, and yet reach no user.
func (r *rollout) halfWay(err error) {
	if err == nil || r.plan.Policy.Kind != PolicyHandover || r.tookOver() {
		return
	}
	for _, name := range r.plan.Policy.TakesOver {
		if r.isOld(name) {
			continue
		}
		state := r.oldServe()
		if state == "" {
			return
		}
		o := r.outcomeOf(name)
		r.outcome(name, HostOutcome{Outcome: o.Outcome, Runs: o.Runs, Detail: also(o.Detail, "out of the load balancer, it did not take over")})
		r.say(event.Attention, name, "stays out of the load balancer; "+state+"; next: "+r.resumeCommand())
	}
}
