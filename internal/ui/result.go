package ui

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// Count is "1 host", "3 hosts".
func Count(n int, one string) string { return plural(n, one) }

// WriteResult shows how a change ended: every host's outcome when there was
// anything to tell, and one line for the whole. err is how the run failed; nil
// when it did not. The error itself is not shown.
func WriteResult(w io.Writer, s Style, columns int, r *tasks.Result, err error) error {
	var b strings.Builder
	if err == nil && !r.Changed {
		b.WriteString(unchangedResult(s, columns, r))
	} else {
		rows := make([][]string, 0, len(r.Hosts))
		for _, name := range hostOrder(r) {
			h := r.Hosts[name]
			rows = append(rows, []string{name, outcome(s, h.Outcome), h.Runs, Clean(h.Detail)})
		}
		if len(rows) > 0 {
			b.WriteString(table(s, []column{{title: "HOST"}, {title: "OUTCOME"}, {title: "RUNS"}, {title: "DETAIL", drop: 1}}, rows, columns))
		}
	}
	for _, warning := range r.Warnings {
		for _, l := range wrap(Clean("warning: "+warning), columns) {
			fmt.Fprintln(&b, s.Warn(l))
		}
	}
	took := ""
	if r.Seconds > 0 {
		took = " in " + span(seconds(r.Seconds))
	}
	_, paused := errors.AsType[*tasks.PausedError](err)
	switch {
	case paused:
		fmt.Fprintf(&b, "%s\n", s.Warn("paused"+took+runID(r)))
	case err != nil:
		fmt.Fprintf(&b, "%s\n", s.Bad("failed"+took+runID(r)))
	case r.Changed:
		fmt.Fprintf(&b, "%s\n", s.Good("done"+took+runID(r)))
	}
	_, werr := io.WriteString(w, b.String())
	return werr
}

func runID(r *tasks.Result) string {
	if r.Run == "" {
		return ""
	}
	return " (run " + r.Run + ")"
}

// unchangedResult is what a run that had nothing to do says.
func unchangedResult(s Style, columns int, r *tasks.Result) string {
	if r.Plan == nil {
		return "nothing to do\n"
	}
	var b strings.Builder
	if !r.Plan.Empty() { // planned, and then not wanted
		return "nothing was changed\n"
	}
	(PlanText{Style: s, Width: columns}).upToDate(&b, r.Plan)
	return b.String()
}

// hostOrder is the plan's order, which is the inventory's.
func hostOrder(r *tasks.Result) []string {
	place := map[string]int{}
	if r.Plan != nil {
		for i, h := range r.Plan.Hosts {
			place[h.Host] = i
		}
	}
	return slices.SortedFunc(maps.Keys(r.Hosts), func(a, b string) int {
		return cmp.Or(cmp.Compare(place[a], place[b]), strings.Compare(a, b))
	})
}

func outcome(s Style, text string) string {
	switch text {
	case "done":
		return s.Good(text)
	case "failed":
		return s.Bad(text)
	case "rolled back", "not reached", "stopped":
		return s.Warn(text)
	}
	return text
}
