package ui

import (
	"context"
	"io"
	"os"
	"strconv"

	"golang.org/x/term"
)

// pipeWidth is the width of what goes to no terminal: wide enough for tables,
// narrow enough for a mail or a CI log.
const pipeWidth = 100

// Streams are what a command reads and writes, and what is known of them.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
	// Raw is Out for what the operator asked for byte by byte, a secret for example;
	// nothing that comes from a host goes there.
	Raw io.Writer
	// InTTY, OutTTY and ErrTTY tell what is a terminal.
	InTTY, OutTTY, ErrTTY bool
	// OutStyle and ErrStyle colour, or do not.
	OutStyle, ErrStyle Style
	// Animated: Err is a terminal whose cursor can be moved (TERM is not dumb).
	Animated bool
	// Size is the terminal's columns and rows, asked anew each time, because
	// windows are resized.
	Size func() (columns, rows int)
	// Password reads one line from the terminal without echo.
	Password func() ([]byte, error)
	// Keys gives the keys that are pressed on the terminal, without echo, and what gives
	// the terminal back; nil where In is none.
	Keys func(context.Context) (<-chan byte, func())
}

// Columns is the width to render for.
func (s Streams) Columns() int {
	columns, _ := s.Size()
	return columns
}

// Files are the streams of a process. getenv is os.Getenv: NO_COLOR, TERM,
// CLICOLOR_FORCE and COLUMNS are honoured.
func Files(in, out, err *os.File, getenv func(string) string) Streams {
	s := Streams{
		In: in, Out: out, Err: err,
		InTTY: isTerminal(in), OutTTY: isTerminal(out), ErrTTY: isTerminal(err),
	}
	s.OutStyle = Style{Color: wantsColor(s.OutTTY, getenv)}
	s.ErrStyle = Style{Color: wantsColor(s.ErrTTY, getenv)}
	s.Animated = s.ErrTTY && getenv("TERM") != "dumb"
	s.Size = sizeOf(out, err, getenv)
	s.Password = func() ([]byte, error) { return term.ReadPassword(int(in.Fd())) }
	if s.InTTY {
		s.Keys = func(ctx context.Context) (<-chan byte, func()) { return keys(ctx, in) }
	}
	return s
}

func isTerminal(f *os.File) bool { return term.IsTerminal(int(f.Fd())) }

// wantsColor follows no-color.org and CLICOLOR_FORCE.
func wantsColor(tty bool, getenv func(string) string) bool {
	if getenv("NO_COLOR") != "" {
		return false
	}
	if force := getenv("CLICOLOR_FORCE"); force != "" && force != "0" {
		return true
	}
	return tty && getenv("TERM") != "dumb"
}

func sizeOf(out, err *os.File, getenv func(string) string) func() (int, int) {
	return func() (int, int) {
		for _, f := range []*os.File{out, err} {
			if columns, rows, e := term.GetSize(int(f.Fd())); e == nil && columns > 0 {
				return columns, rows
			}
		}
		if columns, e := strconv.Atoi(getenv("COLUMNS")); e == nil && columns >= 40 {
			return columns, 0
		}
		return pipeWidth, 0
	}
}
