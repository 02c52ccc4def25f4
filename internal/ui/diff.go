package ui

import (
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

func (t PlanText) diffs(b *strings.Builder, diffs []tasks.FileDiff, prefix string) {
	limit := briefDiff
	if t.Verbose {
		limit = 0
	}
	for _, d := range diffs {
		r := map[string]risk{"add": harmless, "change": restarts, "delete": removes}[d.Change]
		head := t.Style.risk(r, r.symbol()+" "+d.Path)
		if d.Note != "" {
			head += "  " + t.Style.Faint(Clean(d.Note))
		}
		fmt.Fprintf(b, "%s%s\n", prefix, head)
		if d.Unified != "" && t.folded(b, d.Path, d.Change, len(diffText(d.Unified)), prefix+"  ") {
			continue
		}
		unified(b, t.Style, d.Unified, prefix+"  ", limit)
	}
}

// unified colours a unified diff. Headers with file names are left out, since
// the path stands above. limit lines are shown; 0: all.
func unified(b *strings.Builder, s Style, text, prefix string, limit int) {
	lines := strings.Split(strings.TrimRight(Clean(text), "\n"), "\n")
	shown, body := 0, false
	for i, l := range lines {
		body = body || strings.HasPrefix(l, "@@")
		header := !body && (strings.HasPrefix(l, "--- ") || strings.HasPrefix(l, "+++ "))
		if header || l == "" && len(lines) == 1 {
			continue
		}
		if limit > 0 && shown == limit && len(lines)-i > 3 {
			fmt.Fprintf(b, "%s%s\n", prefix, s.Faint(fmt.Sprintf("… %d more lines (--diff full shows all)", len(lines)-i)))
			return
		}
		shown++
		fmt.Fprintf(b, "%s%s\n", prefix, diffLine(s, l))
	}
}

func diffLine(s Style, l string) string {
	switch {
	case strings.HasPrefix(l, "@@"):
		return s.Note(l)
	case strings.HasPrefix(l, "+"):
		return s.Good(l)
	case strings.HasPrefix(l, "-"):
		return s.Bad(l)
	}
	return l
}

// foldedFrom is from how many lines on a new unit is folded.
const foldedFrom = 8

// folded says of a file in one line how long it is, where nobody reads it: the unit of a
// first deploy, which is ours and the same everywhere.
func (t PlanText) folded(b *strings.Builder, path, change string, lines int, prefix string) bool {
	if t.Verbose || change != "add" || lines < foldedFrom || path != "unit" {
		return false
	}
	fmt.Fprintf(b, "%s%s\n", prefix, t.Style.Faint(fmt.Sprintf("… %d lines (--diff full shows them)", lines)))
	return true
}
