package inventory

import (
	"fmt"
	"strings"
)

// Position is a place in a file; Line and Column count from 1.
type Position struct {
	File         string
	Line, Column int
}

// String is file:line:col, as editors and compilers read it.
func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Diagnostic is one mistake, or one warning, in an inventory.
type Diagnostic struct {
	Pos     Position
	Message string // lower case, no full stop, no secret
	Hint    string // "did you mean ..." or what to do; may be empty
	Source  string // the offending line, for the caret; may be empty
}

// Error is file:line:col: message.
func (d Diagnostic) Error() string {
	s := d.Pos.String() + ": " + d.Message
	if d.Hint != "" {
		s += " (" + d.Hint + ")"
	}
	return s
}

// Diagnostics are all the mistakes of a file. As an error it means exit code 3.
type Diagnostics []Diagnostic

// Error lists every diagnostic, each with its line and a caret under the column.
func (ds Diagnostics) Error() string {
	var b strings.Builder
	for i, d := range ds {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(d.Error())
		if d.Source != "" {
			b.WriteString("\n    " + d.Source + "\n    " + caret(d.Source, d.Pos.Column))
		}
	}
	return b.String()
}

// caret points at a column of line, keeping its tabs so that both align.
func caret(line string, column int) string {
	var b strings.Builder
	for i, r := range line {
		if i >= column-1 {
			break
		}
		if r == '\t' {
			b.WriteByte('\t')
		} else {
			b.WriteByte(' ')
		}
	}
	return b.String() + "^"
}
