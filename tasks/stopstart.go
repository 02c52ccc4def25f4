package tasks

import (
	"context"
	"fmt"
	"maps"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Stop drains and stops Grafana on the selected hosts, and leaves them stopped.
func (r *Runner) Stop(ctx context.Context) (*Result, error) {
	return r.power(ctx, ActionStop, "drain and stop Grafana", func(ctx context.Context, t turn) error {
		if err := t.stopHost(ctx, t.host, ""); err != nil {
			return err
		}
		return t.markStopped(ctx, r.byHand("stop"))
	})
}

// Start starts Grafana on the selected hosts on what is current there, and puts them
// back into the load balancer once their gates are open.
func (r *Runner) Start(ctx context.Context) (*Result, error) {
	return r.power(ctx, ActionTurn, "start Grafana", func(ctx context.Context, t turn) error {
		if err := t.command(ctx, verbStart, t.plan.To); err != nil {
			return err
		}
		return t.markStopped(ctx, "")
	})
}

// power does one thing to all selected hosts at once that are not there yet.
func (r *Runner) power(ctx context.Context, kind ActionKind, what string, do func(context.Context, turn) error) (*Result, error) {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	plan := r.powerPlan(p, kind, what)
	return r.locked(ctx, p.connected(), plan, func(held *lock.Lock, res *Result) error {
		ro := r.rollout(p, plan, held, hooks{})
		var chosen []fleet.Host
		for _, h := range p.connected() {
			if len(plan.Host(h.Name).Actions) > 0 {
				chosen = append(chosen, h)
			}
		}
		err := fleet.Each(chosen, func(_ int, h fleet.Host) error {
			t := ro.turnOf(h)
			o := HostOutcome{Outcome: "done", Runs: t.plan.To.String()}
			if kind == ActionStop {
				o.Runs = "nothing"
			}
			err := do(ctx, t)
			if err != nil {
				o.Outcome, o.Detail = "failed", err.Error()
			}
			ro.outcome(h.Name, o)
			return err
		})
		maps.Copy(res.Hosts, ro.outcomes)
		return err
	})
}

func (r *Runner) powerPlan(p *picture, kind ActionKind, what string) *Plan {
	plan := &Plan{Schema: 1, Cluster: r.c.Name, Command: r.o.Command, Policy: Policy{Kind: PolicyNone, Reason: what, Gates: gateNames(r.c)}}
	selected := r.selected()
	for _, h := range p.hosts {
		f := h.facts
		cur := Deployed{Generation: f.Current, Release: f.Generations[f.Current], Version: versionOf(f.Generations[f.Current])}
		p.desired[h.Name] = &desired.Host{Host: h.Name, Generation: &desired.Generation{ID: f.Current, Version: cur.Version}}
		hp := HostPlan{Host: h.Name, From: runs(f), To: cur, Skipped: !selected[h.Name]}
		if selected[h.Name] && f.Current != "" && f.Service.Running() == (kind == ActionStop) {
			hp.Actions = []Action{{Kind: kind, Host: h.Name, Summary: what + " on " + h.Name, Reason: r.o.Command, Disrupts: kind == ActionStop,
				Steps: r.powerSteps(kind, f)}}
		}
		plan.Hosts = append(plan.Hosts, hp)
	}
	_ = plan.seal()
	return plan
}

// powerSteps are those of a host that is stopped, or started on what is current.
func (r *Runner) powerSteps(kind ActionKind, f *Facts) (out []Step) {
	lb := drains(r.c)
	if kind == ActionStop {
		if lb {
			out = append(out, Step{StepDrain, fmt.Sprintf("(at most %s)", r.c.Rollout.Drain)})
		}
		return append(out, Step{Kind: StepStop})
	}
	out = append(out, Step{Kind: StepStart})
	return append(out, rejoinSteps(r.c, f)...)
}

// markScript says on the host, in file $2 of its state folder $1, who did something by hand:
// what was drained no later run puts back, and what was stopped is known as such. Without
// text it takes the mark away.
const markScript = `umask 077; mkdir -p "$1" && if [ -n "$3" ]; then printf '%s\n' "$3" >"$1/$2"; else rm -f "$1/$2"; fi`

// The marks that people's work leaves on a host.
const (
	markDrained = "drained"
	markStopped = "stopped"
)

// mark sets or takes away a mark.
func (r *Runner) mark(ctx context.Context, h fleet.Host, file, text string) error {
	return setMark(ctx, h, r.c.Paths.State, file, text)
}

func setMark(ctx context.Context, h fleet.Host, state, file, text string) error {
	step := "take the mark " + file + " away"
	if text != "" {
		step = "mark as " + file
	}
	_, err := h.Run(ctx, remote.Command{Step: step, Script: markScript, Args: []string{state, file, text}, Become: true, Timeout: time.Minute})
	return err
}

// byHand is who does something by hand now, for a mark.
func (r *Runner) byHand(command string) string {
	h := lock.NewHolder(command, r.id)
	return fmt.Sprintf("%s, %s", h.Who(), h.Since.Format(time.RFC3339))
}

// markStopped notes who stopped the host by hand; without text, that it is no longer so.
func (t turn) markStopped(ctx context.Context, who string) error {
	if f := t.facts[t.host.Name]; who == "" && (f == nil || f.Stopped == "") {
		return nil
	}
	return setMark(ctx, t.host, t.cluster.Paths.State, markStopped, who)
}

// Drain takes the selected hosts out of the load balancer until Undrain; no run puts
// them back before.
func (r *Runner) Drain(ctx context.Context) (*Result, error) {
	return r.balance(ctx, "drained", r.byHand("drain"), func(ctx context.Context, t turn) error {
		return t.leave(ctx)
	})
}

// Undrain puts the selected hosts back.
func (r *Runner) Undrain(ctx context.Context) (*Result, error) {
	return r.balance(ctx, "undrained", "", func(ctx context.Context, t turn) error { return t.undrain(ctx) })
}

func (r *Runner) balance(ctx context.Context, outcome, mark string, do func(context.Context, turn) error) (*Result, error) {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	if p.balancer == nil {
		return nil, &UsageError{"the inventory has no load_balancer that can be told to drain a host"}
	}
	plan := r.powerPlan(p, ActionUndrain, outcome)
	held, err := r.lockAll(ctx, p.connected())
	if err != nil {
		return nil, err
	}
	defer held.Release()
	ro := r.rollout(p, plan, held, hooks{})
	ro.byHand = nil // it is by hand that hosts are put back now
	res := &Result{Run: r.id, Plan: plan, Hosts: map[string]HostOutcome{}, Changed: true}
	selected := r.selected()
	err = fleet.Each(p.connected(), func(_ int, h fleet.Host) error {
		if !selected[h.Name] {
			return nil
		}
		if err := r.mark(ctx, h, markDrained, mark); err != nil {
			return err
		}
		if err := do(ctx, ro.turnOf(h)); err != nil {
			return err
		}
		ro.outcome(h.Name, HostOutcome{Outcome: outcome, Runs: plan.Host(h.Name).From.String()})
		return nil
	})
	maps.Copy(res.Hosts, ro.outcomes)
	return res, err
}
