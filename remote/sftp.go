package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

const (
	// sftpPacket is the data in one write request. OpenSSH's sftp-server takes
	// messages up to 256 KiB (SFTP_MAX_MSG_LENGTH); others only promise 32 KiB.
	sftpPacket = 128 << 10
	// sftpRequests times sftpPacket is what is under way at once. The channel's
	// window, 2 MiB with OpenSSH, is the tighter bound.
	sftpRequests = 32
)

// errNoSFTP is a sshd without the sftp subsystem.
var errNoSFTP = errors.New("the host's sshd has no sftp subsystem")

// sftpSession is the connection's one SFTP session, opened by the first upload
// and kept: it takes one of the ten sessions that stock sshd allows.
type sftpSession struct {
	mu      sync.Mutex
	client  *sftp.Client
	missing bool
	heard   atomic.Int64 // nanoseconds since 1970 when the host last said something
}

const (
	// exchangeWithin is how long the host may be silent while one small exchange
	// (open, stat, rename) is under way, and sendWithin while a file is on its way:
	// a disk that is full of other writes holds an answer back for some seconds.
	exchangeWithin = 10 * time.Second
	sendWithin     = 30 * time.Second
)

// errSFTPSilent is a host that takes what is sent and answers nothing.
var errSFTPSilent = errors.New("the host's SFTP server says nothing any more")

// listened is the SFTP channel; it remembers when the host spoke.
type listened struct {
	ssh.Channel
	heard *atomic.Int64
}

func (l listened) Read(p []byte) (int, error) {
	n, err := l.Channel.Read(p)
	if n > 0 {
		l.heard.Store(time.Now().UnixNano())
	}
	return n, err
}

func (c *Client) sftp(ctx context.Context) (*sftp.Client, error) {
	c.files.mu.Lock()
	defer c.files.mu.Unlock()
	if c.files.missing {
		return nil, errNoSFTP
	}
	if c.files.client != nil {
		return c.files.client, nil
	}
	ch, reqs, err := c.session(ctx)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	guard.Go(func() {
		ssh.DiscardRequests(reqs)
		close(ended)
	})
	guard.Go(func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }) // undrained it stalls the channel
	opening, done := context.WithTimeoutCause(ctx, exchangeWithin, errSFTPSilent)
	defer done()
	ok, err := ask(opening, ch, "subsystem", ssh.Marshal(struct{ Name string }{"sftp"}))
	if err == nil && !ok {
		c.files.missing = true
		err = errNoSFTP
	}
	if err != nil {
		soon(func() { _ = ch.Close() })
		return nil, c.silentOr(opening, err)
	}
	client, err := c.greet(opening, listened{ch, &c.files.heard})
	if err != nil {
		soon(func() { _ = ch.Close() })
		if opening.Err() != nil || c.Err() != nil {
			return nil, c.silentOr(opening, err)
		}
		// The subsystem is configured and its program is not there.
		c.files.missing = true
		return nil, errNoSFTP
	}
	c.files.client = client
	guard.Go(func() {
		<-ended
		c.files.mu.Lock()
		defer c.files.mu.Unlock()
		if c.files.client == client {
			c.files.client = nil
		}
		_ = client.Close()
	})
	return client, nil
}

// greet exchanges versions.
func (c *Client) greet(ctx context.Context, ch listened) (*sftp.Client, error) {
	type greeted struct {
		client *sftp.Client
		err    error
	}
	got := make(chan greeted, 1)
	guard.Go(func() {
		client, err := sftp.NewClientPipe(ch, ch,
			sftp.MaxPacketUnchecked(sftpPacket), sftp.MaxConcurrentRequestsPerFile(sftpRequests), sftp.UseConcurrentWrites(true))
		got <- greeted{client, err}
	})
	select {
	case g := <-got:
		return g.client, g.err
	case <-ctx.Done():
		return nil, context.Cause(ctx) // the goroutine ends with the connection
	}
}

// silentOr finds out why an exchange of the opening failed.
func (c *Client) silentOr(opening context.Context, err error) error {
	if cause := context.Cause(opening); errors.Is(cause, errSFTPSilent) {
		return cause
	}
	return c.lostOr(err)
}

// exchangeGrace is how long an exchange may still take when ctx has ended: a
// healthy host answers what was asked, and the clean-up can follow in order.
const exchangeGrace = 2 * time.Second

// within runs one SFTP exchange, which has no context of its own. It stops waiting
// a moment after ctx has ended, and when the host has been silent for as long as it
// may; the session is closed then, and with it the forgotten exchange.
func within[T any](ctx context.Context, c *Client, silent time.Duration, do func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	got := make(chan answer, 1)
	guard.Go(func() {
		v, err := do()
		got <- answer{v, err}
	})
	var none T
	start := time.Now()
	look := time.NewTicker(silent / 10)
	defer look.Stop()
	for waiting := true; waiting; {
		select {
		case a := <-got:
			return a.v, a.err
		case <-look.C:
			if since := time.Since(later(start, c.files.heard.Load())); since >= silent {
				c.files.drop()
				return none, fmt.Errorf("%w (for %s)", errSFTPSilent, silent)
			}
		case <-ctx.Done():
			waiting = false
		}
	}
	grace := time.NewTimer(exchangeGrace)
	defer grace.Stop()
	select {
	case a := <-got:
		return a.v, errOr(a.err, context.Cause(ctx))
	case <-grace.C:
		return none, context.Cause(ctx)
	}
}

func later(a time.Time, nanos int64) time.Time {
	if b := time.Unix(0, nanos); b.After(a) {
		return b
	}
	return a
}

// drop ends the session; the next upload opens another.
func (s *sftpSession) drop() {
	s.mu.Lock()
	client := s.client
	s.client = nil
	s.mu.Unlock()
	if client != nil {
		guard.Go(func() { _ = client.Close() }) // it waits for the host too
	}
}

// diskFull makes sense of SFTP's only word for it, "failure".
func diskFull(client *sftp.Client, dir string, need int64, err error) error {
	var status *sftp.StatusError
	if !errors.As(err, &status) {
		return err
	}
	fs, serr := client.StatVFS(dir)
	if serr != nil || fs.Frsize*fs.Bavail >= uint64(max(need, 1)) {
		return err
	}
	return fmt.Errorf("no space left on device: %s has %d bytes free, %d are still to come: %w", dir, fs.Frsize*fs.Bavail, need, err)
}

func isConnectionLost(err error) bool {
	return errors.Is(err, sftp.ErrSSHFxConnectionLost) || errors.Is(err, io.ErrClosedPipe) || errors.Is(err, io.ErrUnexpectedEOF)
}
