package ui

import (
	"fmt"
	"io"
	"strings"
)

// Screen shows a text again and again: in place on a terminal, one after the
// other with an empty line between them everywhere else.
type Screen struct {
	w       io.Writer
	inPlace bool
	size    func() (columns, rows int)
	shown   bool
}

// NewScreen writes to w; inPlace when w is a terminal whose cursor can be moved.
func NewScreen(w io.Writer, inPlace bool, size func() (columns, rows int)) *Screen {
	return &Screen{w: w, inPlace: inPlace, size: size}
}

// Show replaces what was shown before.
func (s *Screen) Show(text string) error {
	defer func() { s.shown = true }()
	if !s.inPlace {
		if s.shown {
			text = "\n" + text
		}
		_, err := io.WriteString(s.w, text)
		return err
	}
	_, rows := s.size()
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if rows > 1 && len(lines) > rows-1 { // the verdict is the last line and must be seen
		cut := len(lines) - (rows - 3)
		lines = append(append(lines[:rows-3:rows-3], fmt.Sprintf("… %d lines do not fit", cut)), lines[len(lines)-1])
	}
	var b strings.Builder
	b.WriteString(sequence("1H")) // home; every line is cleared as it is written, which does not flicker
	for _, l := range lines {
		b.WriteString(l + sequence("0K") + "\n")
	}
	b.WriteString(sequence("0J"))
	if !s.shown {
		_, err := io.WriteString(s.w, sequence("2J")+b.String())
		return err
	}
	_, err := io.WriteString(s.w, b.String())
	return err
}
