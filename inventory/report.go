package inventory

import (
	"cmp"
	"fmt"
	"regexp"
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

// hideLine keeps a whole line from being shown.
func (r *reporter) hideLine(line int) {
	if r.blank == nil {
		r.blank = map[int]bool{}
	}
	r.blank[line] = true
}

// ends of what is never shown, wherever it stands in a file.
var (
	keyBegins = regexp.MustCompile(`-----BEGIN |AGE-SECRET-KEY-|PuTTY-User-Key-File-`)
	keyEnds   = regexp.MustCompile(`-----END [A-Z0-9 ]+-----`)
	mapKey    = regexp.MustCompile(`^[\t {-]*["']?[A-Za-z_][A-Za-z0-9_.-]*["']?[ \t]*:([ \t"'0-9{\[]|$)`)
	// secretKey is a key that names a secret, whose value may go on below.
	secretKey = regexp.MustCompile(`(?i)(?:passw(?:or)?d|secret|secret_key|token|api_?key|private_key|passphrase|cert_pass|connstr|connection_string|_pass|url|key)["']?\s*:`)
)

// inKey tells whether a line belongs to a key or certificate that stands in the file.
func (r *reporter) inKey(number int) bool {
	inside := false
	for i, line := range r.lines[:number] {
		if keyBegins.MatchString(line) {
			inside = true
		}
		if inside && i == number-1 {
			return true
		}
		if inside && (keyEnds.MatchString(line) || strings.Contains(line, "AGE-SECRET-KEY-")) {
			inside = false
		}
	}
	return false
}

// continues tells whether a line has no key of its own and goes on with the value of one
// that names a secret: a text of several lines, or the line that broke it.
func (r *reporter) continues(number int) bool {
	for i := number - 1; i >= 0; i-- {
		if mapKey.MatchString(r.lines[i]) {
			return i < number-1 && secretKey.MatchString(r.lines[i])
		}
	}
	return false
}

// isInventory tells whether a file has one line like a map's, or a list's, as every
// inventory does. One that has none may be anything, a secret too, and is not quoted.
func (r *reporter) isInventory() bool {
	if r.ini {
		return slices.ContainsFunc(r.lines, func(l string) bool { return iniSection.MatchString(strings.TrimSpace(l)) })
	}
	return slices.ContainsFunc(r.lines, func(l string) bool { return mapKey.MatchString(l) || strings.HasPrefix(l, "- ") })
}

// iniSecret is a variable whose name says that it is a secret, or that may hold one.
var iniSecret = regexp.MustCompile(`(?i)(?:pass|pwd|secret|token|key|url|connstr|vault|ghadeploy)[^=\s]*\s*=`)

// maxSource is how much of a line a diagnostic shows.
const maxSource = 200

// source is the offending line with literal secrets hidden: those that were
// recognised by their place, and what looks like one where the text is not even YAML.
func (r *reporter) source(pos Position) string {
	if o := r.others[pos.File]; o != nil {
		return o.source(pos)
	}
	if r.stranger || pos.Line < 1 || pos.Line > len(r.lines) {
		return ""
	}
	if r.blank[pos.Line] || r.inKey(pos.Line) || r.continues(pos.Line) || !r.isInventory() ||
		r.ini && iniSecret.MatchString(r.lines[pos.Line-1]) {
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
		return cmp.Or(cmp.Compare(a.Pos.File, b.Pos.File), cmp.Compare(a.Pos.Line, b.Pos.Line), cmp.Compare(a.Pos.Column, b.Pos.Column),
			cmp.Compare(a.Message, b.Message))
	})
	ds = slices.CompactFunc(ds, func(a, b Diagnostic) bool { return a.Pos == b.Pos && a.Message == b.Message })
	if len(ds) > maxDiagnostics {
		more := len(ds) - maxDiagnostics
		ds = append(ds[:maxDiagnostics:maxDiagnostics],
			Diagnostic{Pos: Position{File: ds[0].Pos.File}, Message: fmt.Sprintf("and %d more mistakes", more)})
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
