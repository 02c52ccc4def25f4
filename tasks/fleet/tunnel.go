package fleet

import (
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// Tunnel is conn.Dial in the form that database and HTTP clients take, with
// what they rely on: a dial that ends with its context, and deadlines that work.
// A channel of an SSH connection has none of its own, and a client that cannot
// set one either fails (go-redis) or waits for ever (pgx, mysql).
func Tunnel(conn Conn) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := conn.Dial(ctx, network, address)
		if err != nil {
			return nil, fmt.Errorf("connect to %s: %w", address, err)
		}
		if c.SetDeadline(time.Time{}) == nil {
			return c, nil
		}
		return withDeadlines(c), nil
	}
}

// pipeConn reads and writes an in-memory pipe, which has deadlines, and has two
// goroutines carry the bytes; both end when either side is closed.
type pipeConn struct {
	net.Conn
	under net.Conn
}

func withDeadlines(under net.Conn) net.Conn {
	near, far := net.Pipe()
	carry := func(dst io.WriteCloser, src io.ReadCloser) {
		_, _ = io.Copy(dst, src)
		_ = dst.Close()
		_ = src.Close()
	}
	go carry(far, under)
	go carry(under, far)
	return &pipeConn{Conn: near, under: under}
}

// Close closes the near end and the channel below, which ends the goroutines.
func (c *pipeConn) Close() error {
	err := c.Conn.Close()
	_ = c.under.Close()
	return err
}

// LocalAddr and RemoteAddr are those of the tunnel, for error messages.
func (c *pipeConn) LocalAddr() net.Addr  { return c.under.LocalAddr() }
func (c *pipeConn) RemoteAddr() net.Addr { return c.under.RemoteAddr() }
