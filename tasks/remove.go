package tasks

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

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
	rm -rf "$5" "$6" "$3/changed" "$3/good" "$3/drained" "$3/stopped"
	userdel "$7" 2>/dev/null
else
	rm -f "$3/good" "$3/drained" "$3/stopped"
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
	selected := r.selected()
	p, err := r.gatherFactsBut(ctx, func(h string) bool { return selected[h] })
	if err != nil {
		return nil, err
	}
	plan := r.powerPlan(p, ActionStop, "drain, stop and remove Grafana")
	for i := range plan.Hosts {
		if hp := &plan.Hosts[i]; !hp.Skipped {
			hp.Actions = []Action{r.removal(hp.Host, purge)}
		}
	}
	r.planGone(p, plan)
	if len(p.absent) == len(r.c.Hosts) {
		return nil, fleet.Join(slices.Collect(maps.Values(p.absent))...)
	}
	rest := r.without(r.selected())
	if len(rest.c.Hosts) > 0 {
		others, err := rest.planOf(ctx, want{})
		if err != nil {
			return nil, err
		}
		rest.o.Saved = others
		plan.takeOthers(others)
	}
	if err := plan.seal(); err != nil {
		return nil, err
	}
	return r.locked(ctx, p.connected(), plan, func(held *lock.Lock, res *Result) error {
		return r.removeLocked(ctx, p, plan, rest, held, purge, res)
	})
}

// removal is the action of one host that is removed. Its paths are all that is deleted.
func (r *Runner) removal(host string, purge bool) Action {
	pa := r.c.Paths
	a := Action{Kind: ActionRemove, Host: host, Summary: "drain, stop and remove Grafana from " + host, Reason: "remove", Disrupts: true}
	a.Paths = []string{pa.Etc, "/etc/systemd/system/" + pa.Service + ".service"}
	for _, folder := range []string{"releases", "generations", "incoming", "current"} {
		a.Paths = append(a.Paths, pa.Root+"/"+folder)
	}
	if purge {
		a.Summary = "drain, stop and remove Grafana from " + host + ", with its data, its logs and user " + pa.User
		a.Paths = append(a.Paths, pa.Data, pa.Logs)
	}
	return a
}

// takeOthers adds what happens to the hosts that stay: they get other peers, one
// after another.
func (p *Plan) takeOthers(others *Plan) {
	for i := range p.Hosts {
		if hp := others.Host(p.Hosts[i].Host); hp != nil {
			p.Hosts[i] = *hp
		}
	}
	p.Policy, p.Before, p.Estimate = others.Policy, others.Before, others.Estimate
	p.Warnings = append(p.Warnings, others.Warnings...)
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

// removeLocked does to every host what the plan says: those that go are stopped
// before the others learn of it, and cleaned up when the others run without them.
func (r *Runner) removeLocked(ctx context.Context, p *picture, plan *Plan, rest *Runner, held *lock.Lock, purge bool, res *Result) error {
	var gone []fleet.Host
	for _, h := range p.connected() {
		if slices.ContainsFunc(plan.Host(h.Name).Actions, func(a Action) bool { return a.Kind == ActionRemove }) {
			gone = append(gone, h)
		}
	}
	if len(rest.c.Hosts) == 0 {
		if err := r.stopThose(ctx, p, plan, held, gone, res); err != nil {
			return err
		}
		return r.cleanUp(ctx, gone, purge, res)
	}
	p2, others, err := rest.again(ctx, want{}, rest.o.Saved)
	if err != nil {
		return err
	}
	if err := r.drainAbsent(ctx, p); err != nil {
		return err
	}
	if err := r.stopThose(ctx, p, plan, held, gone, res); err != nil {
		return err
	}
	if err := rest.execute(ctx, p2, others, held, hooks{}, res); err != nil {
		return err
	}
	r.tellGone(p, res)
	return r.cleanUp(ctx, gone, purge, res)
}

// stopThose stops the hosts that go. When one of them cannot be stopped they all serve
// on, and nothing is removed.
func (r *Runner) stopThose(ctx context.Context, p *picture, plan *Plan, held *lock.Lock, gone []fleet.Host, res *Result) error {
	ro := r.rollout(p, plan, held, hooks{})
	err := ro.stopAll(ctx, gone)
	if err != nil {
		err = ro.bringBack(ctx, err)
		maps.Copy(res.Hosts, ro.outcomes)
	}
	return err
}

// cleanUp deletes what the plan named.
func (r *Runner) cleanUp(ctx context.Context, gone []fleet.Host, purge bool, res *Result) error {
	mode := ""
	if purge {
		mode = "purge"
	}
	pa := r.c.Paths
	err := fleet.Each(gone, func(_ int, h fleet.Host) error {
		start := time.Now()
		r.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: r.id, Host: h.Name, Step: string(ActionRemove)})
		_, err := h.Run(ctx, remote.Command{
			Step: "remove", Script: removeScript, Args: []string{pa.Root, pa.Etc, pa.State, pa.Service, pa.Data, pa.Logs, pa.User, mode},
			Become: true, Timeout: stageTimeout,
		})
		done := event.Event{Kind: event.StepDone, Run: r.id, Host: h.Name, Step: string(ActionRemove), Seconds: time.Since(start).Seconds()}
		if err != nil {
			done.Kind, done.Error = event.StepFailed, err.Error()
		}
		r.o.Sink.Emit(done)
		if err == nil {
			res.Hosts[h.Name] = HostOutcome{Outcome: "done", Runs: "nothing", Detail: "removed"}
		}
		return err
	})
	var out []fleet.Host
	for _, h := range r.limited() {
		out = append(out, fleet.Host{Host: h})
	}
	r.o.Sink.Emit(event.Event{Kind: event.Attention, Run: r.id, Message: r.whatToTakeOut(out)})
	return err
}

// whatToTakeOut says what ghadeploy leaves to people when hosts are gone. Where the
// backend is theirs, its server line stays drained: with the line there, any other
// state would send requests to a host that has no Grafana.
func (r *Runner) whatToTakeOut(gone []fleet.Host) string {
	all := strings.Join(names(gone), ", ")
	out := "take " + all + " out of " + r.c.File + " (--write-inventory does), or the next apply deploys to them again"
	lb := r.c.LoadBalancer
	switch {
	case lb.Type == "" || lb.Type == "none" || lb.Manage && len(gone) < len(r.c.Hosts):
		return out
	case lb.Type == "command":
		return out + "; and take " + all + " out of the load balancer, where load_balancer.drain has left it"
	}
	var servers, on []string
	for _, h := range gone {
		// The line may have a name of its own; it is found by the address too.
		servers = append(servers, fmt.Sprintf("%s (%s)", h.Name, desired.Listens(h.Host).At(h.Address)))
	}
	for _, h := range lb.Hosts {
		on = append(on, h.Name)
	}
	part := "backend"
	if lb.Type == "nginx" {
		part = "upstream"
	}
	return fmt.Sprintf("%s; and take the server line of %s out of %s %s on %s, where it stays drained",
		out, strings.Join(servers, ", "), part, cmp.Or(lb.Backend, "grafana"), strings.Join(on, ", "))
}
