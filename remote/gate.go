package remote

import (
	"bytes"
	"io"
	"strings"
	"sync"
	"time"
)

// gate stands before stderr until the command itself runs: it answers the
// password question, keeps what sudo says for an error, and lets everything
// behind the ready mark through untouched.
type gate struct {
	plan   *becomePlan
	s      *session
	out    io.Writer
	opened chan struct{}
	late   *time.Timer

	mu      sync.Mutex
	isOpen  bool
	said    []byte // before the mark
	asked   int
	refused bool
	overdue bool
}

// saidMost bounds what is kept of a talkative sudo (lecture, banner).
const saidMost = 64 << 10

func newGate(p *becomePlan, s *session, out io.Writer) *gate {
	g := &gate{plan: p, s: s, out: out, opened: make(chan struct{})}
	// Until sudo asks or runs the command: PAM modules and an unreachable directory
	// server can take some seconds.
	g.late = time.AfterFunc(s.c.bootWithin(), g.tooLate)
	return g
}

// Write is called by the goroutine that copies stderr.
func (g *gate) Write(p []byte) (int, error) {
	g.mu.Lock()
	if g.isOpen {
		g.mu.Unlock()
		return g.out.Write(p)
	}
	g.said = append(g.said, p...)
	if at := bytes.Index(g.said, []byte(g.plan.ready)); at >= 0 {
		rest := bytes.Clone(g.said[at+len(g.plan.ready):])
		g.said = g.said[:at]
		g.isOpen = true
		g.late.Stop()
		close(g.opened)
		g.mu.Unlock()
		g.s.begun()
		if len(rest) > 0 {
			if _, err := g.out.Write(rest); err != nil {
				return 0, err
			}
		}
		return len(p), nil
	}
	answer, giveUp := g.question()
	if len(g.said) > saidMost {
		g.said = g.said[len(g.said)-saidMost:]
	}
	g.mu.Unlock()
	if giveUp {
		g.s.kill(false)
	}
	if answer {
		// Not framed: sudo reads this line itself, before the command exists.
		// An error here is a lost session, which the session reports.
		_, _ = io.WriteString(g.s.ch, g.plan.password+"\n")
	}
	return len(p), nil
}

// question looks for the prompt. A second one means that the password was
// wrong; answering again would only lock the account.
func (g *gate) question() (answer, giveUp bool) {
	at := bytes.Index(g.said, []byte(g.plan.prompt))
	if !g.plan.interactive || at < 0 {
		return false, false
	}
	g.said = append(g.said[:at], g.said[at+len(g.plan.prompt):]...)
	g.asked++
	if g.asked > 1 {
		g.refused = true
		return false, true
	}
	return true, false
}

func (g *gate) tooLate() {
	g.mu.Lock()
	g.overdue = !g.isOpen
	overdue := g.overdue
	g.mu.Unlock()
	if overdue {
		g.s.kill(false)
	}
}

// fault is why the command never ran, or nil when it did. Called at the end.
func (g *gate) fault() error {
	g.late.Stop()
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.isOpen {
		return nil
	}
	said := strings.TrimSpace(string(g.said))
	if g.overdue {
		said = strings.TrimSpace("no answer for " + g.s.c.bootWithin().String() + " (ssh.connect_timeout). " + said)
	}
	return g.s.c.becomeFault(g.plan, g.s.step, lastLines([]byte(said)), g.refused)
}
