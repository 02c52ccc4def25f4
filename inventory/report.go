package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// maxDiagnostics keeps a file of another kind from filling the screen.
const maxDiagnostics = 100

func (r *reporter) errorf(pos Position, format string, args ...any) {
	r.hintf(pos, "", format, args...)
}

func (r *reporter) hintf(pos Position, hint, format string, args ...any) {
	r.errors = append(r.errors, r.diagnostic(pos, hint, fmt.Sprintf(format, args...)))
}

func (r *reporter) warnf(pos Position, hint, format string, args ...any) {
	r.warnings = append(r.warnings, r.diagnostic(pos, hint, fmt.Sprintf(format, args...)))
}

func (r *reporter) diagnostic(pos Position, hint, message string) Diagnostic {
	return Diagnostic{Pos: pos, Message: message, Hint: hint, Source: r.source(pos)}
}

// maxSource is how much of a line a diagnostic shows.
const maxSource = 200

// source is the offending line, with what looks like a literal secret hidden.
func (r *reporter) source(pos Position) string {
	if pos.Line < 1 || pos.Line > len(r.lines) {
		return ""
	}
	line := strings.TrimRight(r.lines[pos.Line-1], "\r")
	line = strings.ToValidUTF8(line, "?")
	if shown := hideSecrets(line); shown != line {
		before := []rune(line)
		before = before[:min(max(pos.Column-1, 0), len(before))]
		if !strings.HasPrefix(shown, string(before)) {
			// A secret before the column was hidden: the caret would miss its mark.
			return ""
		}
		line = shown
	}
	if runes := []rune(line); len(runes) > maxSource {
		line = string(runes[:maxSource]) + "..."
	}
	return line
}

// sorted returns diagnostics in file order without repetitions (an anchor used
// at ten places is wrong once).
func sorted(ds Diagnostics) Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Message, b.Message))
	})
	ds = slices.CompactFunc(ds, func(a, b Diagnostic) bool { return a.Pos == b.Pos && a.Message == b.Message })
	if len(ds) > maxDiagnostics {
		more := len(ds) - maxDiagnostics
		ds = append(ds[:maxDiagnostics:maxDiagnostics], Diagnostic{Pos: Position{File: ds[0].Pos.File}, Message: fmt.Sprintf("and %d more mistakes", more)})
	}
	return ds
}

// err is the diagnostics as an error; nil when there is none.
func (r *reporter) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	return sorted(r.errors)
}
