package dbcopy

import (
	"slices"
	"strings"
)

// Class is what a column keeps; it decides how values are converted.
type Class uint8

// The classes. Any is a column of sqlite, which keeps whatever it is given.
const (
	Any Class = iota
	BoolClass
	IntClass
	Float32Class
	Float64Class
	DecimalClass // compared as text without trailing zeros
	TextClass
	CharClass   // of fixed width: spaces at the end mean nothing
	BytesClass  // of any length
	BinaryClass // of fixed width: zeros at the end mean nothing
	TimeClass
	DateClass
	JSONClass  // kept parsed: spaces, order and doubles of keys mean nothing
	UUIDClass  // case means nothing
	OtherClass // what the server makes of the text
)

// Column is one column of a table.
type Column struct {
	Name  string
	Type  string // as the server names it
	Class Class
	// Digits are those of a second that a time keeps.
	Digits int
	// NoNUL: text must not hold U+0000 (PostgreSQL).
	NoNUL bool
	// Folds: the column compares without case (MySQL's _ci collations).
	Folds bool
	// Key tells that the column is part of the primary key.
	Key bool
	// Counts: the server numbers rows by this column (a sequence, AUTO_INCREMENT).
	Counts bool
	// Computed by the server: never written.
	Computed bool
}

// Table is one table of a database.
type Table struct {
	Name    string
	Columns []Column
	// Unique are the columns of each unique index, the primary key among them.
	Unique [][]string
	// Needs are tables that rows of this one point to by a foreign key.
	Needs   []string
	reading string // the index that is being read
	// Unsafe says why a change to this table cannot be taken back; empty: it can.
	Unsafe string
}

// Column finds a column, without case: no server tells names apart by it that Grafana uses.
func (t *Table) Column(name string) *Column {
	for i := range t.Columns {
		if strings.EqualFold(t.Columns[i].Name, name) {
			return &t.Columns[i]
		}
	}
	return nil
}

// keyColumns are the indexes of columns that tell an operator which row is meant.
func keyColumns(columns []Column) []int {
	var out []int
	for i, c := range columns {
		if c.Key {
			out = append(out, i)
		}
	}
	if len(out) > 0 {
		return out
	}
	for _, name := range []string{"id", "org_id", "uid", "name", "guid", "key"} {
		if i := slices.IndexFunc(columns, func(c Column) bool { return c.Name == name }); i >= 0 {
			out = append(out, i)
		}
	}
	if len(out) == 0 && len(columns) > 0 {
		out = []int{0}
	}
	return out
}

// keyOf names a row: "id=12, uid=abc".
func keyOf(columns []Column, key []int, r Row) string {
	var b strings.Builder
	for n, i := range key {
		if n > 0 {
			b.WriteString(", ")
		}
		b.WriteString(columns[i].Name + "=" + shown(r[i].appendText(nil)))
	}
	return b.String()
}

// shown is foreign text on one line, bounded and without control characters.
func shown(b []byte) string {
	const most = 120
	s := strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '\uFFFD'
		}
		return r
	}, strings.ToValidUTF8(string(b[:min(len(b), 4*most)]), "\uFFFD"))
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// inOrder sorts tables so that those that others point to come first; within that by
// name. What points in a circle comes last, by name.
func inOrder(tables []*Table) []*Table {
	rest := slices.Clone(tables)
	slices.SortFunc(rest, func(a, b *Table) int { return strings.Compare(a.Name, b.Name) })
	placed := map[string]bool{}
	here := map[string]bool{}
	for _, t := range rest {
		here[t.Name] = true
	}
	var out []*Table
	for len(rest) > 0 {
		i := slices.IndexFunc(rest, func(t *Table) bool {
			return !slices.ContainsFunc(t.Needs, func(n string) bool { return here[n] && !placed[n] && n != t.Name })
		})
		if i < 0 {
			return append(out, rest...)
		}
		placed[rest[i].Name] = true
		out = append(out, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	return out
}
