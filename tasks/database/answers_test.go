package database

import (
	"bufio"
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"io"
	"strings"
	"testing"
)

// packet is one of MySQL's.
func packetOf(body string) string {
	n := len(body)
	return string([]byte{byte(n), byte(n >> 8), byte(n >> 16), 1}) + body
}

func answering(text io.Reader) *mysqlAnswers {
	a := &mysqlAnswers{answers: answers{of: newBounds()}, in: bufio.NewReaderSize(text, 16<<10)}
	a.sent()
	return a
}

func TestWhatMySQLAnswersIsPlausible(t *testing.T) {
	row := "\xfc\x30\x75" + strings.Repeat("x", 30_000)
	for name, tt := range map[string]struct {
		text string
		ok   bool
	}{
		"an answer":                      {packetOf("\x00\x00\x00\x02\x00\x00\x00"), true},
		"an error":                       {packetOf("\xff\x15\x04#28000no"), true},
		"one column":                     {packetOf("\x01") + packetOf("\x03def") + packetOf(row) + packetOf("\xfe\x00\x00\x02\x00\x00\x00"), true},
		"many columns":                   {packetOf("\xfc\xff\x0f"), true},
		"a long row":                     {packetOf("\x01") + packetOf("\xfd\x00\x00\x80"+strings.Repeat("x", 8<<20)), true},
		"a statement of many":            {packetOf("\x00\xfe\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"), true},
		"more columns than there can be": {packetOf("\xfc\x01\x10"), false},
		"a million columns":              {packetOf("\xfd\xff\xff\xff"), false},
		"2^63 columns":                   {packetOf("\xfe\xff\xff\xff\xff\xff\xff\xff\x7f"), false},
		"a number that is cut":           {packetOf("\xfc\x01"), false},
		"an end before the beginning":    {packetOf("\xfe\x00\x00\x02\x00"), false},
		"an error that is cut":           {packetOf("\xff\x01"), false},
		"an error that is cut, later":    {packetOf("\x01") + packetOf("\x03def") + packetOf("\xff\x15\x04#28"), false},
		"a row without end":              {packetOf("\x01") + strings.Repeat(packetOf(strings.Repeat("x", 0xffffff)), 3), false},
		"rows without end":               {packetOf("\x01") + strings.Repeat(packetOf(row), 1000), false},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := io.ReadAll(answering(strings.NewReader(tt.text)))
			if (err == nil) != tt.ok || tt.ok && string(got) != tt.text {
				t.Errorf("%d of %d bytes passed: %v", len(got), len(tt.text), err)
			}
			if len(got) > mostMessage+1<<20 {
				t.Errorf("%d bytes passed", len(got))
			}
		})
	}
}

func TestRowsThatAreUsedUpHaveNoBound(t *testing.T) {
	db := &DB{bounds: newBounds()}
	text := packetOf("\x01") + strings.Repeat(packetOf("\xfc\x30\x75"+strings.Repeat("x", 30_000)), 1000)
	for _, stream := range []bool{true, false} {
		a := answering(strings.NewReader(text))
		a.of = db.bounds
		end := func() {}
		if stream {
			end = db.Stream()
		}
		n, err := io.Copy(io.Discard, a)
		end()
		if stream && (err != nil || n != int64(len(text))) || !stream && !errors.Is(err, errLongAnswer) {
			t.Errorf("stream %v: %d bytes, %v", stream, n, err)
		}
	}
}

func TestPostgresSaysNoMoreThanItMay(t *testing.T) {
	long := strings.Repeat("S\x00\x00\x00\x0ea\x00bcdefgh\x00", 2<<20)
	b := newBounds()
	f := b.frontend(strings.NewReader(long), io.Discard)
	var err error
	n := 0
	for ; err == nil; n++ {
		_, err = f.Receive()
	}
	if !errors.Is(err, errLongAnswer) || n > mostAnswer/14 {
		t.Errorf("%d messages: %v", n, err)
	}
	f = b.frontend(io.MultiReader(strings.NewReader("D\x3f\xff\xff\xff"), bytes.NewReader(make([]byte, 1<<20))), io.Discard)
	if _, err = f.Receive(); err == nil || errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a message of a gigabyte: %v", err)
	}
}

// panicking is a driver that believes what it is sent.
type panicking struct{ connects bool }

func (p panicking) Driver() driver.Driver { return nil }
func (p panicking) Connect(context.Context) (driver.Conn, error) {
	if !p.connects {
		panic("slice bounds out of range")
	}
	return panickingConn{}, nil
}

type panickingConn struct{ driver.Conn }

func (panickingConn) Close() error                       { return nil }
func (panickingConn) IsValid() bool                      { return true }
func (panickingConn) ResetSession(context.Context) error { return nil }
func (panickingConn) QueryContext(context.Context, string, []driver.NamedValue) (driver.Rows, error) {
	return panickingRows{}, nil
}

type panickingRows struct{ driver.Rows }

func (panickingRows) Columns() []string         { return []string{"a"} }
func (panickingRows) Close() error              { return nil }
func (panickingRows) Next([]driver.Value) error { panic("makeslice: len out of range") }

func TestADriverThatPanicsSaysThatTheServerMakesNoSense(t *testing.T) {
	for _, connects := range []bool{false, true} {
		db := sql.OpenDB(sturdy{panicking{connects}})
		var v string
		err := db.QueryRowContext(t.Context(), "SELECT 1").Scan(&v)
		if err == nil || !strings.Contains(err.Error(), "does not speak MySQL's protocol") {
			t.Errorf("connects %v: %v", connects, err)
		}
		_ = db.Close()
	}
}
