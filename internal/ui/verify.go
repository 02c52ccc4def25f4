package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// WriteProof shows what verify proved: kinds that were proved everywhere in one
// line each, then what failed, with cause and fix.
func WriteProof(w io.Writer, s Style, columns int, r *verify.Report) error {
	var b strings.Builder
	kinds, byKind := proofKinds(r.Steps)
	rows := make([][]string, 0, len(kinds))
	for _, k := range kinds {
		rows = append(rows, proofRow(s, k, byKind[k]))
	}
	b.WriteString(table(s, []column{{title: ""}, {title: "PROOF"}, {title: "STEPS", right: true}, {title: "TOOK", right: true}, {title: ""}},
		rows, columns))
	for _, step := range r.Failed() {
		proofFailure(&b, s, columns, step)
	}
	verdict := s.Good(fmt.Sprintf("%s is highly available: %s proved in %s", r.Cluster, plural(len(r.Steps)-skipped(r.Steps), "step"),
		span(seconds(r.Seconds))))
	if !r.OK {
		verdict = s.Bad(fmt.Sprintf("%s: %d of %s failed", r.Cluster, len(r.Failed()), plural(len(r.Steps), "step")))
	}
	fmt.Fprintf(&b, "\n%s\n", verdict)
	_, err := io.WriteString(w, b.String())
	return err
}

func proofKinds(steps []verify.Step) (order []string, byKind map[string][]verify.Step) {
	byKind = map[string][]verify.Step{}
	for _, step := range steps {
		if byKind[step.Name] == nil {
			order = append(order, step.Name)
		}
		byKind[step.Name] = append(byKind[step.Name], step)
	}
	return order, byKind
}

func skipped(steps []verify.Step) int {
	n := 0
	for _, step := range steps {
		if step.Skipped {
			n++
		}
	}
	return n
}

func proofRow(s Style, kind string, steps []verify.Step) []string {
	good, took, why := 0, 0.0, steps[0].Explanation
	for _, step := range steps {
		took += step.Seconds
		if step.OK {
			good++
		}
		if step.Skipped && step.Cause != "" {
			why = "not tried: " + step.Cause
			if step.NotProved {
				why = step.Cause
			}
		}
	}
	skips := skipped(steps)
	mark := s.Good("ok")
	switch {
	case good+skips < len(steps):
		mark = s.Bad("FAILED")
	case skips == len(steps):
		mark = s.Faint("skipped")
		if steps[0].NotProved {
			mark = s.Warn("not proved")
		}
	}
	return []string{mark, kind, fmt.Sprintf("%d/%d", good, len(steps)-skips), span(seconds(took)), cleanLine(why)}
}

func proofFailure(b *strings.Builder, s Style, columns int, step verify.Step) {
	title := step.Name
	if step.From != "" {
		title += " " + step.From
	}
	if step.To != "" {
		title += " → " + step.To
	}
	fmt.Fprintf(b, "\n%s\n", s.Bad("x "+title))
	for _, part := range [][2]string{{"tried", step.Explanation}, {"cause", step.Cause}, {"fix", step.Fix}} {
		for i, l := range wrap(Clean(part[1]), columns-9) {
			if part[1] == "" {
				break
			}
			label := pad(part[0]+":", 7)
			if i > 0 {
				label = pad("", 7)
			}
			fmt.Fprintf(b, "  %s%s\n", s.Faint(label), l)
		}
	}
}
