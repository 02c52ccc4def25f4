package tasks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// ReachError is a change that would do harm beyond a restart, which nobody has said is
// meant. Exit code 7; nothing was touched.
type ReachError struct{ Changes []reach.Change }

// Error says of each change what is at stake, and how to go on.
func (e *ReachError) Error() string {
	texts := make([]string, len(e.Changes))
	for i, c := range e.Changes {
		texts[i] = c.String()
	}
	return "nothing was touched: " + strings.Join(texts, "; and ")
}

// refused is the error of a plan that holds such a change; nil: it holds none.
func (p *Plan) refused() error {
	var e ReachError
	for _, c := range p.Reach {
		if c.Refused != "" {
			e.Changes = append(e.Changes, c)
		}
	}
	if len(e.Changes) == 0 {
		return nil
	}
	return &e
}

// setReach takes into the plan what reaches beyond a restart of its hosts, and goes through
// them as that needs. deployed: there is something to change from.
func (p *Plan) setReach(in planInput) error {
	way := reach.AnyWay
	var why []string
	for _, c := range in.reach {
		stay := p.filtered(c.Hosts, func(hp *HostPlan) bool { return hp.Stale })
		c.Hosts = p.filtered(c.Hosts, func(hp *HostPlan) bool { return hp.Restart })
		if len(c.Hosts) == 0 {
			continue
		}
		if in.allow[c.Kind] {
			c.Refused, c.Next = "", ""
			if c.Kind == reach.Alerting {
				c.Way = reach.AnyWay
			}
		}
		switch {
		case len(stay) == 0:
		case c.Way == reach.OneStop:
			return &UsageError{fmt.Sprintf("%s would stay as it is by --limit, though %s: %s; next: leave --limit out", strings.Join(stay, ", "),
				c.What, apartFrom(c.Kind))}
		case c.Way == reach.Handover:
			c.Way = reach.AnyWay
			c.Notice += fmt.Sprintf("; %s stays on the old side until it is applied too, and so long both notify", strings.Join(stay, ", "))
		}
		p.Reach = append(p.Reach, c)
		if c.Way != reach.AnyWay {
			why = append(why, wayReason(c))
		}
		if c.Way == reach.OneStop || way == reach.AnyWay {
			way = c.Way
		}
	}
	p.follow(in, way, strings.Join(why, "; "))
	return nil
}

// apartFrom says what is wrong with hosts that differ in a kind.
func apartFrom(k reach.Kind) string {
	if k == reach.Database {
		return "the hosts would be on two databases"
	}
	return "the hosts could not read each other's secrets and sessions"
}

func wayReason(c reach.Change) string {
	switch c.Kind {
	case reach.Database:
		return "no host may be on the old database while another is on the new one"
	case reach.SecretKey:
		return "hosts with different keys cannot read each other's secrets and sessions"
	}
	return "old and new would both notify"
}

// follow goes through the hosts as the changes need, where the plan would go otherwise.
func (p *Plan) follow(in planInput, way reach.Way, why string) {
	if way == reach.AnyWay || len(in.cluster.Hosts) < 2 || p.Policy.Kind == PolicyOneFirst {
		return
	}
	if way == reach.OneStop {
		p.Policy.Kind, p.Policy.Reason = PolicyOneFirst, why
		return
	}
	if p.Policy.Kind != PolicyRolling && p.Policy.Kind != PolicyFirst {
		return
	}
	if against := p.noHandover(in); against != "" {
		p.Policy.Kind, p.Policy.Reason = PolicyOneFirst, why+"; no handover: "+against
		return
	}
	p.Policy.Kind, p.Policy.Reason = PolicyHandover, why+": one host only until it takes over from all others"
}

// filtered are the hosts of a list of which something is true in the plan.
func (p *Plan) filtered(hosts []string, is func(*HostPlan) bool) (out []string) {
	for _, h := range hosts {
		if hp := p.Host(h); hp != nil && is(hp) {
			out = append(out, h)
		}
	}
	return out
}

// withoutCounts are the changes without what the databases say at the moment, which a saved
// plan does not depend on.
func withoutCounts(changes []reach.Change) []reach.Change {
	out := slices.Clone(changes)
	for i, c := range out {
		out[i] = reach.Change{Kind: c.Kind, Hosts: c.Hosts, What: c.What, Way: c.Way}
	}
	return out
}

// changesDatabase tells whether hosts go to another database.
func (p *Plan) changesDatabase() bool {
	return slices.ContainsFunc(p.Reach, func(c reach.Change) bool { return c.Kind == reach.Database })
}
