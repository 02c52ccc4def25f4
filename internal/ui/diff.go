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
			fmt.Fprintf(b, "%s%s\n", prefix, s.Faint(fmt.Sprintf("… %d more lines (-v shows all)", len(lines)-i)))
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
