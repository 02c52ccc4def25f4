package remote

import (
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// deadAfter is how many keepalives in a row may stay without any sign of life.
const deadAfter = 3

// countedConn remembers that something was read, which is a sign of life, and
// whether the peer has introduced itself as an SSH server.
type countedConn struct {
	net.Conn
	reads  atomic.Int64
	banner bannerScan
}

func (c *countedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	if n > 0 {
		c.reads.Add(1)
		c.banner.see(p[:n])
	}
	return n, err
}

// bannerScan looks for "SSH-" at the start of a line: sshd over MaxStartups
// closes without it, after "Exceeded MaxStartups" at most.
type bannerScan struct {
	line  []byte
	found atomic.Bool
}

func (b *bannerScan) see(p []byte) {
	if b.found.Load() {
		return
	}
	for _, c := range p {
		switch {
		case c == '\n':
			b.line = b.line[:0]
		case len(b.line) < 4:
			if b.line = append(b.line, c); string(b.line) == "SSH-" {
				b.found.Store(true)
				return
			}
		}
	}
}

// heartbeat notices that a host is gone without a word: power, cable, firewall.
type heartbeat struct {
	conn  *countedConn
	every time.Duration
}

// watch asks for a sign of life until done is closed. Any byte from the host
// counts, as behind a large upload on a slow line an answer can be late.
func (h *heartbeat) watch(conn *ssh.Client, done <-chan struct{}, lost func(error)) {
	tick := time.NewTicker(h.every)
	defer tick.Stop()
	answered := make(chan struct{}, 1)
	answered <- struct{}{}
	seen, missed := h.conn.reads.Load(), 0
	for {
		select {
		case <-done:
			return
		case <-tick.C:
		}
		if now := h.conn.reads.Load(); now != seen {
			seen, missed = now, 0
		} else if missed++; missed > deadAfter {
			lost(fmt.Errorf("connection lost: no sign of life for %s", h.every*deadAfter))
			return
		}
		select {
		case <-answered:
			guard.Go(func() {
				// "not supported" is an answer too; a broken connection is
				// noticed by whoever waits on it.
				_, _, _ = conn.SendRequest("keepalive@openssh.com", true, nil)
				answered <- struct{}{}
			})
		default: // the last one is still under way
		}
	}
}
