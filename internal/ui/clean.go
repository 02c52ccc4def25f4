package ui

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"math/big"
	"sync"
	"unicode/utf8"

	"github.com/ghadeploy/ghadeploy/remote"
)

// All that is shown goes through one writer, which lets through what it is sure of:
// text, and the control sequences of this package. Ours carry a number that is drawn
// when the process starts and that no host can know; the writer takes it off. So no
// place that prints what a host said can forget to clean it.

// own marks the control sequences of this process, as their first parameter.
var own = func() string {
	n, err := rand.Int(rand.Reader, big.NewInt(1_000_000_000))
	if err != nil {
		panic(err) // no process without randomness gets as far
	}
	return fmt.Sprintf("%09d", n)
}()

// sequence is a control sequence (CSI) of ours: parameters and the final letter.
func sequence(code string) string { return "\x1b[" + own + ";" + code }

const (
	// lineOnTerminal and lineElsewhere bound a line, in bytes: nobody reads a longer
	// one, and a terminal takes minutes to show it.
	lineOnTerminal = 64 << 10
	lineElsewhere  = 1 << 20
)

// cleaner is the writer.
type cleaner struct {
	mu   sync.Mutex
	w    io.Writer
	most int    // bytes of a line
	line int    // bytes of the line so far
	rest []byte // the beginning of a character or sequence whose end has not come yet
}

// clean wraps w; a terminal has shorter lines.
func clean(w io.Writer, terminal bool) io.Writer {
	if _, is := w.(*cleaner); is || w == nil {
		return w
	}
	most := lineElsewhere
	if terminal {
		most = lineOnTerminal
	}
	return &cleaner{w: w, most: most}
}

// Write implements io.Writer. It reports p as written when what is left of it is.
func (c *cleaner) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	in := append(c.rest, p...)
	var out bytes.Buffer
	out.Grow(len(in))
	for len(in) > 0 {
		n := c.next(&out, in)
		if n == 0 {
			break
		}
		in = in[n:]
	}
	c.rest = append([]byte(nil), in...)
	if _, err := c.w.Write(out.Bytes()); err != nil {
		return 0, err
	}
	return len(p), nil
}

// next takes one character or sequence; 0: its end has not come yet.
func (c *cleaner) next(out *bytes.Buffer, in []byte) int {
	if in[0] == 0x1b {
		if n := c.control(out, in); n >= 0 {
			return n
		}
	}
	if !utf8.FullRune(in) && len(in) < utf8.UTFMax {
		return 0
	}
	r, n := utf8.DecodeRune(in)
	if r == '\n' {
		c.line = 0
		out.WriteByte('\n')
		return n
	}
	before := c.line
	c.line += n
	switch {
	case c.line > c.most:
		if before <= c.most {
			out.WriteString("… (the rest of the line is left out)")
		}
	case remote.Harmless(r):
		out.Write(in[:n])
	default:
		out.WriteString("·")
	}
	return n
}

// mostSequence bounds a sequence of ours.
const mostSequence = 32

// control lets a sequence of ours through, without its mark; -1: it is none.
func (c *cleaner) control(out *bytes.Buffer, in []byte) int {
	head := []byte("\x1b[" + own + ";")
	if short := min(len(in), len(head)); !bytes.Equal(in[:short], head[:short]) {
		return -1
	} else if short < len(head) {
		return 0
	}
	for i := len(head); i < min(len(in), mostSequence); i++ {
		switch b := in[i]; {
		case b >= 0x40 && b <= 0x7e:
			out.WriteString("\x1b[")
			out.Write(in[len(head) : i+1])
			return i + 1
		case b != ';' && (b < '0' || b > '9'):
			return -1
		}
	}
	if len(in) < mostSequence {
		return 0
	}
	return -1
}

// Clean makes text from a host harmless to a terminal: escape sequences and
// control characters other than newline and tab become visible dots.
func Clean(text string) string { return remote.Clean(text) }

// CleanWriter cleans what is written to a file that people will look at.
func CleanWriter(w io.Writer) io.Writer { return &cleaner{w: w, most: 1 << 30} }

// JSON is where JSON is written to: strings in it keep every character, those that are
// not harmless to a terminal in the escaped form (\u009b).
func JSON(w io.Writer) io.Writer {
	if c, ok := w.(*cleaner); ok {
		w = c.w
	}
	return jsonWriter{w}
}

type jsonWriter struct{ w io.Writer }

// Write takes whole documents, as an encoder hands them over.
func (j jsonWriter) Write(p []byte) (int, error) {
	if _, err := j.w.Write(remote.EscapeJSON(p)); err != nil {
		return 0, err
	}
	return len(p), nil
}

// Cleaned are the streams with all that is shown on them cleaned. Raw stays what Out was.
func (s Streams) Cleaned() Streams {
	if s.Raw == nil {
		s.Raw = s.Out
	}
	s.Out, s.Err = clean(s.Out, s.OutTTY), clean(s.Err, s.ErrTTY)
	return s
}
