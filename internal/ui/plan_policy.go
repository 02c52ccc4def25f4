package ui

import (
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// policy says how the disruptive part goes: in which order, what ends a turn,
// and what happens when it does not end well.
func (t PlanText) policy(b *strings.Builder, p *tasks.Plan) {
	if restartsOf(p) == 0 {
		return
	}
	pol := p.Policy
	fmt.Fprintf(b, "\n  %s\n", t.Style.Strong("Rollout"))
	t.fact(b, "policy", policyText(pol))
	t.fact(b, "batches", batchesText(pol))
	t.fact(b, "outage", pol.Outage)
	gates := strings.Join(pol.Gates, ", ")
	if len(pol.Final) > 0 {
		gates += "; at the end, of the whole cluster: " + strings.Join(pol.Final, ", ")
	}
	t.fact(b, "gates", gates)
	t.fact(b, "settle", pol.Settle)
	t.fact(b, "on failure", pol.OnFailure)
	if pol.Backup {
		t.fact(b, "backup", "the database is dumped before the first turn")
	}
	if l := p.Rehearsed; l != nil {
		t.fact(b, "rehearsed", fmt.Sprintf("%s -> %s on %s: %s", l.From, l.To, clockDate(l.Time), l.Found))
	}
	switch {
	case pol.Canary && pol.Bake > 0:
		t.fact(b, "canary", "the first batch is watched for "+span(pol.Bake)+" before the next begins")
	case pol.Canary:
		t.fact(b, "canary", "asks again after the first batch")
	}
	if pol.PauseAfter > 0 {
		t.fact(b, "pause", "asks again after "+plural(pol.PauseAfter, "host"))
	}
}

func (t PlanText) fact(b *strings.Builder, name, text string) {
	if text == "" {
		return
	}
	const column = 12
	for i, l := range wrap(Clean(text), t.Width-4-column) {
		label := ""
		if i == 0 {
			label = name
		}
		fmt.Fprintf(b, "    %s%s\n", t.Style.Faint(pad(label, column)), l)
	}
}

func policyText(p tasks.Policy) string {
	text := map[tasks.PolicyKind]string{
		tasks.PolicyFirst:    "first deployment",
		tasks.PolicyRolling:  "rolling",
		tasks.PolicyOneFirst: "one first, an outage",
		tasks.PolicyHandover: "handover",
	}[p.Kind]
	if text == "" {
		text = string(p.Kind)
	}
	if p.Reason != "" {
		text += ": " + p.Reason
	}
	if p.Migrates {
		text += "; the first host migrates the database"
	}
	return text
}

// manyBatches is how many are written out; beyond that their number says more.
const manyBatches = 12

func batchesText(p tasks.Policy) string {
	if len(p.Batches) == 0 {
		return ""
	}
	parts := make([]string, 0, len(p.Batches))
	for i, batch := range p.Batches {
		if i == manyBatches-1 && len(p.Batches) > manyBatches {
			last := p.Batches[len(p.Batches)-1]
			parts = append(parts, "… "+plural(len(p.Batches)-i, "batch")+" …", names(last))
			break
		}
		parts = append(parts, names(batch))
	}
	return strings.Join(parts, " → ") + " (" + unavailableText(p) + ")"
}

// unavailableText says how many hosts do not serve at the worst moment.
func unavailableText(p tasks.Policy) string {
	switch p.Kind {
	case tasks.PolicyOneFirst:
		if len(p.Batches) > 0 && !p.Migrates {
			return "all are stopped before the first starts anew"
		}
		return "all are stopped while the first migrates"
	case tasks.PolicyHandover:
		return fmt.Sprintf("%s alone while the others restart", names(p.TakesOver))
	}
	return fmt.Sprintf("at most %d unavailable", p.MaxUnavailable)
}
