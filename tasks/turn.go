package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// turn is one host's way through a change.
type turn struct {
	*rollout
	host fleet.Host
	want *HostState
	plan *HostPlan
	last bool // no turn comes after this one
}

// The steps of a turn at the load balancer.
const (
	stepDrain   = "drain"
	stepUndrain = "undrain"
)

// finishTimeout is how long a turn that is being ended from outside gets to
// bring its host back.
const finishTimeout = 3 * time.Minute

// take is the whole turn: drain, stop, flip, start, gates, undrain, settle. When
// it fails the host is brought back as rollout.on_failure says, and a healthy
// host is never left drained.
func (t turn) take(ctx context.Context) error {
	if err := t.hooks.host(ctx, hookBeforeHost, t.host.Host, t.plan); err != nil {
		return &HostError{Host: t.host.Name, Step: "hook before_host", Cause: err, State: "the host was not touched", Next: "correct the hook and run apply again"}
	}
	before := t.countMigrations(ctx)
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
	return t.failed(ctx, err, before, wasUp)
}

// done records a turn whose gates are open, and lets the cluster settle when
// another turn follows.
func (t turn) done(ctx context.Context) error {
	if err := t.lock.Renew(ctx, t.host); err != nil {
		return err
	}
	t.lock.Good(t.host.Name, t.want.Generation.ID)
	t.outcome(t.host.Name, HostOutcome{Outcome: "done", Runs: t.describe(t.plan.To)})
	if err := t.hooks.host(ctx, hookAfterHost, t.host.Host, t.plan); err != nil {
		t.sink.Emit(event.Event{Kind: event.Warning, Run: t.run, Host: t.host.Name, Message: "hook after_host: " + err.Error()})
	}
	if t.last || t.rollout.plan.Policy.Kind == PolicyFirst {
		return nil
	}
	return t.settled(ctx, t.host)
}

// abandonTimeout is how long a run that is told to stop at once may still take to
// put a host back that is healthy.
const abandonTimeout = 3 * time.Second

// abandoned is the end of a turn that was told to stop at once: what was sent to the
// host ends there by itself, and nothing is waited for.
func (t turn) abandoned(ctx context.Context, cause error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), abandonTimeout)
	defer cancel()
	detail := "stopped in the middle of its turn; what was begun on it ends by itself"
	if err := t.putBackIfHealthy(ctx); err != nil {
		detail += "; it may still be drained"
	}
	t.outcome(t.host.Name, HostOutcome{Outcome: "interrupted", Runs: "unknown", Detail: detail})
	return &HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: detail, Next: "ghadeploy apply INVENTORY"}
}

func (t turn) isUp() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.up[t.host.Name]
}

func (t turn) describe(d Deployed) string {
	if d.Version == "" {
		return "nothing"
	}
	return fmt.Sprintf("Grafana %s, generation %s", d.Version, d.Generation)
}

// step runs one step of the turn with its events and its line in the journal.
func (t turn) step(name string, f func() error) error {
	start := time.Now()
	t.sink.Emit(event.Event{Kind: event.StepStarted, Run: t.run, Host: t.host.Name, Step: name})
	t.lock.Journal(t.host.Name, JournalEntry{Time: start.UTC(), Run: t.run, Host: t.host.Name, Step: name, Result: "started"})
	err := f()
	e := JournalEntry{Time: time.Now().UTC(), Run: t.run, Host: t.host.Name, Step: name, Result: "done", Seconds: time.Since(start).Seconds()}
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
			return &HostError{Host: t.host.Name, Step: stepDrain, Cause: err, State: "Grafana on it was not touched", Next: "bring the load balancer back, then run apply again"}
		}
		err := t.balancer.WaitIdle(ctx, t.host.Host, t.cluster.Rollout.Drain)
		var busy *balancer.BusyError
		if errors.As(err, &busy) {
			t.sink.Emit(event.Event{Kind: event.Info, Run: t.run, Host: t.host.Name, Message: busy.Error()})
			return nil
		}
		return err
	})
}

// command stops, flips and starts as told, then waits for the gates and puts the
// host back into the load balancer.
func (t turn) command(ctx context.Context, v verb, to Deployed) error {
	t.setUp(t.host.Name, false)
	err := t.step(string(v), func() error {
		return t.watched(ctx, func(ctx context.Context) error { return t.send(ctx, v, to) })
	})
	var exit *remote.ExitError
	if err != nil && !errors.As(err, &exit) {
		return err
	}
	if v == verbStop {
		t.stopped(t.host.Name)
		return err
	}
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
	go func() { done <- f(ctx) }()
	start := time.Now()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case err := <-done:
			return err
		case <-tick.C:
			t.sink.Emit(event.Event{Kind: event.StepProgress, Run: t.run, Host: t.host.Name, Message: "stop, flip, start", Seconds: time.Since(start).Seconds()})
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
	w := &serviceWatch{r: t.rollout, host: t.host, first: &first}
	gates := []gate{w.service(), t.rollout.health(t.host, want, w)}
	for _, name := range t.rollout.plan.Policy.Gates {
		switch name {
		case gateMembers:
			gates = append(gates, t.members(t.host.Name))
		case gateLive:
			gates = append(gates, t.live(t.host.Name))
		}
	}
	for _, g := range append(gates, t.stability(t.host, &first)) {
		if err := g.wait(ctx, t.host.Name, t.sink); err != nil {
			return err
		}
	}
	return nil
}

// undrain puts the host back and waits until the balancer sends it requests.
func (t turn) undrain(ctx context.Context) error {
	if t.balancer == nil {
		return nil
	}
	return t.step(stepUndrain, func() error {
		if err := t.balancer.Undrain(ctx, t.host.Host); err != nil {
			return &HostError{Host: t.host.Name, Step: stepUndrain, Cause: err, State: "Grafana on it is healthy, but drained", Next: "ghadeploy undrain INVENTORY --limit " + t.host.Name}
		}
		if err := t.balancer.WaitUp(ctx, t.host.Host, t.cluster.Rollout.GateTimeout); err != nil {
			return &GateError{Host: t.host.Name, Gate: gateBalancer, Saw: err.Error(), After: t.cluster.Rollout.GateTimeout, State: "Grafana on it is healthy", Next: "look at the load balancer's health check, then run apply again"}
		}
		return nil
	})
}

// migrationCount is how many migrations the database has seen, when that could be read.
type migrationCount struct {
	rows  int
	known bool
}

// countMigrations reads the count where it matters: for a change of version.
func (t turn) countMigrations(ctx context.Context) migrationCount {
	if t.migrations == nil || t.plan.From.Version == t.plan.To.Version {
		return migrationCount{}
	}
	n, err := t.migrations(ctx)
	return migrationCount{rows: n, known: err == nil}
}

// failed brings the host back and says how it was left.
func (t turn) failed(ctx context.Context, cause error, before migrationCount, wasUp bool) error {
	var gone *remote.UnreachableError
	if errors.As(cause, &gone) && gone.Host == t.host.Name {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: "unknown", Detail: "unreachable; what was begun on it ends by itself"})
		// The balancer's own check keeps it out for as long as it does not answer.
		state := "the stop, flip and start that were under way end on it by themselves, and no further host was touched"
		if err := t.putBack(ctx); err != nil {
			state += "; it may still be drained"
		}
		return &HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: state, Next: "bring it back, then: ghadeploy apply INVENTORY"}
	}
	if t.blameless(cause) {
		return t.kept(ctx, cause)
	}
	lines := t.journalTail(ctx)
	state, next := t.recover(ctx, cause, before, wasUp)
	if lines != "" {
		t.sink.Emit(event.Event{Kind: event.Attention, Run: t.run, Host: t.host.Name, Message: "the last lines of " + t.cluster.Paths.Service, Detail: lines})
	}
	var g *GateError
	if errors.As(cause, &g) {
		g.Journal, g.State, g.Next = lines, state, next
		return cause
	}
	var h *HostError
	if errors.As(cause, &h) {
		h.State = strings.TrimPrefix(h.State+"; "+state, "; ")
		return cause
	}
	return &HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: state, Next: next}
}

// recover does what on_failure says and tells how the host was left.
func (t turn) recover(ctx context.Context, cause error, before migrationCount, wasUp bool) (state, next string) {
	back := t.plan.From.Generation
	policy := t.rollout.plan.Policy.OnFailure
	var never *HostError
	if errors.As(cause, &never) && never.Step == stepDrain {
		_ = t.putBack(ctx)
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.describe(t.plan.From), Detail: "not touched"})
		return "it was put back into the load balancer", "ghadeploy apply"
	}
	if why := t.noWayBack(ctx, before); why != "" {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.describe(t.plan.To), Detail: "not rolled back: " + why})
		return fmt.Sprintf("it is left on %s: %s", t.describe(t.plan.To), why),
			"correct the cause and run apply again; or restore the dump: ghadeploy rollback INVENTORY --with-database " + cmp.Or(t.dump, "DUMP")
	}
	if policy != "rollback" || back == "" || back == t.plan.To.Generation || !wasUp && t.plan.From.Generation == "" {
		_ = t.putBackIfHealthy(ctx)
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.describe(t.plan.To)})
		return "it is left on " + t.describe(t.plan.To), "look at: ghadeploy logs INVENTORY --limit " + t.host.Name + "; then run apply again"
	}
	t.outcome(t.host.Name, HostOutcome{Outcome: "rolled back", Runs: t.describe(t.plan.From)})
	_ = t.hooks.host(ctx, hookOnRollback, t.host.Host, t.plan)
	t.sink.Emit(event.Event{Kind: event.Info, Run: t.run, Host: t.host.Name, Message: "roll back to " + t.describe(t.plan.From)})
	if err := t.command(ctx, verbFlip, t.plan.From); err != nil {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.describe(t.plan.From), Detail: "rolled back, but not healthy: " + err.Error()})
		_ = t.putBackIfHealthy(ctx)
		return "it was rolled back to " + t.describe(t.plan.From) + ", which is not healthy either: " + err.Error(), "look at: ghadeploy logs INVENTORY --limit " + t.host.Name
	}
	return "it was rolled back to " + t.describe(t.plan.From) + " and serves", "correct the cause and run apply again"
}

// noWayBack says why a host that changed its version must not be taken back: migrations
// ran, or nobody can tell whether they did. Empty when it may.
func (t turn) noWayBack(ctx context.Context, before migrationCount) string {
	if t.plan.From.Version == t.plan.To.Version || t.plan.From.Version == "" || t.migrations == nil {
		return ""
	}
	after := t.countMigrations(ctx)
	switch {
	case !before.known || !after.known:
		return "the database does not say whether migrations ran, and " + t.plan.From.Version + " would not know the schema they made"
	case after.rows != before.rows:
		return fmt.Sprintf("%d migrations ran, and %s does not know the schema they made", after.rows-before.rows, t.plan.From.Version)
	}
	return ""
}

// blameless tells whether a turn failed for a reason that is not on its host:
// a balancer that does not answer, another host that is gone, a lock that was taken
// away. Going back would restart a healthy host for nothing.
func (t turn) blameless(cause error) bool {
	var gone *remote.UnreachableError
	var g *GateError
	var h *HostError
	var l *LockedError
	switch {
	case errors.As(cause, &l), errors.Is(cause, errLockTaken), errors.As(cause, &gone):
		return true
	case errors.As(cause, &g):
		return g.Gate == gateBalancer
	}
	return errors.As(cause, &h) && h.Step == stepUndrain
}

// kept leaves a host on what it was given, and in the balancer when it is healthy.
func (t turn) kept(ctx context.Context, cause error) error {
	o := HostOutcome{Outcome: "failed", Runs: t.describe(t.plan.To), Detail: "healthy, but its turn did not end: " + cause.Error()}
	if v := t.probe(t.host).Read(ctx); v.HealthErr != nil || !v.Health.OK() {
		o.Detail = "its turn did not end: " + cause.Error()
	} else if err := t.putBack(ctx); err != nil {
		o.Detail = "healthy, but drained: " + err.Error()
	} else {
		t.lock.Good(t.host.Name, t.want.Generation.ID)
	}
	t.outcome(t.host.Name, o)
	return cause
}

// putBack undrains without waiting: the balancer's own health check decides then.
func (t turn) putBack(ctx context.Context) error {
	if t.balancer == nil {
		return nil
	}
	return t.balancer.Undrain(ctx, t.host.Host)
}

func (t turn) putBackIfHealthy(ctx context.Context) error {
	if v := t.probe(t.host).Read(ctx); v.HealthErr != nil || !v.Health.OK() {
		return nil
	}
	return t.putBack(ctx)
}

// tailScript prints the last lines of the unit's journal, and of Grafana's log where
// that is a file only.
const tailScript = `
journalctl -u "$1.service" -n 50 --no-pager -o short-iso
[ -z "$2" ] || { echo "-- $2"; tail -n 50 "$2"; }
`

// journalTail is the last 50 lines of the unit, for whoever is paged.
func (t turn) journalTail(ctx context.Context) string {
	res, err := t.host.Run(ctx, remote.Command{
		Step: "read the journal", Script: tailScript, Args: []string{t.cluster.Paths.Service, logFile(t.host.Host, t.cluster.Paths)},
		Become: true, Timeout: 15 * time.Second,
	})
	if err != nil {
		return ""
	}
	return strings.TrimRight(string(newMasker(secretsOf(t.cluster)).text(res.Stdout)), "\n")
}
