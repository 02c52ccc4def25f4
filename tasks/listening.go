package tasks

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// Where a host's Grafana answers is a matter of what its process was started from, not
// of what the inventory has by now: until its turn a host listens as it was deployed.

// serverOf collects what the host told of one [server]: key to value.
type serverOf map[string]string

// add takes "key = value" of a grafana.ini, or GF_SERVER_KEY=value of an environment.
func (s serverOf) add(line string) {
	name, value, _ := strings.Cut(line, "=")
	name = strings.ToLower(strings.TrimPrefix(strings.TrimSpace(name), "GF_SERVER_"))
	s[name] = strings.Trim(strings.TrimSpace(value), "`\"")
}

// over is s with what other says instead: an environment goes before a file.
func (s serverOf) over(other serverOf) serverOf {
	out := serverOf{}
	for k, v := range s {
		out[k] = v
	}
	for k, v := range other {
		out[k] = v
	}
	return out
}

func (s serverOf) listen() grafana.Listen {
	l, _ := grafana.ParseListen(s["protocol"], s["http_addr"], s["http_port"])
	return l
}

// ListensAt is where a generation that is on the host answers there once it is started; ok
// is false where the host does not have it. Of what the running process has in its
// environment only that counts which the unit still sets: a start takes no more.
func (f *Facts) ListensAt(generation string) (l grafana.Listen, ok bool) {
	if f == nil || f.Servers[generation] == nil {
		return grafana.Listen{}, false
	}
	server := f.Servers[generation]
	if generation == f.Service.Generation {
		server = server.over(f.setByUnit(f.Service.Server))
	}
	return server.listen(), true
}

// setByUnit is what of a process's [server] the unit's drop-ins, or systemd itself, would
// set again.
func (f *Facts) setByUnit(server serverOf) serverOf {
	out := serverOf{}
	for key, value := range server {
		if f.unitSets("GF_SERVER_" + strings.ToUpper(key)) {
			out[key] = value
		}
	}
	return out
}

// Listens is where the running process answers, or would after a start; ok is false where
// nothing was deployed.
func (f *Facts) Listens() (l grafana.Listen, ok bool) {
	if f == nil {
		return grafana.Listen{}, false
	}
	generation := f.Service.Generation
	if generation == "" {
		generation = f.Current
	}
	if f.Servers[generation] == nil {
		return grafana.Listen{}, false
	}
	if generation == f.Service.Generation {
		return f.Servers[generation].over(f.Service.Server).listen(), true
	}
	return f.ListensAt(generation)
}

// listensAt is where a host answers when it runs a generation: as the host's own copy of
// that says, or as the inventory does where it is still to be written.
func listensAt(h *inventory.Host, f *Facts, generation string) grafana.Listen {
	if l, ok := f.ListensAt(generation); ok {
		return l
	}
	return desired.Listens(h)
}

// moves tells whether a host's Grafana answers elsewhere after its turn than it does now.
func moves(h *inventory.Host, f *Facts, to string) (from, next grafana.Listen, ok bool) {
	from, deployed := f.Listens()
	next = listensAt(h, f, to)
	return from, next, deployed && f.Service.Running() && from != next
}

// listensNow is where a host answers at this moment of a rollout. Call with mu held.
func (r *rollout) listensNow(h *inventory.Host) grafana.Listen {
	f := r.facts[h.Name]
	if started := r.runs[h.Name]; started != "" {
		return listensAt(h, f, started)
	}
	if l, ok := f.Listens(); ok {
		return l
	}
	return desired.Listens(h)
}

// setRuns notes what a turn has started on a host, which is looked at there from now on.
func (r *rollout) setRuns(host, generation string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs == nil {
		r.runs = map[string]string{}
	}
	r.runs[host] = generation
	delete(r.probes, host)
}

// followed has a managed balancer look for a host where that answers by now.
func (r *rollout) followed(ctx context.Context, h *inventory.Host) error {
	mover, ok := r.balancer.(balancer.Mover)
	if !ok {
		return nil
	}
	r.mu.Lock()
	to := r.listensNow(h)
	r.mu.Unlock()
	return mover.Move(ctx, h, to)
}

// movedInTurn adds to a turn that the load balancer is told where the host answers then.
func movedInTurn(in planInput, h *inventory.Host, f *Facts, a Action) Action {
	_, to, ok := moves(h, f, in.desired[h.Name].Generation.ID)
	i := slices.Index(a.Steps, Step{Kind: StepUndrain})
	if ok && i >= 0 && in.cluster.LoadBalancer.Manage {
		a.Steps = slices.Insert(a.Steps, i, Step{StepMove, "the load balancer " + to.Scheme() + "://" + to.At(h.Address)})
	}
	return a
}

// movesOf are the hosts that answer elsewhere after their turns, and where.
func movesOf(c *inventory.Cluster, facts map[string]*Facts, to func(host string) string) map[string]grafana.Listen {
	out := map[string]grafana.Listen{}
	for _, h := range c.Hosts {
		if _, next, ok := moves(h, facts[h.Name], to(h.Name)); ok {
			out[h.Name] = next
		}
	}
	return out
}

// readLines asks balancers that are not ours to write where they name hosts that move. It
// is for a sentence of the plan, so one that cannot say is no error.
func (r *Runner) readLines(ctx context.Context, p *picture) []balancer.Line {
	liner, ok := p.balancer.(balancer.Liner)
	if !ok || r.c.LoadBalancer.Manage {
		return nil
	}
	to := movesOf(r.c, p.factsByHost(), func(host string) string { return p.desired[host].Generation.ID })
	if len(to) == 0 {
		return nil
	}
	lines, _ := liner.Lines(ctx, to)
	return lines
}

// warnOfMoves says what a load balancer that is not managed has to be told by hand, with
// file and line where it can be read.
func (p *Plan) warnOfMoves(in planInput) {
	lb := in.cluster.LoadBalancer
	if lb.Manage || lb.Type == "" || lb.Type == "none" {
		return
	}
	var to, lines []string
	for _, hp := range p.Hosts {
		h := in.cluster.Host(hp.Host)
		if _, next, ok := moves(h, in.facts[hp.Host], hp.To.Generation); ok && hp.Restart && !hp.Skipped {
			to = append(to, fmt.Sprintf("%s at %s://%s", hp.Host, next.Scheme(), next.At(h.Address)))
			for _, l := range in.lines {
				if l.Host == hp.Host {
					lines = append(lines, l.String())
				}
			}
		}
	}
	if len(to) > 0 {
		p.Warnings = append(p.Warnings,
			"after its turn each host answers elsewhere, and the load balancer is not managed here: it must look for "+
				strings.Join(to, ", ")+" from then on, or the turn ends at gate balancer; next: add these servers to it beside the old ones, or set load_balancer.manage: true")
		p.Warnings = append(p.Warnings, lines...)
	}
}
