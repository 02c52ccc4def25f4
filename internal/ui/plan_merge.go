package ui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// hostDiff is one file's change on one host.
type hostDiff struct {
	host string
	diff tasks.FileDiff
}

// mergedDiff is a change that is the same on all hosts but for some lines, such
// as grafana.ini with each host's own address.
type mergedDiff struct {
	tasks.FileDiff          // of the first host
	lines          []string // of its diff
	differ         map[int][]hostLine
}

type hostLine struct{ host, text string }

// merge lays the diffs of one file over each other, line by line. ok is false
// when the file does not change on all hosts, or changes too differently.
func merge(diffs []hostDiff, hosts int) (m mergedDiff, ok bool) {
	if len(diffs) != hosts || diffs[0].diff.Unified == "" {
		return m, false
	}
	m = mergedDiff{FileDiff: diffs[0].diff, lines: diffText(diffs[0].diff.Unified), differ: map[int][]hostLine{}}
	all := make([][]string, len(diffs))
	for i, d := range diffs {
		all[i] = diffText(d.diff.Unified)
		if len(all[i]) != len(m.lines) || d.diff.Change != m.Change || d.diff.Note != m.Note {
			return m, false
		}
	}
	for n, line := range m.lines {
		if !slices.ContainsFunc(all, func(other []string) bool { return other[n] != line }) {
			continue
		}
		for i, other := range all {
			if keyOf(other[n]) != keyOf(line) {
				return m, false // added here, removed there, or another key: not the same change
			}
			m.differ[n] = append(m.differ[n], hostLine{diffs[i].host, other[n]})
		}
	}
	return m, true
}

// mark is the first character of a diff's line: what kind of line it is.
func mark(line string) string {
	if line == "" {
		return " "
	}
	return line[:1]
}

// diffText is the lines of a diff without the file names.
func diffText(unified string) []string {
	lines := strings.Split(strings.TrimRight(Clean(unified), "\n"), "\n")
	for len(lines) > 0 && (strings.HasPrefix(lines[0], "--- ") || strings.HasPrefix(lines[0], "+++ ")) {
		lines = lines[1:]
	}
	return lines
}

// fewVariants is of how many hosts a differing line is shown.
const fewVariants = 3

// mergedDiffs writes files once, with a line for each host where they differ.
func (t PlanText) mergedDiffs(b *strings.Builder, merged []mergedDiff, prefix string) {
	for _, m := range merged {
		r := map[string]risk{"add": harmless, "change": restarts, "delete": removes}[m.Change]
		head := t.Style.risk(r, r.symbol()+" "+m.Path)
		fmt.Fprintf(b, "%s%s  %s\n", prefix, head, t.Style.Faint(Clean(strings.TrimSpace(m.Note+" "+plural(len(m.differ), "line")+" by host"))))
		if t.folded(b, m.Path, m.Change, len(m.lines), prefix+"  ") {
			continue
		}
		for n, line := range m.lines {
			if !t.Verbose && n >= briefDiff && len(m.lines)-n > 3 {
				fmt.Fprintf(b, "%s  %s\n", prefix, t.Style.Faint(fmt.Sprintf("… %d more lines (--diff full shows all)", len(m.lines)-n)))
				break
			}
			variants := m.differ[n]
			if len(variants) == 0 {
				fmt.Fprintf(b, "%s  %s\n", prefix, diffLine(t.Style, line))
				continue
			}
			t.variants(b, variants, prefix)
		}
	}
}

func (t PlanText) variants(b *strings.Builder, variants []hostLine, prefix string) {
	for i, v := range variants {
		if !t.Verbose && i == fewVariants && len(variants) > fewVariants+1 {
			fmt.Fprintf(b, "%s  %s\n", prefix, t.Style.Faint(fmt.Sprintf("%s… and so on, %d more hosts", mark(v.text), len(variants)-i)))
			return
		}
		fmt.Fprintf(b, "%s  %s  %s\n", prefix, diffLine(t.Style, v.text), t.Style.Faint("("+v.host+")"))
	}
}
