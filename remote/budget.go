package remote

import (
	"errors"
	"fmt"
	"io"
	"strings"
	"sync/atomic"
	"unicode"
	"unicode/utf8"
)

// defaultOutput is what a command may say, in bytes, unless it is made for more: a host
// that says so much in answer to a question of ours is broken, or means harm.
const defaultOutput = 1 << 20

// OutputError is a command that said more than it may. It was ended, and what it had
// said is not to be used.
type OutputError struct {
	Host, Step string
	// Limit is in bytes, of stdout and stderr together.
	Limit int64
}

// Error names host and step.
func (e *OutputError) Error() string {
	return fmt.Sprintf("%s: %s: the host sent more than %s; it was stopped", e.Host, e.Step, bytesText(e.Limit))
}

func bytesText(n int64) string {
	if n >= 1<<20 {
		return fmt.Sprintf("%d MiB", n>>20)
	}
	return fmt.Sprintf("%d bytes", n)
}

// budget is what is left of a command's output, of both streams.
type budget struct {
	left     atomic.Int64
	fault    *OutputError
	infinite bool
	ended    atomic.Bool
}

var errEnded = errors.New("the command has ended")

// end takes no more: the one who ran the command is gone.
func (b *budget) end() { b.ended.Store(true) }

func (s *session) newBudget(limit int64) *budget {
	if limit == 0 {
		limit = defaultOutput
	}
	b := &budget{infinite: limit < 0, fault: &OutputError{Host: s.c.target.Name, Step: s.step, Limit: limit}}
	b.left.Store(limit)
	return b
}

// of counts what goes to w, and refuses what is too much: all writers are behind it,
// so that nobody who runs a command can forget.
func (b *budget) of(w io.Writer) io.Writer { return &budgetWriter{w, b} }

type budgetWriter struct {
	io.Writer
	b *budget
}

func (w *budgetWriter) Write(p []byte) (int, error) {
	if w.b.ended.Load() {
		return 0, errEnded
	}
	if !w.b.infinite && w.b.left.Add(-int64(len(p))) < 0 {
		return 0, w.b.fault
	}
	return w.Writer.Write(p)
}

// mostSaid bounds what a host says in a protocol's own messages: refusals, signals.
const mostSaid = 300

// saidShort makes a host's words fit for an error: one line, printable, short.
func saidShort(text string) string {
	if len(text) > mostSaid {
		text = text[:mostSaid] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r == utf8.RuneError || !unicode.IsPrint(r) {
			return '·'
		}
		return r
	}, text)
}
