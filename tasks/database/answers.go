package database

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"sync/atomic"

	"github.com/jackc/pgx/v5/pgproto3"
)

// What a server may send once it has let somebody in. The drivers make room for whatever
// it announces, and whoever sits between may announce anything.
const (
	// mostAnswer is for what answers one question, in bytes: hundreds of rows have some thousands.
	mostAnswer = 16 << 20
	// mostMessage is for one row, in bytes: two of MySQL's MEDIUMTEXT, in which Grafana keeps dashboards.
	mostMessage = 32 << 20
	// mostColumns is what a table of MySQL may have.
	mostColumns = 4096
)

var errLongRow = fmt.Errorf("a row of the server's answer is longer than %d MiB", mostMessage>>20)

var errLongAnswer = fmt.Errorf("the server's answer is longer than any that was asked for (%d MiB)", mostAnswer>>20)

// bounds is what the connections of a [DB] let through.
type bounds struct{ answer atomic.Int64 }

func newBounds() *bounds {
	b := &bounds{}
	b.answer.Store(mostAnswer)
	return b
}

// Stream lets answers have any number of rows until the function that it gives is called:
// for who uses them up as they come.
func (db *DB) Stream() (end func()) {
	db.bounds.answer.Store(math.MaxInt64)
	return func() { db.bounds.answer.Store(mostAnswer) }
}

// Reason is err, or what the server did to deserve it where the driver knows only that the
// connection ended.
func (db *DB) Reason(err error) error {
	if err != nil && db.refused != nil && db.refused() != nil {
		return db.refused()
	}
	return err
}

// answers counts what comes on one connection since something was last sent.
type answers struct {
	of    *bounds
	asked atomic.Bool
	spent int64
}

func (a *answers) sent() { a.asked.Store(true) }

func (a *answers) took(n int) error {
	if a.asked.Swap(false) {
		a.spent = 0
	}
	if a.spent += int64(n); a.spent > a.of.answer.Load() {
		return errLongAnswer
	}
	return nil
}

// reading and writing are the two directions of a connection that is counted.
type (
	reading struct {
		io.Reader
		*answers
	}
	writing struct {
		io.Writer
		*answers
	}
)

func (r reading) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if long := r.took(n); long != nil {
		return 0, long
	}
	return n, err
}

func (w writing) Write(p []byte) (int, error) {
	w.sent()
	return w.Writer.Write(p)
}

// frontend is PostgreSQL's protocol within bounds; below it there may be TLS.
func (b *bounds) frontend(r io.Reader, w io.Writer) *pgproto3.Frontend {
	a := &answers{of: b}
	f := pgproto3.NewFrontend(reading{r, a}, writing{w, a})
	f.SetMaxBodyLen(mostMessage)
	return f
}

// countedConn is a connection within bounds, of which the protocol is not seen: TLS is above it.
type countedConn struct {
	net.Conn
	answers
}

// Read counts.
func (c *countedConn) Read(p []byte) (int, error) { return reading{c.Conn, &c.answers}.Read(p) }

// Write begins a new count.
func (c *countedConn) Write(p []byte) (int, error) { return writing{c.Conn, &c.answers}.Write(p) }

// mysqlAnswers looks at MySQL's packets before the driver does, which makes room for as
// many columns as a packet says and takes any number of packets for one row.
type mysqlAnswers struct {
	answers
	in    *bufio.Reader
	fresh atomic.Bool // the next packet is the first of an answer
	left  int         // of the packet that is passed on, its head included
	row   int         // bytes of the packets that make one row
	more  bool        // the packet at hand is not the last of its row
}

func (a *mysqlAnswers) sent() {
	a.answers.sent()
	a.fresh.Store(true)
}

func (a *mysqlAnswers) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if a.left == 0 {
		if err := a.next(); err != nil {
			return 0, err
		}
	}
	n, err := a.in.Read(p[:min(len(p), a.left)])
	a.left -= n
	if long := a.took(n); long != nil {
		return 0, long
	}
	return n, err
}

// next looks at the head of a packet and at what it begins with.
func (a *mysqlAnswers) next() error {
	head, err := a.in.Peek(4)
	if err != nil {
		return err
	}
	size := int(head[0]) | int(head[1])<<8 | int(head[2])<<16
	begin, err := a.in.Peek(4 + min(size, 9))
	if err != nil {
		return err
	}
	if !a.more {
		a.row = 0
		if err := plausible(begin[4:], size, a.fresh.Swap(false)); err != nil {
			return err
		}
	}
	if a.row += size; a.row > mostMessage {
		return errLongRow
	}
	a.left, a.more = 4+size, size == 0xffffff
	return nil
}

var errNoMySQL = errors.New("the server does not speak MySQL's protocol: its answer makes no sense")

// plausible refuses errors that are cut short, and as the first packet of an answer more
// columns than there can be. size is how long the packet is that begins so.
func plausible(begin []byte, size int, first bool) error {
	if size == 0 {
		return nil // the driver ends there
	}
	var columns uint64
	switch kind := begin[0]; {
	case kind == mysqlErr && size < 9:
		return errNoMySQL
	case !first || kind < 0xfc || kind == mysqlErr:
	case kind == 0xfc && size >= 3:
		columns = uint64(binary.LittleEndian.Uint16(begin[1:]))
	case kind == 0xfd && size >= 4:
		columns = uint64(begin[1]) | uint64(begin[2])<<8 | uint64(begin[3])<<16
	default: // eight bytes, or too few
		return errNoMySQL
	}
	if columns > mostColumns {
		return errNoMySQL
	}
	return nil
}
