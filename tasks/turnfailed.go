package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

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
	return &fleet.HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: detail, Next: t.resumeCommand()}
}

// migrationCount is how many migrations the database has seen, when that could be read.
type migrationCount struct {
	rows  int
	known bool
}

// countMigrations reads the count where it matters: before a change of version.
func (r *rollout) countMigrations(ctx context.Context) migrationCount {
	if r.migrations == nil || !r.plan.changesVersion() {
		return migrationCount{}
	}
	n, err := r.migrations(ctx)
	return migrationCount{rows: n, known: err == nil}
}

// failed brings the host back and says how it was left.
func (t turn) failed(ctx context.Context, cause error, wasUp bool) error {
	var gone *remote.UnreachableError
	if errors.As(cause, &gone) && gone.Host == t.host.Name {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: "unknown", Detail: "unreachable; what was begun on it ends by itself"})
		// The balancer's own check keeps it out for as long as it does not answer.
		state := "the stop, flip and start that were under way end on it by themselves, and no further host was touched"
		if err := t.putBack(ctx); err != nil {
			state += "; it may still be drained"
		}
		return &fleet.HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: state, Next: "bring it back, then: " + t.resumeCommand()}
	}
	if t.blameless(cause) {
		return t.kept(ctx, cause)
	}
	if g, ok := errors.AsType[*GateError](cause); ok {
		if o := t.rollout.outage(ctx, t.host); o != nil {
			return t.waits(ctx, g, o)
		}
	}
	said, lines := relevant(t.journalTail(ctx))
	state, next := t.recover(ctx, cause, wasUp)
	var g *GateError
	if errors.As(cause, &g) {
		// Once: it stands in the error, and the run ends with that.
		g.Journal, g.State, g.Next = lines, state, next
		if said != "" && g.Gate == gateService || said != "" && g.Gate == gateHealth {
			g.Saw += "; Grafana says: " + said
		}
		return cause
	}
	if lines != "" {
		t.sink.Emit(event.Event{Kind: event.Attention, Run: t.run, Host: t.host.Name, Message: "what " + t.cluster.Paths.Service + " says",
			Detail: lines})
	}
	var h *fleet.HostError
	if errors.As(cause, &h) {
		h.State = also(h.State, state)
		return cause
	}
	return &fleet.HostError{Host: t.host.Name, Step: "turn", Cause: cause, State: state, Next: next}
}

// waits leaves a host on what it was given when something that all hosts share is away:
// going back would restart it for nothing, into the same outage. It is put back into
// the balancer, whose own check knows whether it serves; and no further host is touched.
func (t turn) waits(ctx context.Context, g *GateError, o *outage) error {
	g.Shared = o.name
	g.State = fmt.Sprintf("%s answers no host any more (%v), which is no fault of %s: it is left on %s", o.name, o.cause, t.host.Name,
		t.plan.To.String())
	if t.balanced() {
		if err := t.putBack(ctx); err != nil {
			g.State += "; it may still be drained: " + err.Error()
		} else {
			g.State += " and back in the load balancer"
		}
	}
	g.State += "; no further host was touched"
	g.Next = "bring " + o.name + " back, then: " + t.resumeCommand()
	t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.To.String(), Detail: "waits for " + o.name})
	return g
}

// recover does what on_failure says and tells how the host was left.
func (t turn) recover(ctx context.Context, cause error, wasUp bool) (state, next string) {
	back := t.plan.From.Generation
	policy := t.rollout.plan.Policy.OnFailure
	var never *fleet.HostError
	if errors.As(cause, &never) && never.Step == stepDrain {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.From.String(), Detail: "not touched"})
		if err := t.putBack(ctx); err != nil {
			return "it may be drained until the next run, which puts it back", t.resumeCommand()
		}
		return "it was put back into the load balancer", t.resumeCommand()
	}
	if why := t.noWayBack(ctx, t.before); why != "" {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.To.String(), Detail: "not rolled back: " + why})
		return fmt.Sprintf("it is left on %s: %s%s", t.plan.To.String(), why, t.place(ctx, wasUp)),
			"correct the cause, then: " + t.resumeCommand() + "; or restore the dump: ghadeploy rollback INVENTORY --with-database " + cmp.Or(t.dump,
				"DUMP")
	}
	if policy != "rollback" || back == "" || back == t.plan.To.Generation || !wasUp && t.plan.From.Generation == "" {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.To.String()})
		return "it is left on " + t.plan.To.String() + t.place(ctx, wasUp),
			"look at: ghadeploy logs INVENTORY --limit " + t.host.Name + "; then: " + t.resumeCommand()
	}
	t.outcome(t.host.Name, HostOutcome{Outcome: "rolled back", Runs: t.plan.From.String()})
	_ = t.hooks.host(ctx, hookOnRollback, t.host.Host, t.plan)
	t.sink.Emit(event.Event{Kind: event.Info, Run: t.run, Host: t.host.Name, Message: "roll back to " + t.plan.From.String()})
	if err := t.command(ctx, verbFlip, t.plan.From); err != nil {
		t.outcome(t.host.Name, HostOutcome{Outcome: "failed", Runs: t.plan.From.String(), Detail: "rolled back, but not healthy: " + err.Error()})
		return "it was rolled back to " + t.plan.From.String() + ", which is not healthy either: " + err.Error() + t.place(ctx, wasUp),
			"look at: ghadeploy logs INVENTORY --limit " + t.host.Name + "; correct the cause, then: " + t.resumeCommand()
	}
	return "it was rolled back to " + t.plan.From.String() + " and serves", "correct the cause, then: " + t.resumeCommand()
}

// noWayBack says why a host that changed its version must not be taken back: migrations
// ran since the rollout began, on whichever host, or nobody can tell whether they did.
// Empty when it may.
func (t turn) noWayBack(ctx context.Context, before migrationCount) string {
	if t.plan.From.Version == t.plan.To.Version || t.plan.From.Version == "" || t.migrations == nil {
		return ""
	}
	if t.tookOver() {
		return t.plan.To.Version + " serves by now, and " + t.plan.From.Version + " must not serve beside it"
	}
	rows, err := t.migrations(ctx)
	switch {
	case !before.known || err != nil:
		return "the database does not say whether migrations ran, and " + t.plan.From.Version + " would not know the schema they made"
	case rows != before.rows:
		return fmt.Sprintf("%d migrations ran, and %s does not know the schema they made", rows-before.rows, t.plan.From.Version)
	}
	return ""
}

// blameless tells whether a turn failed for a reason that is not on its host:
// a balancer that does not answer, another host that is gone, a lock that was taken
// away. Going back would restart a healthy host for nothing.
func (t turn) blameless(cause error) bool {
	var gone *remote.UnreachableError
	var g *GateError
	var h *fleet.HostError
	var l *lock.HeldError
	switch {
	case errors.As(cause, &l), errors.Is(cause, lock.ErrTaken), errors.As(cause, &gone):
		return true
	case errors.As(cause, &g):
		return g.Gate == gateBalancer
	}
	return errors.As(cause, &h) && h.Step == stepUndrain
}

// kept leaves a host on what it was given, and in the balancer when it is healthy.
func (t turn) kept(ctx context.Context, cause error) error {
	o := HostOutcome{Outcome: "failed", Runs: t.plan.To.String(), Detail: "healthy, but its turn did not end: " + cause.Error()}
	if !t.healthy(ctx) {
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
	if !t.balanced() {
		return nil
	}
	return t.balancer.Undrain(ctx, t.host.Host)
}

// place puts a host that failed back into the balancer when it is healthy, and says
// whether users reach it.
func (t turn) place(ctx context.Context, wasUp bool) string {
	if !wasUp || !t.balanced() {
		return ""
	}
	if !t.healthy(ctx) {
		return "; it stays out of the load balancer until a run finds it healthy"
	}
	if err := t.putBack(ctx); err != nil {
		return "; it is healthy, but drained: " + err.Error()
	}
	return "; it is back in the load balancer"
}

func (t turn) putBackIfHealthy(ctx context.Context) error {
	if !t.healthy(ctx) {
		return nil
	}
	return t.putBack(ctx)
}

// healthy asks the host's own Grafana.
func (t turn) healthy(ctx context.Context) bool {
	v := t.probe(t.host).Read(ctx)
	return v.HealthErr == nil && v.Health.OK()
}

// balanced tells whether a turn puts its host back: there is a balancer, nobody keeps the
// host drained by hand, and no other version serves.
func (t turn) balanced() bool {
	return t.balancer != nil && t.byHand[t.host.Name] == "" && !t.keptOut(t.host.Name)
}

// tailScript prints the last lines of the unit's journal, and of Grafana's log where
// that is a file only.
const tailScript = `
journalctl -u "$1.service" -n 200 --no-pager -o short-iso
[ -z "$2" ] || tail -n 200 "$2"
`

// journalTail is the last 200 lines of the unit, for whoever is paged.
func (t turn) journalTail(ctx context.Context) string {
	res, err := t.host.Run(ctx, remote.Command{
		Step: "read the journal", Script: tailScript, Args: []string{t.cluster.Paths.Service, logFile(t.host.Host, t.cluster.Paths)},
		Become: true, Timeout: 15 * time.Second,
	})
	if err != nil {
		return ""
	}
	return strings.TrimRight(mask.For(t.cluster).Line(string(res.Stdout)), "\n")
}
