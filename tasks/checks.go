package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// Check looks, from every host, at what Grafana there will rely on. It changes nothing.
// A database that cannot be read is a finding, not an error.
func (r *Runner) Check(ctx context.Context) ([]check.Finding, error) {
	p, err := r.gatherBut(ctx, want{}, true)
	if err != nil {
		return nil, err
	}
	r.phase("check", "look at what Grafana will rely on")
	defer r.phaseDone("check", time.Now())
	in := r.checkInput(p)
	seen := in.Seen
	in.Seen = func(ctx context.Context, name, host string) []check.Finding {
		if look := r.beforeApply(p, name); look != nil {
			return look(ctx, host)
		}
		return seen(ctx, name, host)
	}
	in.Front = askFront
	found, err := check.Run(ctx, in)
	if err != nil {
		return found, err
	}
	more, err := r.checkReach(ctx, p)
	return append(found, more...), err
}

// checkReach finds changes that apply would refuse for what they do beyond a restart.
func (r *Runner) checkReach(ctx context.Context, p *picture) (out []check.Finding, err error) {
	if slices.Contains(r.o.SkipChecks, "all") {
		return nil, nil
	}
	if err := r.withReach(ctx, p); err != nil {
		return nil, err
	}
	for _, c := range p.reach.changes() {
		if c.Refused == "" {
			continue
		}
		out = append(out, check.Finding{
			Check: "reach", Severity: check.Fail, Host: strings.Join(c.Hosts, ", "), What: c.What + "; " + c.Notice, Why: c.Refused, Fix: c.Next,
		})
	}
	return out, nil
}

// checkInput is what the checks need of a picture.
func (r *Runner) checkInput(p *picture) check.Input {
	version := p.inputs.Version
	if version == "" {
		version = r.c.Grafana.Version
	}
	v, _ := grafana.ParseVersion(version) // Desired has read it already
	in := check.Input{
		Cluster: r.c, Hosts: p.connected(), Version: v, Skip: r.o.SkipChecks, Sink: r.o.Sink, ReleaseSize: p.release().Unpacked,
		IPs: p.inputs.IPs, Running: lowestRunning(p.factsByHost()), AllowKnownBad: r.o.AllowKnownBad,
		Render: func(h *inventory.Host) (grafana.Rendered, error) {
			return desired.Node(r.c, h, v, p.inputs.IPs, p.release().Defaults).Render()
		},
	}
	in.Seen = func(_ context.Context, name, host string) []check.Finding {
		return seenFindings(name, r.c.Paths, p.factsByHost()[host], p.desired[host])
	}
	for _, h := range p.hosts {
		in.Unit = string(p.desired[h.Name].Generation.File(desired.UnitFile).Content)
		break
	}
	in.Unsigned = unsigned(r.c, p.inputs.Plugins)
	switch {
	case p.balancerErr != nil:
		in.Balancer = func(context.Context) []check.Finding { return []check.Finding{balancerFault(p.balancerErr)} }
	case p.balancer != nil:
		in.Balancer = func(ctx context.Context) []check.Finding { return r.checkBalancer(ctx, p) }
	}
	return in
}

// checkBalancer finds hosts that a load balancer does not have.
func (r *Runner) checkBalancer(ctx context.Context, p *picture) (out []check.Finding) {
	states, err := p.balancer.State(ctx)
	if _, none := errors.AsType[*balancer.NoBackendError](err); none && len(p.changes) > 0 {
		return nil // it is still to be written
	}
	if err != nil {
		return []check.Finding{balancerFault(err)}
	}
	for _, h := range r.c.Hosts {
		if s := states[h.Name]; s.Status == balancer.Unknown && len(p.changes) == 0 {
			out = append(out,
				check.Finding{Severity: check.Warning, Host: h.Name, What: fmt.Sprintf("%s does not have this host", p.balancer.Describe()),
					Why: "it gets no requests and cannot be drained", Fix: "add it to the backend, or let ghadeploy write it: load_balancer.manage: true"})
		}
	}
	return out
}

// balancerFault is the finding of a load balancer that cannot be asked, or lacks the backend.
func balancerFault(err error) check.Finding {
	f := check.Finding{Severity: check.Fail, Host: "load balancer", What: err.Error(),
		Why: "a host that cannot be drained cannot be restarted without failed requests",
		Fix: "bring it back, or correct load_balancer in the inventory"}
	if none, ok := errors.AsType[*balancer.NoBackendError](err); ok {
		f.What, f.Fix = none.Error(), "correct load_balancer.backend in the inventory, or set load_balancer.manage: true"
	}
	return f
}

// unsigned are the plugins whose archives hold no signature though the inventory does not
// allow that: Grafana would not load them.
func unsigned(c *inventory.Cluster, found []desired.Plugin) (out []string) {
	for i, p := range c.Grafana.Plugins {
		if i < len(found) && !p.Unsigned && !found[i].Signed {
			out = append(out, p.ID)
		}
	}
	return out
}
