package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// turn is one host's way through a change.
type turn struct {
	*rollout
	host fleet.Host
	want *desired.Host
	plan *HostPlan
	// batch is the place of its batch in the plan.
	batch int
	// resumed: an earlier run began it.
	resumed bool
}

// The steps of a turn at the load balancer.
const (
	stepDrain   = "drain"
	stepUndrain = "undrain"
	stepMove    = "move" // where the load balancer looks for the host
)

// finishTimeout is how long a turn that is being ended from outside gets to
// bring its host back.
const finishTimeout = 3 * time.Minute

// turnOf is the turn of a host as the plan has it.
func (r *rollout) turnOf(h fleet.Host) turn {
	return turn{rollout: r, host: h, want: r.desired[h.Name], plan: r.plan.Host(h.Name)}
}

// take is the whole turn: drain, stop, flip, start, gates, undrain, settle. When
// it fails the host is brought back as rollout.on_failure says, and a healthy
// host is never left drained.
func (t turn) take(ctx context.Context) error {
	if err := t.hooks.host(ctx, hookBeforeHost, t.host.Host, t.plan); err != nil {
		return &fleet.HostError{Host: t.host.Name, Step: "hook before_host", Cause: err, State: t.untouched(),
			Next: "correct the hook, then: " + t.resumeCommand()}
	}
	wasUp := t.isUp()
	err := t.leave(ctx)
	if err == nil {
		// A flip to what is current already puts a changed unit back and starts.
		err = t.command(ctx, verbFlip, t.plan.To)
	}
	if err == nil {
		return t.done(ctx)
	}
	if ctx.Err() != nil {
		return t.abandoned(ctx, err)
	}
	// From here on the host is brought back, even when the run is told to stop at once.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), finishTimeout)
	defer cancel()
	return t.failed(ctx, err, wasUp)
}

// done records a turn whose gates are open, and lets the cluster settle when
// another turn follows.
func (t turn) done(ctx context.Context) error {
	if err := t.lock.Renew(ctx, t.host); err != nil {
		return err
	}
	t.lock.Good(t.host.Name, t.want.Generation.ID)
	t.outcome(t.host.Name, HostOutcome{Outcome: "done", Runs: t.plan.To.String()})
	if err := t.markStopped(ctx, ""); err != nil {
		return err
	}
	if err := t.hooks.host(ctx, hookAfterHost, t.host.Host, t.plan); err != nil {
		t.sink.Emit(event.Event{Kind: event.Warning, Run: t.run, Host: t.host.Name, Message: "hook after_host: " + err.Error()})
	}
	if !t.rollout.plan.Policy.settlesAfter(t.batch) {
		return nil
	}
	return t.settled(ctx, t.host)
}

func (t turn) isUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up[t.host.Name]
}

// step runs one step of the turn with its events and its line in the journal.
func (t turn) step(name string, f func() error) error {
	start := time.Now()
	t.sink.Emit(event.Event{Kind: event.StepStarted, Run: t.run, Host: t.host.Name, Step: name})
	t.lock.Journal(t.host.Name, journal.Entry{Time: start.UTC(), Run: t.run, Host: t.host.Name, Step: name, Result: "started"})
	err := guard.Do(f)
	e := journal.Entry{Time: time.Now().UTC(), Run: t.run, Host: t.host.Name, Step: name, Result: "done", Seconds: time.Since(start).Seconds()}
	ev := event.Event{Kind: event.StepDone, Run: t.run, Host: t.host.Name, Step: name, Seconds: e.Seconds}
	if err != nil {
		e.Result, e.Message = "failed", err.Error()
		ev.Kind, ev.Error = event.StepFailed, err.Error()
	}
	t.lock.Journal(t.host.Name, e)
	t.sink.Emit(ev)
	return err
}

// leave takes the host out of the load balancer and lets requests finish.
func (t turn) leave(ctx context.Context) error {
	if t.balancer == nil || !t.isUp() {
		return nil
	}
	return t.step(stepDrain, func() error {
		if err := t.balancer.Drain(ctx, t.host.Host); err != nil {
			return &fleet.HostError{Host: t.host.Name, Step: stepDrain, Cause: err, State: "Grafana on it was not touched",
				Next: "bring the load balancer back, then: " + t.resumeCommand()}
		}
		return t.untilIdle(ctx)
	})
}

// untilIdle waits for the requests that are in flight, at most as long as the inventory
// says.
func (t turn) untilIdle(ctx context.Context) error {
	err := t.balancer.WaitIdle(ctx, t.host.Host, t.cluster.Rollout.Drain)
	var busy *balancer.BusyError
	if errors.As(err, &busy) {
		t.sink.Emit(event.Event{Kind: event.Info, Run: t.run, Host: t.host.Name, Message: busy.Error()})
		return nil
	}
	return err
}

// command stops, flips and starts as told, then waits for the gates and puts the
// host back into the load balancer.
func (t turn) command(ctx context.Context, v verb, to Deployed) error {
	t.setUp(t.host.Name, false)
	if v == verbFlip {
		t.setBegun(t.host.Name)
	}
	err := t.step(string(v), func() error {
		return t.watched(ctx, func(ctx context.Context) error { return t.send(ctx, v, to) })
	})
	var exit *remote.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if v == verbStop {
		if err != nil {
			t.setUp(t.host.Name, true) // it refused to stop
			return err
		}
		t.stopped(t.host.Name)
		return nil
	}
	t.setRuns(t.host.Name, to.Generation)
	t.setUp(t.host.Name, true)
	t.setFlipped(t.host.Name, to.Generation == t.plan.To.Generation)
	if err != nil {
		t.sink.Emit(event.Event{Kind: event.Warning, Run: t.run, Host: t.host.Name, Message: err.Error()})
	}
	return t.join(ctx, to.Version)
}

// watched runs a step that says nothing itself and tells every second that it
// goes on; a migration may take minutes.
func (t turn) watched(ctx context.Context, f func(context.Context) error) error {
	done := make(chan error, 1)
	guard.Go(func() { done <- guard.Do(func() error { return f(ctx) }) })
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			t.sink.Emit(event.Event{Kind: event.StepProgress, Run: t.run, Host: t.host.Name, Message: "stop, flip, start",
				Seconds: time.Since(start).Seconds()})
		}
	}
}

// join waits for the gates and puts the host back into the load balancer.
func (t turn) join(ctx context.Context, version string) error {
	want, err := grafana.ParseVersion(version)
	if err != nil {
		return err
	}
	err = t.pass(ctx, want)
	if errors.Is(err, errRebooted) {
		t.presence.doubt(t.host.Name)
		err = t.pass(ctx, want)
	}
	if err != nil {
		return err
	}
	return t.undrain(ctx)
}

// pass waits for all gates of the host in their order.
func (t turn) pass(ctx context.Context, want grafana.Version) error {
	var first sighting
	w := &serviceWatch{r: t.rollout, host: t.host, first: &first, resumed: t.resumed}
	for _, name := range t.gateNames() {
		var g gate
		switch name {
		case gateService:
			g = w.service()
		case gateHealth:
			g = t.rollout.health(t.host, want, w)
		case gateMembers:
			g = t.members(t.host.Name)
		case gateLive:
			g = t.live(t.host.Name)
		case gateStability:
			g = t.stability(t.host, &first)
		default:
			continue // the balancer's comes with its undrain
		}
		if err := g.wait(ctx, t.host.Name, t.sink); err != nil {
			return err
		}
	}
	t.healed(ctx, first)
	return nil
}

// backIn is the command that puts the host back into the load balancer: the run that
// finishes the rollout does, too.
func (t turn) backIn() string {
	if len(t.rollout.plan.Policy.Batches) == 0 {
		return "ghadeploy undrain INVENTORY --limit " + t.host.Name
	}
	return t.resumeCommand()
}

// undrain puts the host back and waits until the balancer sends it requests. A host
// that an operator drained stays so: they work on it.
func (t turn) undrain(ctx context.Context) error {
	if t.balancer == nil {
		return nil
	}
	if who := t.byHand[t.host.Name]; who != "" {
		t.sink.Emit(event.Event{Kind: event.Attention, Run: t.run, Host: t.host.Name,
			Message: "stays drained, by " + who + "; next: ghadeploy undrain INVENTORY " + t.host.Name})
		return nil
	}
	if t.keptOut(t.host.Name) {
		t.sink.Emit(event.Event{Kind: event.Info, Run: t.run, Host: t.host.Name,
			Message: "waits out of the load balancer: another version serves"})
		return nil
	}
	if err := t.followed(ctx, t.host.Host); err != nil {
		return &fleet.HostError{Host: t.host.Name, Step: stepMove, Cause: err, State: "Grafana on it is healthy, but drained",
			Next: "bring the load balancer back, then: " + t.backIn()}
	}
	err := t.step(stepUndrain, func() error {
		if err := t.balancer.Undrain(ctx, t.host.Host); err != nil {
			return &fleet.HostError{Host: t.host.Name, Step: stepUndrain, Cause: err, State: "Grafana on it is healthy, but drained",
				Next: "bring the load balancer back, then: " + t.backIn()}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return t.step("gate:"+gateBalancer, func() error {
		if err := t.balancer.WaitUp(ctx, t.host.Host, t.cluster.Rollout.GateTimeout); err != nil {
			return &GateError{Host: t.host.Name, Gate: gateBalancer, Saw: err.Error(), After: t.cluster.Rollout.GateTimeout,
				State: "Grafana on it is healthy", Next: "look at the load balancer's health check, then: " + t.resumeCommand()}
		}
		return nil
	})
}
