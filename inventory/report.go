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
	return Diagnostic{Pos: pos, Message: message, Hint: hint}
}

// hideAt marks a literal secret, so that no diagnostic shows it.
func (r *reporter) hideAt(pos Position) {
	if o := r.others[pos.File]; o != nil {
		o.hideAt(pos)
		return
	}
	if r.hidden == nil {
		r.hidden = map[int][]int{}
	}
	r.hidden[pos.Line] = append(r.hidden[pos.Line], pos.Column)
}

// maxSource is how much of a line a diagnostic shows.
const maxSource = 200

// source is the offending line with literal secrets hidden: those that were
// recognised by their place, and what looks like one where the text is not even YAML.
func (r *reporter) source(pos Position) string {
	if o := r.others[pos.File]; o != nil {
		return o.source(pos)
	}
	if pos.Line < 1 || pos.Line > len(r.lines) {
		return ""
	}
	line := strings.TrimRight(r.lines[pos.Line-1], "\r")
	line = strings.ToValidUTF8(line, "?")
	shown := line
	columns := slices.Clone(r.hidden[pos.Line])
	slices.Sort(columns)
	for _, column := range slices.Backward(slices.Compact(columns)) {
		shown = hideScalar(shown, column)
	}
	shown = hideSecrets(shown)
	before := []rune(line)
	before = before[:min(max(pos.Column-1, 0), len(before))]
	if !strings.HasPrefix(shown, string(before)) {
		// A secret before the column was hidden: the caret would miss its mark.
		return ""
	}
	if runes := []rune(shown); len(runes) > maxSource {
		shown = string(runes[:maxSource]) + "..."
	}
	return shown
}

// sorted returns diagnostics in file order without repetitions (an anchor used
// at ten places is wrong once).
func sorted(ds Diagnostics) Diagnostics {
	slices.SortStableFunc(ds, func(a, b Diagnostic) int {
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column), cmp.Compare(a.Message, b.Message))
	})
	ds = slices.CompactFunc(ds, func(a, b Diagnostic) bool { return a.Pos == b.Pos && a.Message == b.Message })
	if len(ds) > maxDiagnostics {
		more := len(ds) - maxDiagnostics
		ds = append(ds[:maxDiagnostics:maxDiagnostics], Diagnostic{Pos: Position{File: ds[0].Pos.File}, Message: fmt.Sprintf("and %d more mistakes", more)})
	}
	return ds
}

// finish sorts diagnostics and gives each its line. Only now are all places
// of secrets known.
func (r *reporter) finish(ds Diagnostics) Diagnostics {
	ds = sorted(ds)
	for i := range ds {
		ds[i].Source = r.source(ds[i].Pos)
	}
	return ds
}

// err is the diagnostics as an error; nil when there is none.
func (r *reporter) err() error {
	if len(r.errors) == 0 {
		return nil
	}
	return r.finish(r.errors)
}
