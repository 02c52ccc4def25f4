package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks"
)

func hostRows(r *tasks.Result) []hostRow {
	order := slices.Sorted(maps.Keys(r.Hosts))
	if r.Plan != nil {
		place := map[string]int{}
		for i, h := range r.Plan.Hosts {
			place[h.Host] = i
		}
		slices.SortStableFunc(order, func(a, b string) int { return place[a] - place[b] })
	}
	rows := make([]hostRow, 0, len(order))
	for _, name := range order {
		h := r.Hosts[name]
		rows = append(rows, hostRow{Name: name, Outcome: h.Outcome, Class: outcomeClass(h.Outcome), Runs: h.Runs, Detail: h.Detail})
	}
	return rows
}

func outcomeClass(outcome string) string {
	switch outcome {
	case "failed":
		return "bad"
	case "rolled back", "not reached", "stopped":
		return "warn"
	case "done":
		return "good"
	}
	return "plain"
}

// changes are the diffs of a plan, each once with the hosts that get it.
func changes(p *tasks.Plan) []change {
	if p == nil {
		return nil
	}
	var out []change
	index := map[tasks.FileDiff]int{}
	for _, h := range p.Hosts {
		for _, a := range h.Actions {
			for _, d := range a.Diffs {
				i, seen := index[d]
				if !seen {
					i = len(out)
					index[d] = i
					out = append(out, change{Path: d.Path, Note: strings.TrimSpace(d.Change + " " + d.Note), Unified: short(d.Unified),
						Open: d.Unified != "" && d.Change == "change"})
				}
				out[i].Hosts = append(out[i].Hosts, h.Host)
			}
		}
	}
	if len(out) > mostChanges {
		more := len(out) - mostChanges
		out = append(out[:mostChanges], change{Path: fmt.Sprintf("and %d more files", more)})
	}
	return out
}

func short(text string) string {
	if len(text) <= mostDiff {
		return text
	}
	return strings.ToValidUTF8(text[:mostDiff], "") + "\n… the rest is in ghadeploy plan -v"
}

// line is one line of a diff with its colour.
type line struct{ Class, Text string }

func diffLines(unified string) []line {
	var out []line
	body := false
	for l := range strings.SplitSeq(strings.TrimRight(unified, "\n"), "\n") {
		body = body || strings.HasPrefix(l, "@@")
		switch {
		case !body && (strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ ")):
		case strings.HasPrefix(l, "@@"):
			out = append(out, line{"hunk", l})
		case strings.HasPrefix(l, "+"):
			out = append(out, line{"add", l})
		case strings.HasPrefix(l, "-"):
			out = append(out, line{"del", l})
		default:
			out = append(out, line{"same", l})
		}
	}
	return out
}

func span(d time.Duration) string {
	switch {
	case d < 10*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
}
