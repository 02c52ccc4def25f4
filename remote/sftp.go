package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/pkg/sftp"
	"golang.org/x/crypto/ssh"
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
	ch, reqs, err := c.open(ctx, "session", nil)
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	go func() {
		ssh.DiscardRequests(reqs)
		close(ended)
	}()
	go func() { _, _ = io.Copy(io.Discard, ch.Stderr()) }() // undrained it stalls the channel
	stop := context.AfterFunc(ctx, func() { _ = ch.Close() })
	defer stop()
	ok, err := ch.SendRequest("subsystem", true, ssh.Marshal(struct{ Name string }{"sftp"}))
	if err == nil && !ok {
		c.files.missing = true
		err = errNoSFTP
	}
	if err != nil {
		_ = ch.Close()
		return nil, c.lostOr(err)
	}
	client, err := sftp.NewClientPipe(ch, ch,
		sftp.MaxPacketUnchecked(sftpPacket), sftp.MaxConcurrentRequestsPerFile(sftpRequests), sftp.UseConcurrentWrites(true))
	if err != nil {
		_ = ch.Close()
		if ctx.Err() != nil || c.Err() != nil {
			return nil, c.lostOr(err)
		}
		// The subsystem is configured and its program is not there.
		c.files.missing = true
		return nil, errNoSFTP
	}
	c.files.client = client
	go func() {
		<-ended
		c.files.mu.Lock()
		defer c.files.mu.Unlock()
		if c.files.client == client {
			c.files.client = nil
		}
		_ = client.Close()
	}()
	return client, nil
}

// exchangeGrace is how long an exchange may still take when ctx has ended: a
// healthy host answers what was asked, and the clean-up can follow in order.
const exchangeGrace = 2 * time.Second

// within runs one SFTP exchange, which has no context of its own. It stops waiting
// a moment after ctx has ended; a forgotten exchange ends with the connection.
func within[T any](ctx context.Context, do func() (T, error)) (T, error) {
	type answer struct {
		v   T
		err error
	}
	got := make(chan answer, 1)
	go func() {
		v, err := do()
		got <- answer{v, err}
	}()
	select {
	case a := <-got:
		return a.v, a.err
	case <-ctx.Done():
	}
	grace := time.NewTimer(exchangeGrace)
	defer grace.Stop()
	select {
	case a := <-got:
		return a.v, errOr(a.err, context.Cause(ctx))
	case <-grace.C:
		var none T
		return none, context.Cause(ctx)
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
