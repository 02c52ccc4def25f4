package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// sshd grants a connection so many sessions at once (MaxSessions, 10 by default, 1 on
// hardened hosts), and a run holds some for long: the lock, a followed log, SFTP. Where
// the first connection grants no more, further ones to the same host carry the rest.

// maxMore bounds the further connections: one for each command at once, and SFTP.
const maxMore = maxSessions + 1

// moreConns are a client's further connections.
type moreConns struct {
	dial func(ctx context.Context) (*ssh.Client, error)
	// turn is held while one is looked for or dialled: who waited may find a free session.
	turn chan struct{}

	mu    sync.Mutex
	conns []*ssh.Client
	ended bool
}

// session opens a session on the first connection that grants one.
func (c *Client) session(ctx context.Context) (ssh.Channel, <-chan *ssh.Request, error) {
	ch, reqs, err := c.open(ctx, c.conn, "session", nil)
	if err == nil || !noMoreSessions(err) || c.more.dial == nil {
		return ch, reqs, err
	}
	return c.anotherSession(ctx, err)
}

// noMoreSessions tells whether sshd refused a session for having granted enough:
// "connect failed (open failed)" with OpenSSH (session.c, session_open).
func noMoreSessions(err error) bool {
	var refused *ssh.OpenChannelError
	return errors.As(err, &refused) && (refused.Reason == ssh.ConnectionFailed || refused.Reason == ssh.ResourceShortage)
}

func (c *Client) anotherSession(ctx context.Context, first error) (ssh.Channel, <-chan *ssh.Request, error) {
	select {
	case c.more.turn <- struct{}{}:
		defer func() { <-c.more.turn }()
	case <-ctx.Done():
		return nil, nil, context.Cause(ctx)
	}
	conns := c.more.all()
	for _, conn := range conns {
		if ch, reqs, err := c.open(ctx, conn, "session", nil); err == nil || ctx.Err() != nil {
			return ch, reqs, err
		}
	}
	if len(conns) >= maxMore {
		return nil, nil, first
	}
	conn, err := c.more.dial(ctx)
	if err != nil {
		return nil, nil, fmt.Errorf("sshd grants no more sessions on this connection (MaxSessions), and a further connection failed: %w", err)
	}
	if !c.more.add(conn) {
		_ = conn.Close()
		return nil, nil, first
	}
	guard.Go(func() {
		_ = conn.Wait() // its sessions tell of its end
		c.more.drop(conn)
	})
	ch, reqs, err := c.open(ctx, conn, "session", nil)
	if err != nil && noMoreSessions(err) {
		err = fmt.Errorf("sshd grants no session at all (MaxSessions 0?): %w", err)
	}
	return ch, reqs, err
}

func (m *moreConns) all() []*ssh.Client {
	m.mu.Lock()
	defer m.mu.Unlock()
	return slices.Clone(m.conns)
}

// add is false when the client has been closed meanwhile.
func (m *moreConns) add(conn *ssh.Client) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	if !m.ended {
		m.conns = append(m.conns, conn)
	}
	return !m.ended
}

func (m *moreConns) drop(conn *ssh.Client) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.conns = slices.DeleteFunc(m.conns, func(c *ssh.Client) bool { return c == conn })
}

// close ends all of them.
func (m *moreConns) close() {
	m.mu.Lock()
	m.ended = true
	conns := m.conns
	m.conns = nil
	m.mu.Unlock()
	for _, c := range conns {
		_ = c.Close()
	}
}
