package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// finding is one finding with all hosts that have it.
type finding struct {
	check.Finding
	hosts []string
}

// WriteFindings shows findings, the worst last so that they stand above the
// prompt: grouped by severity, equal ones of several hosts together, each with
// its fix. verbose also lists what was fine.
func WriteFindings(w io.Writer, s Style, columns int, all []check.Finding, verbose bool) error {
	var b strings.Builder
	for _, part := range []struct {
		severity check.Severity
		title    string
		mark     string
		hidden   bool
	}{
		{check.OK, "Fine", s.Good("ok"), !verbose},
		{check.Skipped, "Not tried", s.Faint("--"), !verbose},
		{check.Warning, "Warnings", s.Warn("! "), false},
		{check.Fail, "Failed", s.Bad("x "), false},
	} {
		list := together(all, part.severity)
		if len(list) == 0 || part.hidden {
			continue
		}
		fmt.Fprintf(&b, "%s\n", s.Strong(part.title))
		for _, f := range list {
			writeFinding(&b, s, columns, part.mark, f)
		}
		b.WriteByte('\n')
	}
	b.WriteString(findingsTotal(s, all) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// together joins findings that differ in the host only.
func together(all []check.Finding, severity check.Severity) []finding {
	var out []finding
	index := map[check.Finding]int{}
	for _, f := range all {
		if f.Severity != severity {
			continue
		}
		key := f
		key.Host = ""
		i, seen := index[key]
		if !seen {
			i = len(out)
			index[key] = i
			out = append(out, finding{Finding: key})
		}
		if f.Host != "" {
			out[i].hosts = append(out[i].hosts, f.Host)
		}
	}
	return out
}

func writeFinding(b *strings.Builder, s Style, columns int, mark string, f finding) {
	head := f.Check
	if len(f.hosts) > 0 {
		head += " on " + names(f.hosts)
	}
	paragraph := func(first, rest, text string) {
		for i, l := range wrap(Clean(text), columns-width(rest)) {
			if i > 0 {
				first = rest
			}
			fmt.Fprintf(b, "%s%s\n", first, l)
		}
	}
	paragraph("  "+mark+" ", "     ", head+": "+f.What)
	if f.Why != "" {
		paragraph("     "+s.Faint("why: "), "          ", f.Why)
	}
	if f.Fix != "" {
		paragraph("     "+s.Note("fix: "), "          ", f.Fix)
	}
}

func findingsTotal(s Style, all []check.Finding) string {
	count := map[check.Severity]int{}
	for _, f := range all {
		count[f.Severity]++
	}
	text := fmt.Sprintf("%d ok · %s · %d failed · %d not tried", count[check.OK], plural(count[check.Warning], "warning"), count[check.Fail],
		count[check.Skipped])
	switch {
	case count[check.Fail] > 0:
		return s.Bad(text)
	case count[check.Warning] > 0:
		return s.Warn(text)
	}
	return s.Good(text)
}
