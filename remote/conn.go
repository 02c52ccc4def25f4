package remote

import (
	"bytes"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// duplex is a channel of the SSH connection.
type duplex interface {
	io.ReadWriteCloser
	CloseWrite() error
}

// tunnelConn makes a net.Conn of a channel. SSH channels have no deadlines, and
// HTTP, pgx, MySQL and Redis clients end a slow or canceled request with them.
type tunnelConn struct {
	duplex
	local, remote net.Addr
	lost          func(error) error // names the host when the connection broke

	readDeadline, writeDeadline deadline

	readMu sync.Mutex // one Read at a time
	rest   []byte     // of the last chunk
	err    error      // after the last chunk
	chunks chan chunk
	resume chan struct{} // the reader may reuse its buffer
	closed chan struct{}
	once   sync.Once
}

type chunk struct {
	data []byte
	err  error
}

func newTunnelConn(ch duplex, local, remote net.Addr, lost func(error) error) *tunnelConn {
	t := &tunnelConn{
		duplex: ch, local: local, remote: remote, lost: lost,
		readDeadline: makeDeadline(), writeDeadline: makeDeadline(),
		chunks: make(chan chunk), resume: make(chan struct{}), closed: make(chan struct{}),
	}
	guard.Go(func() { t.read() })
	return t
}

// read hands over one chunk at a time, so that the channel's window, and with it
// the far end, waits for a slow reader.
func (t *tunnelConn) read() {
	buf := make([]byte, 32<<10) // the largest packet of the library
	for {
		n, err := t.duplex.Read(buf)
		select {
		case t.chunks <- chunk{buf[:n], err}:
		case <-t.closed:
			return
		}
		if err != nil {
			return
		}
		select {
		case <-t.resume:
		case <-t.closed:
			return
		}
	}
}

// Read honours the read deadline; bytes that come after it are not lost.
func (t *tunnelConn) Read(p []byte) (int, error) {
	t.readMu.Lock()
	defer t.readMu.Unlock()
	if isDone(t.closed) {
		return 0, net.ErrClosed
	}
	if isDone(t.readDeadline.wait()) {
		return 0, os.ErrDeadlineExceeded
	}
	if len(t.rest) == 0 {
		if t.err != nil {
			return 0, t.err
		}
		select {
		case c := <-t.chunks:
			t.rest = c.data
			if c.err != nil {
				t.err = t.readError(c.err)
			}
		case <-t.readDeadline.wait():
			return 0, os.ErrDeadlineExceeded
		case <-t.closed:
			return 0, net.ErrClosed
		}
	}
	n := copy(p, t.rest)
	t.rest = t.rest[n:]
	if len(t.rest) > 0 {
		return n, nil
	}
	if t.err != nil {
		if n > 0 {
			return n, nil
		}
		return 0, t.err
	}
	select {
	case t.resume <- struct{}{}:
	case <-t.closed:
	}
	return n, nil
}

// readError tells a stream's ordinary end from a broken SSH connection, which
// the channel reports as EOF as well.
func (t *tunnelConn) readError(err error) error {
	if lost := t.lost(err); lost != nil {
		return lost
	}
	return err
}

// Write honours the write deadline. A write that was cut by it leaves the stream
// in an unknown state, so the connection is closed then.
func (t *tunnelConn) Write(p []byte) (int, error) {
	if isDone(t.closed) {
		return 0, net.ErrClosed
	}
	if isDone(t.writeDeadline.wait()) {
		return 0, os.ErrDeadlineExceeded
	}
	// Beside us, on a copy: a host that gives no room for more holds it until the
	// connection's end, and p is the caller's again when we return.
	type written struct {
		n   int
		err error
	}
	got := make(chan written, 1)
	ours := bytes.Clone(p)
	guard.Go(func() {
		n, err := t.duplex.Write(ours)
		got <- written{n, err}
	})
	select {
	case w := <-got:
		if w.err == io.EOF { // the library's word for a closed channel
			w.err = io.ErrClosedPipe
		}
		return w.n, w.err
	case <-t.writeDeadline.wait():
		_ = t.Close()
		return 0, os.ErrDeadlineExceeded
	case <-t.closed:
		return 0, net.ErrClosed
	}
}

// Close ends both directions.
func (t *tunnelConn) Close() error {
	var err error
	t.once.Do(func() {
		close(t.closed)
		err = closeSoon(t.duplex)
		if err == io.EOF {
			err = nil // the other side was first
		}
	})
	return err
}

func (t *tunnelConn) LocalAddr() net.Addr  { return t.local }
func (t *tunnelConn) RemoteAddr() net.Addr { return t.remote }

func (t *tunnelConn) SetDeadline(at time.Time) error {
	t.readDeadline.set(at)
	t.writeDeadline.set(at)
	return nil
}

func (t *tunnelConn) SetReadDeadline(at time.Time) error {
	t.readDeadline.set(at)
	return nil
}

func (t *tunnelConn) SetWriteDeadline(at time.Time) error {
	t.writeDeadline.set(at)
	return nil
}

// tunnelAddr is an address as it was dialled, which is what a driver that dials
// the same server again (pgx, to cancel a query) needs.
type tunnelAddr struct{ network, address string }

func (a tunnelAddr) Network() string { return a.network }
func (a tunnelAddr) String() string  { return a.address }

// deadline is a channel that closes at a time which may be moved.
type deadline struct {
	mu    sync.Mutex
	timer *time.Timer
	past  chan struct{}
}

func makeDeadline() deadline { return deadline{past: make(chan struct{})} }

func (d *deadline) set(at time.Time) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.timer != nil && !d.timer.Stop() {
		<-d.past // it fired: let it finish, or it would close the next channel
	}
	d.timer = nil
	if isDone(d.past) {
		d.past = make(chan struct{})
	}
	if at.IsZero() {
		return
	}
	past := d.past
	if left := time.Until(at); left > 0 {
		d.timer = time.AfterFunc(left, func() { close(past) })
		return
	}
	close(past)
}

func (d *deadline) wait() <-chan struct{} {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.past
}

func isDone(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
}
