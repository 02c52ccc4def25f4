package tasks

import (
	"slices"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// What the plan says of waiting and what a rollout waits for are the same functions.

// settlesAfter tells whether alerting is let settle after each turn of batch i, before
// another turn follows. Before a first deployment nobody is notified; in a handover all
// hosts meet before the others stop.
func (p *Policy) settlesAfter(i int) bool {
	return i < len(p.Batches)-1 && p.Kind != PolicyFirst && p.Kind != PolicyHandover
}

// waitsForResolved tells whether batch i waits until what resolved has been told. Where
// all hosts are stopped there is nobody left who could tell it in time.
func (p *Policy) waitsForResolved(i int) bool {
	return p.Kind == PolicyRolling || p.Kind == PolicyHandover && i == 0
}

// setSettle says for what turns wait, once the batches are known. running tells whether
// a host's Grafana runs: only what runs has something to tell.
func (p *Plan) setSettle(c *inventory.Cluster, running func(host string) bool) {
	pol := &p.Policy
	settles, resolved := false, false
	for i, b := range pol.Batches {
		settles = settles || pol.settlesAfter(i)
		resolved = resolved || pol.waitsForResolved(i) && slices.ContainsFunc(b, running)
	}
	switch {
	case settles:
		pol.Settle = settleText(c)
	case pol.Kind == PolicyNone:
		pol.Settle = "none: nothing is restarted"
	case pol.Kind == PolicyFirst:
		pol.Settle = "none: the hosts meet at the end"
	case pol.Kind == PolicyHandover:
		pol.Settle = "none: all hosts meet before the others stop"
	default:
		pol.Settle = "none: no turn follows"
	}
	if resolved && waitsForResolved(c, p.Command) {
		pol.Settle += "; longer while an alert that resolved is not told yet"
	}
}
