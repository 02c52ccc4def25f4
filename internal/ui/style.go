package ui

// Style colours text by what it means. Only the sixteen colours that the
// operator's own theme defines are used, so that it is readable on light and
// dark terminals. The zero Style does not colour.
type Style struct{ Color bool }

func (s Style) sgr(code, text string) string {
	if !s.Color || text == "" {
		return text
	}
	return sequence(code+"m") + text + sequence("0m")
}

// Good is harmless, healthy, done.
func (s Style) Good(text string) string { return s.sgr("32", text) }

// Warn is a restart, a wait, a warning.
func (s Style) Warn(text string) string { return s.sgr("33", text) }

// Bad is a removal, an outage, a failure.
func (s Style) Bad(text string) string { return s.sgr("31", text) }

// Note is neutral information that should be found quickly.
func (s Style) Note(text string) string { return s.sgr("36", text) }

// Faint is what may be overlooked.
func (s Style) Faint(text string) string { return s.sgr("2", text) }

// Strong is a heading.
func (s Style) Strong(text string) string { return s.sgr("1", text) }

// risk is how much something hurts.
type risk int

const (
	harmless risk = iota
	restarts
	removes
)

// symbol is how a risk is marked where there is no colour.
func (r risk) symbol() string { return [...]string{"+", "~", "-"}[r] }

func (s Style) risk(r risk, text string) string {
	switch r {
	case removes:
		return s.Bad(text)
	case restarts:
		return s.Warn(text)
	default:
		return s.Good(text)
	}
}
