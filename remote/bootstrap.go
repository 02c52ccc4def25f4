package remote

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"regexp"
	"strings"
	"sync"
	"time"
	"unicode"
)

// sshd hands a command line to the user's login shell, and that may be any: sh, bash,
// dash, ksh, zsh, fish, csh, tcsh, busybox. They quote, continue lines and set variables
// in different ways, so what they get is one line that all of them read alike, without
// a quote, backslash, exclamation mark or line break inside its quotes; the script that
// we mean follows on stdin. Before the shell comes to that line its start-up files may
// have printed something, so the script begins with a mark: what came before is not ours.

// bootLine reads the script, of n bytes, from stdin and runs it. dd takes exactly n.
func bootLine(n int) string {
	return fmt.Sprintf(`exec sh -c 'eval "$(dd bs=%d count=1 iflag=fullblock 2>/dev/null)"'`, n)
}

// bootTerminal is bootLine on a terminal, which has to be raw before the script comes:
// the mark asks for it.
func bootTerminal(mark string, n int) string {
	return fmt.Sprintf(`exec sh -c 'stty raw -echo && echo %s && eval "$(dd bs=%d count=1 iflag=fullblock 2>/dev/null)"'`, mark, n)
}

// boot is the start of one command: from sshd's answer to our mark.
type boot struct {
	mark string
	late *time.Timer

	mu      sync.Mutex
	opened  bool
	overdue bool
	said    []byte // what came before the mark, on both streams
}

// saidBefore bounds what is kept of it.
const saidBefore = 4 << 10

func newBoot() *boot { return &boot{mark: "ghadeploy-begin-" + rand.Text()} }

// script is what the login shell's sh evaluates: a mark for each stream, of which a
// terminal has one, then words in place of the sh.
func (b *boot) script(words []string, terminal bool) string {
	s := "echo " + b.mark + "; "
	if !terminal {
		s += "echo " + b.mark + " >&2; "
	}
	return s + "LC_ALL=C; export LC_ALL; exec " + Quote(words...)
}

// within ends the command when the mark has not come after d.
func (b *boot) within(d time.Duration, kill func()) {
	b.late = time.AfterFunc(d, func() {
		b.mu.Lock()
		b.overdue = !b.opened
		overdue := b.overdue
		b.mu.Unlock()
		if overdue {
			kill()
		}
	})
}

// behindMark drops what comes before a mark on one stream.
type behindMark struct {
	mark   string
	keep   func([]byte) // gets what came before
	onOpen func()       // the mark has come; may be nil
	out    io.Writer
	open   bool
	seen   []byte // the end of what came, in which the mark may begin
}

// Write implements io.Writer; one goroutine copies a stream.
func (m *behindMark) Write(p []byte) (int, error) {
	if m.open {
		return m.out.Write(p)
	}
	line := []byte(m.mark + "\n")
	m.seen = append(m.seen, p...)
	at := bytes.Index(m.seen, line)
	if at < 0 {
		if over := len(m.seen) - len(line); over > 0 {
			m.keep(m.seen[:over])
			m.seen = append(m.seen[:0], m.seen[over:]...)
		}
		return len(p), nil
	}
	m.keep(m.seen[:at])
	rest := m.seen[at+len(line):]
	m.open, m.seen = true, nil
	if m.onOpen != nil {
		m.onOpen()
	}
	if len(rest) == 0 {
		return len(p), nil
	}
	if _, err := m.out.Write(rest); err != nil {
		return 0, err
	}
	return len(p), nil
}

// end is called when the stream is over: without a mark, all of it was the host's own.
func (m *behindMark) end() {
	if !m.open {
		m.keep(m.seen)
		m.seen = nil
	}
}

func (b *boot) keep(p []byte) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.said = append(b.said, p[:min(len(p), saidBefore-len(b.said))]...)
}

func (b *boot) open() {
	b.mu.Lock()
	b.opened = true
	b.mu.Unlock()
	b.late.Stop()
}

// fault is why the command never began; nil when it did. status is the login shell's.
func (b *boot) fault(ctx context.Context, s *session, got exit) error {
	b.late.Stop()
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.opened {
		return nil
	}
	e := &ShellError{Host: s.c.target.Name, Step: s.step, User: s.c.user, Status: got.status, Said: said(b.said), Cause: context.Cause(ctx)}
	if b.overdue {
		e.Waited = s.c.bootWithin()
	}
	return e
}

// said makes the words of a host short and harmless enough for an error: no control
// characters, no line breaks, 400 characters.
func said(b []byte) string {
	const most = 400
	words := strings.Fields(strings.Map(func(r rune) rune {
		switch {
		case unicode.IsSpace(r):
			return ' '
		case !unicode.IsPrint(r):
			return -1
		}
		return r
	}, strings.ToValidUTF8(string(b), "")))
	text := []rune(strings.Join(words, " "))
	if len(text) > most {
		return string(text[:most]) + "…"
	}
	return string(text)
}

// bootWithin is how long the login shell may take to come to our line.
func (c *Client) bootWithin() time.Duration {
	if c.target.ConnectTimeout > 0 {
		return c.target.ConnectTimeout
	}
	return defaultConnectTimeout
}

// ShellError is a host that let the user in and did not run the command: the login
// shell, a forced command or a start-up file did something else.
type ShellError struct {
	Host, Step, User string
	Status           int           // of what ran instead
	Waited           time.Duration // without a sign of the command; 0: it ended before
	Said             string        // what the host said instead
	Cause            error         // of the end, when that was ours
}

// Error has the host's own words and what to do about them.
func (e *ShellError) Error() string {
	s := fmt.Sprintf("%s: %s: logged in as %s, but the command did not run", e.Host, e.Step, e.User)
	switch {
	case e.Waited > 0:
		s += fmt.Sprintf(": no sign of it within %s", e.Waited)
	case e.Cause != nil:
		s += fmt.Sprintf(": %v", e.Cause)
	case e.Status != 0:
		s += fmt.Sprintf(" (exit status %d)", e.Status)
	}
	if e.Said != "" {
		s += "; the host says: " + e.Said
	} else {
		s += "; the host says nothing"
	}
	return s + "; next: " + e.next()
}

// Unwrap gives the cause, where the end was ours.
func (e *ShellError) Unwrap() error { return e.Cause }

var otherUser = regexp.MustCompile(`(?i)login as the user "?([a-z_][a-z0-9_-]*)`)

// next is what to do, as far as the host's words tell.
func (e *ShellError) next() string {
	low := strings.ToLower(e.Said)
	has := func(parts ...string) bool {
		for _, p := range parts {
			if strings.Contains(low, p) {
				return true
			}
		}
		return false
	}
	if m := otherUser.FindStringSubmatch(e.Said); m != nil {
		return "set ssh.user to " + m[1]
	}
	switch {
	case has("sftp connections only"):
		return "sshd lets " + e.User + " use SFTP only (ForceCommand internal-sftp): set ssh.user to one that may run commands"
	case has("not available", "nologin", "system is booting up", "going down"):
		return "ssh.user needs a login that is open: chsh -s /bin/sh " + e.User + " on the host, or when it has booted, or another ssh.user"
	case has("restricted", "not permitted to execute"):
		return "the login shell is a restricted one: chsh -s /bin/sh " + e.User + " on the host"
	}
	return "try: ssh " + e.User + "@" + e.Host + " \"sh -c true\"; a forced command (authorized_keys, sshd's ForceCommand), " +
		"a start-up file or the login shell of " + e.User + " answers instead (chsh -s /bin/sh " + e.User + ")"
}
