package dbcopy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// What a converted value lost or gained, as [Note.What].
const (
	notedLatin1  = "bytes that are not UTF-8 were read as Windows-1252 (Latin-1)"
	notedNUL     = "NUL characters, which PostgreSQL refuses, became U+FFFD"
	notedTime    = "unreadable times became 0001-01-01 00:00:00, as Grafana reads them on sqlite"
	notedZero    = "zero dates became 0001-01-01 00:00:00"
	notedSeconds = "fractions of a second that the column does not keep were cut off"
	notedBool    = "numbers other than 0 and 1 became true (above 0) or false"
	notedNaN     = "infinite or undefined numbers"
)

// zeroTime is Go's, and so Grafana's, zero time as Int of a Time.
var zeroTime = micros(time.Time{})

// latest is the last microsecond that servers write with four digits of the year.
const latest = 253402300799999999

// convert makes of v what the column keeps. A note says what was changed by that; an
// error, that the column can keep nothing of it.
func convert(v *Value, c *Column) (note string, err error) {
	if v.Kind == Null {
		return "", nil
	}
	switch c.Class {
	case BoolClass:
		return toBool(v)
	case IntClass:
		return "", toInt(v)
	case Float32Class, Float64Class:
		return toFloat(v, c.Class == Float32Class)
	case DecimalClass:
		return "", toDecimal(v)
	case BytesClass, BinaryClass:
		toBytes(v)
		v.Kind = Blob
		if c.Class == BinaryClass {
			v.Bytes = trimmed(v.Bytes, "\x00")
		}
		return "", nil
	case TimeClass, DateClass:
		return toTime(v, c)
	case JSONClass:
		note = toText(v, c)
		v.Bytes = plainJSON(v.Bytes)
		return note, nil
	case UUIDClass:
		note = toText(v, c)
		v.Bytes = bytes.ToLower(v.Bytes)
		return note, nil
	case CharClass:
		note = toText(v, c)
		v.Bytes = trimmed(v.Bytes, " ")
		return note, nil
	}
	return toText(v, c), nil
}

// toBool is how sqlite's driver in Grafana reads a boolean column.
func toBool(v *Value) (note string, err error) {
	switch v.Kind {
	case Int:
		if v.Int != 0 && v.Int != 1 {
			note = notedBool
		}
	case Float:
		note, v.Int = notedBool, int64(math.Ceil(v.Float))
	default:
		yes, err := strconv.ParseBool(strings.ToLower(string(v.Bytes)))
		if err != nil {
			return "", fmt.Errorf("%q is no boolean", shown(v.Bytes))
		}
		v.Int = 0
		if yes {
			v.Int = 1
		}
	}
	if v.Int = min(max(v.Int, 0), 1); v.Int != 0 {
		v.Int = 1
	}
	v.Kind, v.Bytes = Int, nil
	return note, nil
}

func toInt(v *Value) error {
	switch v.Kind {
	case Int:
	case Float:
		if v.Float != math.Trunc(v.Float) || math.Abs(v.Float) >= 1<<63 {
			return fmt.Errorf("%v is no whole number", v.Float)
		}
		v.Int = int64(v.Float)
	default:
		switch text := strings.ToLower(strings.TrimSpace(string(v.Bytes))); text {
		case "true", "false": // MySQL's booleans are numbers
			v.Int = 0
			if text == "true" {
				v.Int = 1
			}
		default:
			n, err := strconv.ParseInt(text, 10, 64)
			if err != nil {
				return fmt.Errorf("%q is no whole number", shown(v.Bytes))
			}
			v.Int = n
		}
	}
	v.Kind, v.Bytes = Int, nil
	return nil
}

func toFloat(v *Value, short bool) (note string, err error) {
	switch v.Kind {
	case Float:
	case Int:
		v.Float = float64(v.Int)
	default:
		f, err := strconv.ParseFloat(strings.TrimSpace(string(v.Bytes)), 64)
		if err != nil {
			return "", fmt.Errorf("%q is no number", shown(v.Bytes))
		}
		v.Float = f
	}
	if short {
		v.Float = float64(float32(v.Float))
	}
	if v.Float == 0 {
		v.Float = 0 // -0 is not kept by all servers
	}
	if math.IsNaN(v.Float) || math.IsInf(v.Float, 0) {
		note = notedNaN
	}
	v.Kind, v.Int, v.Bytes = Float, 0, nil
	return note, nil
}

// toDecimal is the number without what does not change it.
func toDecimal(v *Value) error {
	toBytes(v)
	s := strings.TrimSpace(string(v.Bytes))
	if f, err := strconv.ParseFloat(s, 64); err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
		return fmt.Errorf("%q is no number", shown(v.Bytes))
	} else if strings.ContainsAny(s, "eE") {
		s = strconv.FormatFloat(f, 'f', -1, 64)
	}
	s = strings.TrimPrefix(s, "+")
	if strings.Contains(s, ".") {
		s = strings.TrimSuffix(strings.TrimRight(s, "0"), ".")
	}
	if s == "-0" || s == "" {
		s = "0"
	}
	*v = Value{Kind: Text, Bytes: []byte(s)}
	return nil
}

// toBytes makes numbers their text.
func toBytes(v *Value) {
	switch v.Kind {
	case Int, Float, Time:
		v.Bytes = v.appendText(nil)
	}
	v.Int, v.Float = 0, 0
}

// toText makes valid UTF-8 of a value.
func toText(v *Value, c *Column) (note string) {
	toBytes(v)
	v.Kind = Text
	if !utf8.Valid(v.Bytes) {
		note, v.Bytes = notedLatin1, fromWindows1252(v.Bytes)
	}
	if c.NoNUL && bytes.IndexByte(v.Bytes, 0) >= 0 {
		note, v.Bytes = notedNUL, bytes.ReplaceAll(v.Bytes, []byte{0}, []byte("\uFFFD"))
	}
	return note
}

// high are the characters 0x80 to 0x9f of Windows-1252 (https://encoding.spec.whatwg.org/#windows-1252).
var high = [32]rune{
	'€', 0x81, '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', 0x8d, 'Ž', 0x8f,
	0x90, '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', 0x9d, 'ž', 'Ÿ',
}

// fromWindows1252 keeps what is UTF-8 and reads every other byte as a character of
// Windows-1252, so that nothing of it is lost.
func fromWindows1252(b []byte) []byte {
	out := make([]byte, 0, len(b)+len(b)/2)
	for len(b) > 0 {
		r, n := utf8.DecodeRune(b)
		if r == utf8.RuneError && n == 1 {
			if r = rune(b[0]); r >= 0x80 && r < 0xa0 {
				r = high[r-0x80]
			}
		}
		out = utf8.AppendRune(out, r)
		b = b[n:]
	}
	return out
}

// plainJSON is JSON as every server that parses it would mean it; what is none stays,
// and the server says so.
func plainJSON(b []byte) []byte {
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return b
	}
	out, err := json.Marshal(v)
	if err != nil {
		return b
	}
	return out
}

// toTime reads a time as Grafana's sqlite driver does: text in several forms, UTC where
// it names no zone; numbers as seconds or, from 10^12 on, as milliseconds.
func toTime(v *Value, c *Column) (note string, err error) {
	switch v.Kind {
	case Time:
	case Int:
		if v.Int > latest/1000 || v.Int < -latest/1000 {
			return "", fmt.Errorf("%d is no time", v.Int)
		}
		v.Int *= 1e3
		if v.Int > -1e15 && v.Int < 1e15 {
			v.Int *= 1e3
		}
	case Float:
		if math.IsNaN(v.Float) || math.Abs(v.Float) > 1e12 {
			return "", fmt.Errorf("%v is no time", v.Float)
		}
		v.Int = int64(v.Float * 1e6)
	default:
		v.Int, note = readTime(v.Bytes)
	}
	if v.Int > latest || v.Int < zeroTime {
		return "", fmt.Errorf("a time before the year 1 or after 9999")
	}
	v.Kind, v.Float, v.Bytes = Time, 0, nil
	unit := int64(86400 * 1e6)
	if c.Class == TimeClass {
		unit = int64(math.Pow10(6 - min(max(c.Digits, 0), 6)))
	}
	if over := ((v.Int % unit) + unit) % unit; over != 0 {
		v.Int -= over
		if note == "" {
			note = notedSeconds
		}
	}
	return note, nil
}

// layouts are those in which go-sqlite3 writes and reads times
// (https://pkg.go.dev/github.com/mattn/go-sqlite3#pkg-variables), and RFC 3339.
var layouts = []string{
	"2006-01-02 15:04:05.999999999-07:00", "2006-01-02T15:04:05.999999999-07:00", "2006-01-02 15:04:05.999999999",
	"2006-01-02T15:04:05.999999999", "2006-01-02 15:04", "2006-01-02T15:04", "2006-01-02",
	time.RFC3339Nano, "2006-01-02 15:04:05.999999999 -0700 MST", "2006-01-02 15:04:05.999999999-07",
}

func readTime(b []byte) (us int64, note string) {
	if us, ok := usualTime(b); ok {
		return us, ""
	}
	s := strings.TrimSuffix(strings.TrimSpace(string(b)), "Z")
	if strings.HasPrefix(s, "0000-00-00") {
		return zeroTime, notedZero
	}
	if i := strings.Index(s, " m="); i > 0 { // Go's own, with its monotonic clock
		s = s[:i]
	}
	for _, l := range layouts {
		if t, err := time.ParseInLocation(l, s, time.UTC); err == nil {
			return micros(t.UTC()), ""
		}
	}
	return zeroTime, notedTime
}

// usualTime reads "2006-01-02 15:04:05" with up to six digits of a fraction, which nearly
// all are, without making a string.
func usualTime(b []byte) (int64, bool) {
	if !usualShape(b) {
		return 0, false
	}
	n := [6]int{}
	for i, f := range [6]struct{ from, to, least, most int }{{0, 4, 0, 9999}, {5, 7, 1, 12}, {8, 10, 1, 28}, {11, 13, 0, 23}, {14, 16, 0, 59},
		{17, 19, 0, 59}} {
		n[i] = digits(b[f.from:f.to])
		if n[i] < f.least || n[i] > f.most { // the end of a month is left to package time
			return 0, false
		}
	}
	us := 0
	if len(b) > 19 {
		if us = digits(b[20:]); us < 0 {
			return 0, false
		}
		for range 26 - len(b) {
			us *= 10
		}
	}
	return time.Date(n[0], time.Month(n[1]), n[2], n[3], n[4], n[5], 0, time.UTC).Unix()*1e6 + int64(us), true
}

// usualShape tells whether everything but the digits is where it usually is.
func usualShape(b []byte) bool {
	if len(b) < 19 || len(b) > 26 || len(b) == 20 || len(b) > 19 && b[19] != '.' {
		return false
	}
	return b[4] == '-' && b[7] == '-' && (b[10] == ' ' || b[10] == 'T') && b[13] == ':' && b[16] == ':'
}

// digits is a number of digits only; -1: it is none.
func digits(b []byte) int {
	n := 0
	for _, d := range b {
		if d < '0' || d > '9' {
			return -1
		}
		n = n*10 + int(d-'0')
	}
	return n
}

// converter converts rows for one table and keeps what there is to tell.
type converter struct {
	table   string
	columns []Column
	key     []int
	notes   []*Note
}

func newConverter(table string, columns []Column) *converter {
	return &converter{table: table, columns: columns, key: keyColumns(columns)}
}

// mostKeys are the keys that a note lists.
const mostKeys = 10

// row converts a row in place; an error is about the row.
func (c *converter) row(r Row) error {
	var errs []error
	for i := range r {
		note, err := convert(&r[i], &c.columns[i])
		if err != nil {
			errs = append(errs, fmt.Errorf("column %s: %w", c.columns[i].Name, err))
		}
		if note != "" {
			c.note(c.columns[i].Name, note, r)
		}
	}
	return errors.Join(errs...)
}

func (c *converter) note(column, what string, r Row) {
	i := slices.IndexFunc(c.notes, func(n *Note) bool { return n.Column == column && n.What == what })
	if i < 0 {
		i = len(c.notes)
		c.notes = append(c.notes, &Note{Table: c.table, Column: column, What: what})
	}
	n := c.notes[i]
	n.Rows++
	if len(n.Keys) < mostKeys {
		n.Keys = append(n.Keys, keyOf(c.columns, c.key, r))
	}
}
