package remote

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is one attempt to authenticate; it keeps what was tried for the error.
type login struct {
	d        *Dialer
	e        *endpoint
	ctx      context.Context
	patience *patience
	agent    net.Conn

	mu             sync.Mutex
	tried, skipped []string
	locked         []string // key files that nobody could unlock
	greeting       []byte   // what sshd shows at the login
}

func (d *Dialer) newLogin(ctx context.Context, e *endpoint, p *patience) *login {
	return &login{d: d, e: e, ctx: ctx, patience: p}
}

func (l *login) close() {
	if l.agent != nil {
		_ = l.agent.Close()
	}
}

func (l *login) refused(cause error) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return &AuthError{
		User: l.e.user, Address: l.e.addr(), Tried: l.tried, Skipped: l.skipped, Locked: l.locked, Guessed: l.e.guessedUser,
		Said: said(l.greeting), Cause: cause,
	}
}

func (l *login) try(what string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Contains(l.tried, what) {
		l.tried = append(l.tried, what)
	}
}

func (l *login) skip(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.skipped = append(l.skipped, fmt.Sprintf(format, args...))
}

// lockedOut notes a key that its passphrase would make usable.
func (l *login) lockedOut(f *fileSigner, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if errors.Is(err, errNoPassphrase) {
		l.locked = append(l.locked, f.file)
	}
}

func (l *login) methods() []ssh.AuthMethod {
	methods := []ssh.AuthMethod{ssh.PublicKeysCallback(l.signers)}
	if l.e.password != "" {
		methods = append(methods,
			ssh.PasswordCallback(func() (string, error) {
				l.try("password")
				return l.e.password, nil
			}),
			ssh.KeyboardInteractive(l.answer()))
	}
	return methods
}

var errAskedAgain = errors.New("keyboard-interactive asks more than one password")

// answer gives the password to one hidden question. A second one is a wrong
// password or a second factor: neither has an answer here.
func (l *login) answer() ssh.KeyboardInteractiveChallenge {
	given := false
	return func(_, _ string, questions []string, echos []bool) ([]string, error) {
		if len(questions) == 0 {
			return nil, nil
		}
		l.try("keyboard-interactive")
		if given || len(questions) > 1 || echos[0] {
			return nil, errAskedAgain
		}
		given = true
		return []string{l.e.password}, nil
	}
}

// signers are the keys in the order in which they are offered. sshd counts six tries, and
// an agent may hold more keys than that: those that the operator named come first, then
// the agent's others, and last the files that are only OpenSSH's defaults.
func (l *login) signers() ([]ssh.Signer, error) {
	files := l.keyFiles()
	isOurs := func(s ssh.Signer) bool {
		return slices.ContainsFunc(files, func(f *fileSigner) bool { return sameKey(f.public, s.PublicKey()) })
	}
	var ours, foreign, own []ssh.Signer
	for _, s := range l.agentSigners() {
		offer := l.noting(safely(s, offered(l.e.legacy).signatures), "agent key "+ssh.FingerprintSHA256(s.PublicKey()))
		switch {
		case isOurs(s):
			ours = append(ours, offer)
		case !l.e.identitiesOnly:
			foreign = append(foreign, offer)
		}
	}
	for _, f := range files {
		if f.public != nil && slices.ContainsFunc(ours, func(s ssh.Signer) bool { return sameKey(quietKey(s), f.public) }) {
			continue
		}
		s, err := f.usable(l)
		if err != nil {
			l.skip("key %s: %v", f.file, err)
			l.lockedOut(f, err)
			continue
		}
		own = append(own, l.noting(safely(s, offered(l.e.legacy).signatures), "key "+f.file))
	}
	if l.e.namedKeys {
		return slices.Concat(ours, own, foreign), nil
	}
	return slices.Concat(ours, foreign, own), nil
}

// keyFiles are the identity files that can be read.
func (l *login) keyFiles() (files []*fileSigner) {
	for _, f := range l.e.identityFiles {
		s, err := l.d.keys.load(f)
		if err != nil {
			l.skip("key %s: %v", f, err)
			continue
		}
		files = append(files, s)
	}
	return files
}

func (l *login) agentSigners() []ssh.Signer {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil
	}
	conn, err := (&net.Dialer{}).DialContext(l.ctx, "unix", socket)
	if err != nil {
		l.skip("agent: %v", err)
		return nil
	}
	l.agent = conn
	// A mute agent must not outlast the connect timeout.
	context.AfterFunc(l.ctx, func() { _ = conn.Close() })
	signers, err := agent.NewClient(conn).Signers()
	if err != nil {
		l.skip("agent: %v", err)
	}
	return signers
}

func sameKey(a, b ssh.PublicKey) bool {
	return a != nil && b != nil && bytes.Equal(a.Marshal(), b.Marshal())
}
