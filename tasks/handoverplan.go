package tasks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// The values of rollout.major.
const (
	majorHandover = "handover"
	majorOneFirst = "one-first"
)

// notSideBySide decides how an upgrade goes whose versions must not serve side by side:
// by handover where that was measured to lose nothing, or is wanted and nothing speaks
// against it; else with all hosts but one stopped.
func (p *Plan) notSideBySide(in planInput, from, to grafana.Version) {
	p.Policy.Kind = PolicyOneFirst
	if from.Compare(to) > 0 || in.cluster.Rollout.Major == majorOneFirst {
		return
	}
	h := grafana.HandoverBetween(from, to, in.cluster.Database.Type)
	wanted := in.cluster.Rollout.Major == majorHandover
	against := p.noHandover(in)
	if h.Unsafe || !h.Measured && !wanted {
		against = h.Reason
	}
	if against == "" && !wanted && !in.cluster.Alerting.Legacy && situation(in, from).LegacyAlerting {
		against = "legacy alerting ends with it: until the first one takes over, the others evaluate their alerts, " +
			"and it those that it made of them, and both notify"
	}
	if against == "" {
		p.Policy.Kind = PolicyHandover
		p.Policy.Reason += "; " + h.Reason
		if !h.Measured {
			p.Warnings = append(p.Warnings,
				"rollout.major: handover, though "+h.Reason+": what is written meanwhile may be refused or lost; rehearse it, or set one-first")
		}
		return
	}
	p.Policy.Reason += "; no handover: " + against
	if wanted {
		p.Warnings = append(p.Warnings, "rollout.major: handover is not followed: "+against)
	}
}

// noHandover says what of this cluster speaks against a handover; empty when nothing does.
func (p *Plan) noHandover(in planInput) string {
	lb := in.cluster.LoadBalancer.Type
	switch {
	case lb == "" || lb == "none":
		return "there is no load balancer that could be told to send nothing to the new version until it takes over (load_balancer.type)"
	case nothingRuns(in):
		return "no host serves that the first one could take over from"
	case !slices.ContainsFunc(in.cluster.Hosts, func(h *inventory.Host) bool { return in.facts[h.Name].Drained == "" }):
		return "every host is drained by hand: none could take over"
	}
	return ""
}

// oneFirst cuts the order for a rollout that stops all hosts but the first.
func (p *Plan) oneFirst(in planInput, order []string) {
	p.Policy.Batches = [][]string{order[:1]}
	if len(order) > 1 {
		p.Policy.Batches = append(p.Policy.Batches, order[1:])
	}
	p.Policy.MaxUnavailable = len(in.cluster.Hosts)
	does := "has started"
	if p.Policy.Migrates {
		does = "has migrated the database and started"
	}
	p.Policy.Outage = "nobody is served from the stop of the hosts until " + order[0] + " " + does +
		"; then it serves alone until the others have started"
}

// handOver cuts the order for a handover: one host that migrates, and all others. Where
// an earlier run was broken off, who has the new version takes over, and nobody migrates.
func (p *Plan) handOver(in planInput, order []string) {
	to := p.target(order[0])
	byHand := func(h string) bool { return in.facts[h].Drained != "" }
	for _, hp := range p.Hosts {
		if !hp.Restart && hp.From.Version == to && in.facts[hp.Host].Service.Running() && !byHand(hp.Host) {
			p.Policy.TakesOver = append(p.Policy.TakesOver, hp.Host)
		}
	}
	if len(p.Policy.TakesOver) > 0 {
		p.Policy.Batches, p.Policy.Migrates = [][]string{order}, false
	} else {
		first := heir(order, byHand, func(h string) bool { return p.Host(h).From.Version == to })
		p.Policy.TakesOver = []string{first}
		p.Policy.Batches = [][]string{{first}}
		if rest := without(order, first); len(rest) > 0 {
			p.Policy.Batches = append(p.Policy.Batches, rest)
		}
	}
	p.waitForTakeOver()
	p.Policy.MaxUnavailable = len(in.cluster.Hosts) - len(p.Policy.TakesOver)
	verb := "serves"
	if len(p.Policy.TakesOver) > 1 {
		verb = "serve"
	}
	p.Policy.Outage = fmt.Sprintf("none: %s %s everything while the others are drained (at most %s), stopped and started together; enough for all users? else rollout.major: one-first at a quiet hour",
		strings.Join(p.Policy.TakesOver, ", "), verb, in.cluster.Rollout.Drain)
}

// waitForTakeOver has a host that takes over wait out of the load balancer, after its
// turn, until that is switched.
func (p *Plan) waitForTakeOver() {
	for _, name := range p.Policy.TakesOver {
		a := p.Host(name).turn()
		if a == nil {
			continue
		}
		i := slices.IndexFunc(a.Steps, func(s Step) bool { return s.Kind == StepMove || s.Kind == StepUndrain })
		if i >= 0 {
			a.Steps = append(a.Steps[:i:i], Step{Kind: StepTakeOver})
		}
	}
}

// heir picks who takes over: never a host that is drained by hand, first one that has the
// new version already, though it did not come up with it.
func heir(order []string, byHand, isNew func(string) bool) string {
	for _, fits := range []func(string) bool{isNew, func(string) bool { return true }} {
		for _, h := range order {
			if fits(h) && !byHand(h) {
				return h
			}
		}
	}
	return order[0]
}

func without(hosts []string, host string) []string {
	return slices.DeleteFunc(slices.Clone(hosts), func(h string) bool { return h == host })
}

// situation is what of this cluster decides which steps between versions concern it.
// Alerts of before unified alerting are there where that is not on, which the hosts'
// present grafana.ini tells: the inventory speaks of the version to come.
func situation(in planInput, from grafana.Version) grafana.Traits {
	s := grafana.Traits{Database: in.cluster.Database.Type, LegacyAlerting: in.cluster.Alerting.Legacy || !grafana.HasUnifiedAlerting(from)}
	for _, ini := range in.old {
		if text := ini[desired.INIFile]; len(text) > 0 && meetingPoints(text)["unified_alerting.enabled"] != "true" {
			s.LegacyAlerting = true
		}
	}
	return s
}
