package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// maxSessions is how many commands run at once on a connection. sshd's stock
// MaxSessions is 10; one of them is kept for SFTP and one is left free.
const maxSessions = 8

// Client is one host: one SSH connection on which everything else are channels, and
// further ones only where sshd grants too few of them.
// All its methods may be called at once from many goroutines.
type Client struct {
	target Target
	user   string
	conn   *ssh.Client
	more   moreConns
	slots  chan struct{} // one for each running command
	files  sftpSession
	paths  keyedLock // one upload a temporary file
	onEnd  func()    // gives back the bastion

	done    chan struct{}
	endOnce sync.Once
	err     error // why it ended; set before done is closed
}

var errClosed = errors.New("connection closed")

func newClient(t Target, user string, conn *ssh.Client, beat *heartbeat, onEnd func()) *Client {
	c := &Client{
		target: t, user: user, conn: conn, onEnd: onEnd,
		slots: make(chan struct{}, maxSessions),
		done:  make(chan struct{}),
	}
	guard.Go(func() { c.end(fmt.Errorf("connection lost: %w", errOr(conn.Wait(), errClosed))) })
	guard.Go(func() { beat.watch(conn, c.done, c.end) })
	return c
}

// User is the login user.
func (c *Client) User() string { return c.user }

// Name is how errors call the host.
func (c *Client) Name() string { return c.target.Name }

// Done is closed when the connection is lost or closed.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err says why the connection ended: nil while it stands, an *[UnreachableError] after.
func (c *Client) Err() error {
	select {
	case <-c.done:
		return &UnreachableError{Host: c.target.Name, Cause: c.err}
	default:
		return nil
	}
}

// Close ends the connection and with it all that runs on it, except what was
// started with Detach.
func (c *Client) Close() error {
	c.end(errClosed)
	return nil
}

func (c *Client) end(cause error) {
	c.endOnce.Do(func() {
		c.err = cause
		close(c.done)
		// The cause is what counts; closing a dead connection has its own error.
		_ = c.conn.Close()
		c.more.close()
		c.onEnd()
	})
}

// open opens a channel of a connection, giving up with ctx.
func (c *Client) open(ctx context.Context, conn *ssh.Client, kind string, payload []byte) (ssh.Channel, <-chan *ssh.Request, error) {
	type opened struct {
		ch   ssh.Channel
		reqs <-chan *ssh.Request
		err  error
	}
	got := make(chan opened, 1)
	guard.Go(func() {
		ch, reqs, err := conn.OpenChannel(kind, payload)
		got <- opened{ch, reqs, err}
	})
	select {
	case o := <-got:
		return o.ch, o.reqs, c.lostOr(o.err)
	case <-ctx.Done():
		guard.Go(func() { // the late answer is of no use to anybody
			if o := <-got; o.err == nil {
				guard.Go(func() { ssh.DiscardRequests(o.reqs) })
				_ = o.ch.Close()
			}
		})
		return nil, nil, context.Cause(ctx)
	}
}

// lostOr turns whatever a channel says when the connection breaks into why it
// broke. An answer of the host itself is left alone.
func (c *Client) lostOr(err error) error {
	var refused *ssh.OpenChannelError
	if err == nil || errors.As(err, &refused) {
		return err
	}
	// The channels learn of the end a moment before Done is closed.
	if c.endedWithin(time.Second) {
		return c.Err()
	}
	return err
}

func (c *Client) endedWithin(d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-c.done:
		return true
	case <-t.C:
		return false
	}
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}
