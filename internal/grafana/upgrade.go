package grafana

import (
	"fmt"
	"strings"
)

// Step is a change between versions that there is no way back from but a
// restored dump.
type Step struct {
	Version    Version `json:"version"`
	Name, Text string
	Source     string `json:"-"`
}

// OneWayStep lists the one-way steps between two versions, in order; none when
// to is not later than from.
func OneWayStep(from, to Version) []Step {
	var steps []Step
	for _, f := range facts() {
		if f.Kind == aStep && !from.AtLeast(f.Since) && to.AtLeast(f.Since) {
			steps = append(steps, Step{Version: f.Since, Name: f.Name, Text: f.Text, Source: f.Source})
		}
	}
	return steps
}

// Direction is which way a version change goes.
type Direction string

// The directions.
const (
	Same      Direction = "same"
	Upgrade   Direction = "upgrade"
	Downgrade Direction = "downgrade"
)

// DirectionOf says which way it is from one version to another.
func DirectionOf(from, to Version) Direction {
	switch c := from.Compare(to); {
	case c < 0:
		return Upgrade
	case c > 0:
		return Downgrade
	default:
		return Same
	}
}

// PolicyKind is how a version change reaches the nodes.
type PolicyKind string

// The policies.
const (
	// Rolling changes one node after another while the others serve.
	Rolling PolicyKind = "rolling"
	// OneFirst stops all nodes but one; that one migrates alone, then the rest start.
	OneFirst PolicyKind = "one-first"
)

// Policy is an [UpgradePolicy]'s answer.
type Policy struct {
	Kind      PolicyKind `json:"kind"`
	Direction Direction  `json:"direction"`
	// Dump says that the database must be dumped first.
	Dump bool `json:"dump"`
	// Reason is for the plan: one sentence.
	Reason string `json:"reason"`
	Steps  []Step `json:"steps,omitempty"`
}

// Traits is what of a cluster decides which one-way steps say something about it.
type Traits struct {
	Database string // "postgres" or "mysql"
	// LegacyAlerting: alerts of before unified alerting may still be there.
	LegacyAlerting bool
}

// The step that concerns legacy alerts only, and what of a step's text concerns MySQL only.
const (
	legacyRemoved = "legacy alerting removed"
	onMySQL       = "; MySQL users need LOCK TABLES"
)

// of is what a step means in a situation; empty when nothing.
func (s Traits) of(step Step) string {
	switch {
	case step.Name == legacyRemoved && !s.LegacyAlerting:
		return ""
	case s.Database != "mysql":
		return strings.TrimSuffix(step.Text, onMySQL)
	}
	return step.Text
}

// UpgradePolicyIn is [UpgradePolicy] whose reason says what is true of one cluster.
func UpgradePolicyIn(from, to Version, s Traits) Policy {
	p := UpgradePolicy(from, to)
	if p.Direction != Upgrade || len(p.Steps) == 0 {
		return p
	}
	var texts []string
	for _, step := range p.Steps {
		if text := s.of(step); text != "" {
			texts = append(texts, text)
		}
	}
	if len(texts) == 0 {
		p.Reason = newMajor(from, to)
		return p
	}
	p.Reason = strings.Join(texts, "; ")
	return p
}

func newMajor(from, to Version) string {
	return fmt.Sprintf("%s to %s is a new major version; nodes of both must not serve side by side", from, to)
}

// UpgradePolicy says how nodes get from one version to another. Grafana's
// documentation promises nothing of clusters with mixed versions, so only
// changes within a major version roll, and only where no one-way step lies
// between. A downgrade runs old code on a newer schema, which nothing supports:
// it wants a restored dump, and therefore never rolls.
func UpgradePolicy(from, to Version) Policy {
	p := Policy{Kind: Rolling, Direction: DirectionOf(from, to), Steps: OneWayStep(from, to)}
	switch {
	case from.IsZero():
		p.Kind, p.Reason = OneFirst, "first deployment: one node migrates the empty database alone"
	case p.Direction == Same:
		p.Reason = "the version stays"
	case p.Direction == Downgrade && from.major == to.major && from.minor == to.minor:
		p.Dump, p.Reason = true, fmt.Sprintf("%s to %s goes back within a minor version: the schema is the same", from, to)
	case p.Direction == Downgrade:
		p.Kind, p.Dump = OneFirst, true
		p.Reason = fmt.Sprintf("%s to %s goes back: the older version needs the database as it was, so restore a dump", from, to)
	case len(p.Steps) > 0:
		texts := make([]string, len(p.Steps))
		for i, s := range p.Steps {
			texts[i] = s.Text
		}
		p.Kind, p.Dump, p.Reason = OneFirst, true, strings.Join(texts, "; ")
	case from.major != to.major:
		p.Kind, p.Dump = OneFirst, true
		p.Reason = newMajor(from, to)
	case from.minor != to.minor:
		p.Dump, p.Reason = true, fmt.Sprintf("%s to %s is a minor version: its migrations are additive", from, to)
	default:
		p.Dump, p.Reason = true, fmt.Sprintf("%s to %s is a patch release", from, to)
	}
	return p
}
