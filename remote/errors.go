package remote

import (
	"errors"
	"fmt"
	"strings"
)

// ErrForwardingRefused is a sshd that does not forward (AllowTcpForwarding or
// AllowStreamLocalForwarding is off, or PermitOpen leaves the address out).
var ErrForwardingRefused = errors.New("the host's sshd refuses to forward")

// AuthError is a host that was reached and did not let the user in.
type AuthError struct {
	User, Address string
	// Tried is what was offered: "agent SHA256:...", "key /path", "password".
	Tried []string
	// Skipped is what could not be offered and why.
	Skipped []string
	// Locked are key files that nobody could unlock.
	Locked []string
	// Guessed: neither the inventory nor the OpenSSH configuration names the user, who is
	// the operator's own.
	Guessed bool
	// Said is what sshd showed at the login, on one line.
	Said  string
	Cause error
}

// Error names user, address and all that was tried.
func (e *AuthError) Error() string {
	s := fmt.Sprintf("login as %s at %s refused, tried: %s", e.User, e.Address, orNothing(e.Tried))
	if len(e.Skipped) > 0 {
		s += " (not tried: " + strings.Join(e.Skipped, ", ") + ")"
	}
	if e.Said != "" {
		s += "; the host says: " + e.Said
	}
	if e.tooMany() {
		s += "; sshd takes no more tries than its MaxAuthTries: name the key (ssh.identity_files), which is offered first, " +
			"or leave the agent's others out (IdentitiesOnly yes in ~/.ssh/config)"
	}
	return s
}

// tooMany: sshd hung up before the right key's turn.
func (e *AuthError) tooMany() bool {
	return e.Cause != nil && strings.Contains(e.Cause.Error(), "oo many authentication failures")
}

// Unwrap gives what the SSH library said.
func (e *AuthError) Unwrap() error { return e.Cause }

func orNothing(words []string) string {
	if len(words) == 0 {
		return "nothing, there is neither agent, key nor password"
	}
	return strings.Join(words, ", ")
}

// BecomeError is a login user who could not become root. The command was not run.
type BecomeError struct {
	Host, Step, User, Method string
	Reason                   string
	Hint                     string // what to change, or the next command
}

// Error names host, step, method, user, reason and the way out.
func (e *BecomeError) Error() string {
	s := fmt.Sprintf("%s: %s: %s", e.Host, e.Step, e.Reason)
	if e.Hint != "" {
		s += "; next: " + e.Hint
	}
	return s
}
