package tasks

import (
	"context"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Stop drains and stops Grafana on the selected hosts, and leaves them stopped.
func (r *Runner) Stop(ctx context.Context) (*Result, error) {
	return r.power(ctx, ActionStop, "drain and stop Grafana", func(ctx context.Context, t turn) error {
		if err := t.leave(ctx); err != nil {
			return err
		}
		return t.command(ctx, verbStop, Deployed{})
	})
}

// Start starts Grafana on the selected hosts on what is current there, and puts them
// back into the load balancer once their gates are open.
func (r *Runner) Start(ctx context.Context) (*Result, error) {
	return r.power(ctx, ActionTurn, "start Grafana", func(ctx context.Context, t turn) error {
		return t.command(ctx, verbStart, t.plan.To)
	})
}

// power does one thing to all selected hosts at once that are not there yet.
func (r *Runner) power(ctx context.Context, kind ActionKind, what string, do func(context.Context, turn) error) (*Result, error) {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	plan := r.powerPlan(p, kind, what)
	return r.locked(ctx, p.connected(), plan, func(lock *Lock, res *Result) error {
		ro := r.rollout(p, plan, lock, hooks{})
		var chosen []fleet.Host
		for _, h := range p.connected() {
			if len(plan.Host(h.Name).Actions) > 0 {
				chosen = append(chosen, h)
			}
		}
		err := eachHost(chosen, func(_ int, h fleet.Host) error {
			t := turn{rollout: ro, host: h, want: p.desired[h.Name], plan: plan.Host(h.Name)}
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
		p.desired[h.Name] = &HostState{Host: h.Name, Generation: &Generation{ID: f.Current, Version: cur.Version}}
		hp := HostPlan{Host: h.Name, From: runs(f), To: cur, Skipped: !selected[h.Name]}
		if selected[h.Name] && f.Current != "" && f.Service.Running() == (kind == ActionStop) {
			hp.Actions = []Action{{Kind: kind, Host: h.Name, Summary: what + " on " + h.Name, Reason: r.o.Command, Disrupts: kind == ActionStop}}
		}
		plan.Hosts = append(plan.Hosts, hp)
	}
	_ = plan.seal()
	return plan
}

// markScript says on the host who drained it by hand, so that no later run puts it
// back; without text it takes the mark away.
const markScript = `umask 077; mkdir -p "$1" && if [ -n "$2" ]; then printf '%s\n' "$2" >"$1/drained"; else rm -f "$1/drained"; fi`

// Drain takes the selected hosts out of the load balancer until Undrain; no run puts
// them back before.
func (r *Runner) Drain(ctx context.Context) (*Result, error) {
	h := newHolder("drain", r.id)
	return r.balance(ctx, "drained", fmt.Sprintf("%s, %s", h.Who(), h.Since.Format(time.RFC3339)), func(ctx context.Context, t turn) error {
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
	lock, err := r.lockAll(ctx, p.connected())
	if err != nil {
		return nil, err
	}
	defer lock.Release()
	ro := r.rollout(p, plan, lock, hooks{})
	res := &Result{Run: r.id, Plan: plan, Hosts: map[string]HostOutcome{}, Changed: true}
	selected := r.selected()
	err = eachHost(p.connected(), func(_ int, h fleet.Host) error {
		if !selected[h.Name] {
			return nil
		}
		if _, err := h.Run(ctx, remote.Command{Step: "mark as " + outcome, Script: markScript, Args: []string{r.c.Paths.State, mark}, Become: true}); err != nil {
			return err
		}
		t := turn{rollout: ro, host: h, want: p.desired[h.Name], plan: plan.Host(h.Name)}
		if err := do(ctx, t); err != nil {
			return err
		}
		ro.outcome(h.Name, HostOutcome{Outcome: outcome, Runs: t.plan.From.String()})
		return nil
	})
	maps.Copy(res.Hosts, ro.outcomes)
	return res, err
}

// removeScript takes away what ghadeploy made on a host, and nothing else.
// $1 root  $2 etc link  $3 state  $4 service  $5 data  $6 logs  $7 user  $8 purge
const removeScript = `
u=/etc/systemd/system/$4.service
if [ -f "$u" ] && head -n 1 "$u" | grep -q 'Managed by ghadeploy'; then
	systemctl disable -q --now "$4.service" 2>/dev/null
	rm -f "$u" && systemctl daemon-reload
fi
[ -L "$2" ] && [ "$(readlink "$2")" = "$1/current/etc" ] && rm -f "$2"
rm -rf "$1/releases" "$1/generations" "$1/incoming" "$1/current"
rmdir "$1" 2>/dev/null
if [ "$8" = purge ]; then
	rm -rf "$5" "$6" "$3/changed" "$3/good" "$3/drained"
	userdel "$7" 2>/dev/null
else
	rm -f "$3/good" "$3/drained"
fi
true
`

// Remove takes the selected hosts out of the cluster: drains and stops them, rewrites
// the others' peers and rolls them one by one, then deletes what ghadeploy made on
// the removed hosts; with purge also data, logs and user.
func (r *Runner) Remove(ctx context.Context, purge bool) (*Result, error) {
	if len(r.o.Limit) == 0 || len(r.o.Limit) >= len(r.c.Hosts) && !purge {
		return nil, &UsageError{"name the hosts to remove with --limit; all of them only with --purge"}
	}
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	rest := r.without(r.selected())
	plan := r.powerPlan(p, ActionStop, "drain, stop and remove Grafana")
	for i := range plan.Hosts {
		if hp := &plan.Hosts[i]; !hp.Skipped {
			hp.Actions = []Action{{Kind: ActionRemove, Host: hp.Host, Summary: "drain, stop and remove Grafana from " + hp.Host, Reason: "remove", Disrupts: true, Paths: []string{r.c.Paths.Root, r.c.Paths.Etc}}}
		}
	}
	for _, h := range rest.c.Hosts {
		plan.Warnings = append(plan.Warnings, h.Name+": its peers are rewritten, and it is restarted in its turn")
	}
	_ = plan.seal()
	return r.locked(ctx, p.connected(), plan, func(lock *Lock, res *Result) error {
		return r.removeLocked(ctx, p, plan, rest, lock, purge, res)
	})
}

// without is a runner of the same connections for the cluster without some hosts.
func (r *Runner) without(gone map[string]bool) *Runner {
	c := *r.c
	c.Hosts = nil
	for _, h := range r.c.Hosts {
		if !gone[h.Name] {
			c.Hosts = append(c.Hosts, h)
		}
	}
	rest := &Runner{c: &c, o: r.o, id: r.id, pool: r.pool}
	rest.o.Limit, rest.o.Confirm = nil, nil
	return rest
}

func (r *Runner) removeLocked(ctx context.Context, p *picture, plan *Plan, rest *Runner, lock *Lock, purge bool, res *Result) error {
	ro := r.rollout(p, plan, lock, hooks{})
	var gone []fleet.Host
	for _, h := range p.connected() {
		if !plan.Host(h.Name).Skipped {
			gone = append(gone, h)
		}
	}
	if err := ro.stopAll(ctx, gone); err != nil {
		return err
	}
	if len(rest.c.Hosts) > 0 {
		rest.o.Sink = r.o.Sink
		p2, err := rest.gather(ctx, want{})
		if err != nil {
			return err
		}
		plan2, err := rest.plan(ctx, p2, want{})
		if err != nil {
			return err
		}
		if err := rest.execute(ctx, p2, plan2, lock, hooks{}, res); err != nil {
			return err
		}
	}
	mode := ""
	if purge {
		mode = "purge"
	}
	pa := r.c.Paths
	err := eachHost(gone, func(_ int, h fleet.Host) error {
		_, err := h.Run(ctx, remote.Command{
			Step: "remove", Script: removeScript, Args: []string{pa.Root, pa.Etc, pa.State, pa.Service, pa.Data, pa.Logs, pa.User, mode}, Become: true, Timeout: stageTimeout,
		})
		if err == nil {
			res.Hosts[h.Name] = HostOutcome{Outcome: "done", Runs: "nothing", Detail: "removed"}
		}
		return err
	})
	r.o.Sink.Emit(event.Event{Kind: event.Attention, Run: r.id, Message: "take " + strings.Join(names(gone), ", ") + " out of " + r.c.File + ", or the next apply deploys to them again"})
	return err
}
