package tasks

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// observePresent reads the hosts and goes on without those that cannot be reached and that
// may be missing: where --limit leaves a dead host out, it must not keep the others from
// their turns. Any other host that cannot be reached is an error, which names the ways out.
func (r *Runner) observePresent(ctx context.Context, missing func(host string) bool) (here []seen, absent map[string]error, err error) {
	all, errs := r.observeEach(ctx, r.c.Hosts)
	absent = map[string]error{}
	for i, h := range r.c.Hosts {
		switch {
		case errs[i] == nil:
			here = append(here, all[i])
		case unreachable(errs[i]) && missing(h.Name):
			absent[h.Name], errs[i] = errs[i], nil
		default:
			errs[i] = waysOut(errs[i], h.Name, len(r.c.Hosts))
		}
	}
	if err := fleet.Join(errs...); err != nil {
		return nil, nil, err
	}
	if len(here) == 0 {
		return nil, nil, fleet.Join(slices.Collect(maps.Values(absent))...)
	}
	for _, name := range slices.Sorted(maps.Keys(absent)) {
		r.o.Sink.Emit(event.Event{Kind: event.Warning, Run: r.id, Host: name, Message: "unreachable, and left out: " + shortError(absent[name])})
	}
	return here, absent, nil
}

// leftOut tells of the hosts that --limit leaves out.
func (r *Runner) leftOut() func(host string) bool {
	if r.o.Limit == nil {
		return func(string) bool { return false }
	}
	selected := r.selected()
	return func(h string) bool { return !selected[h] }
}

// waysOut says how to go on while a host cannot be reached.
func waysOut(err error, host string, hosts int) error {
	u, ok := errors.AsType[*remote.UnreachableError](err)
	if !ok || hosts < 2 || u.Mistaken() {
		return err // it is up: what keeps us out is mended, and the host not left behind
	}
	out := fmt.Sprintf("bring it back and run it again; or leave it out: --limit '!%s'; or take it out for good: ghadeploy remove INVENTORY %s", host, host)
	if u.Hint != "" {
		out = strings.TrimSuffix(u.Hint, ";") + "; " + out
	}
	told := *u
	told.Hint = out
	return &told
}

// withoutAbsent is what a plan says of hosts that could not be reached.
func (p *Plan) withoutAbsent(c *inventory.Cluster, absent map[string]error) {
	for i := range p.Hosts {
		hp := &p.Hosts[i]
		if err := absent[hp.Host]; err != nil {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s cannot be reached and is left as it is; what it runs is not known. When it is back: ghadeploy apply INVENTORY; when it will not be: ghadeploy remove INVENTORY %s", hp.Host, hp.Host))
		}
	}
	serve := 0
	for _, hp := range p.Hosts {
		if absent[hp.Host] == nil {
			serve++
		}
	}
	if len(absent) > 0 && serve == 1 && p.Policy.Kind != PolicyNone && len(c.Hosts) > 1 {
		p.Warnings = append(p.Warnings, "no other host can be seen to serve meanwhile: this is an outage if none does")
	}
}

// refuseAbsent refuses versions that must not serve side by side while a host cannot be
// looked at: when it is back, it would serve the old one.
func (p *Plan) refuseAbsent(absent map[string]error) error {
	if len(absent) == 0 || p.Policy.Kind != PolicyOneFirst && p.Policy.Kind != PolicyHandover {
		return nil
	}
	gone := inWords(slices.Sorted(maps.Keys(absent)))
	return &UsageError{fmt.Sprintf("%s cannot be reached, and would serve the old version beside the new one when it is back: %s; next: bring it back, or ghadeploy remove INVENTORY %s",
		gone, p.Policy.Reason, gone)}
}
