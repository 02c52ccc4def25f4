package remote

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"syscall"
)

// What to type when a host cannot be reached or does not let us in. INVENTORY stands for
// the inventory's name, which is not known here.

// unreachable adds the next command to type. last is the host itself, nil where the way
// ended at a jump host before it.
func unreachable(t Target, last *endpoint, err error) error {
	u := &UnreachableError{Host: t.Name, Cause: err}
	var key *HostKeyError
	var auth *AuthError
	var algorithms *AlgorithmError
	switch {
	case errors.As(err, &algorithms):
		u.Hint = algorithms.hint()
	case errors.As(err, &key):
		u.Hint = key.hint(t.Name)
		if last == nil && !key.Changed() && !key.Revoked && key.Cause == nil {
			u.Hint = key.hopHint(t)
		}
	case errors.As(err, &auth):
		u.Hint = auth.hint(t, last == nil)
	default:
		u.Hint = networkHint(t, last, err)
	}
	return u
}

// Mistaken tells whether it is a name, a login or a key that keeps us out, and not that the
// host is down.
func (e *UnreachableError) Mistaken() bool {
	_, auth := errors.AsType[*AuthError](e.Cause)
	_, key := errors.AsType[*HostKeyError](e.Cause)
	return auth || key || isUnknownName(e.Cause)
}

// networkHint is for a host that does not answer at all.
func networkHint(t Target, last *endpoint, err error) string {
	where := "hosts." + t.Name + ".address"
	if last == nil {
		where = "ssh.proxy_jump"
	}
	switch {
	case isUnknownName(err):
		if last == nil {
			return "correct " + where + " in INVENTORY: that name has no address here"
		}
		return fmt.Sprintf("write its IP into INVENTORY: hosts: {%s: {address: 10.0.0.1}}", t.Name)
	case errors.Is(err, syscall.ECONNREFUSED):
		if last == nil {
			return "start sshd on the jump host, or correct " + where + " in INVENTORY"
		}
		return "systemctl start ssh, on the host's console; or set ssh.port in INVENTORY when sshd listens on another port"
	case errors.Is(err, syscall.EHOSTUNREACH), errors.Is(err, syscall.ENETUNREACH):
		return "correct " + where + " in INVENTORY, or see where the way ends: ping " + pingable(t, last)
	case errors.Is(err, errConnectTimeout):
		return "is it up, and does a firewall let us through? ping " + pingable(t, last) + " (ssh.connect_timeout in INVENTORY waits longer)"
	}
	return ""
}

func pingable(t Target, last *endpoint) string {
	if last == nil {
		return Quote(t.Address)
	}
	return Quote(last.host)
}

// isUnknownName tells a name that nobody knows from a resolver that does not answer.
func isUnknownName(err error) bool {
	d, ok := errors.AsType[*net.DNSError](err)
	return ok && d.IsNotFound
}

// hopHint is for a jump host whose key is unknown: trust asks the hosts behind it, and the
// way there leads through it.
func (e *HostKeyError) hopHint(t Target) string {
	host, port, err := net.SplitHostPort(e.Address)
	if err != nil {
		host, port = e.Address, "22"
	}
	words := "ssh "
	if len(t.KnownHosts) > 0 && len(e.Files) > 0 {
		words += "-o UserKnownHostsFile=" + Quote(e.Files[0]) + " "
	}
	if port != "22" {
		words += "-p " + port + " "
	}
	return "log in to the jump host once and compare its key: " + words + Quote(host)
}

// hint is the one thing that most likely lets the user in.
func (e *AuthError) hint(t Target, hop bool) string {
	setting := "ssh.user"
	if hop {
		setting = "ssh.proxy_jump (user@host)"
	}
	switch {
	case e.tooMany():
		return "set ssh.identity_files in INVENTORY to the key of this host: it is offered first"
	case len(e.Locked) > 0 && !slices.ContainsFunc(e.Tried, isKey):
		return "ssh-add " + Quote(e.Locked[0])
	case len(e.Tried) == 0 && e.noAgent():
		return `eval "$(ssh-agent)" && ssh-add`
	case len(e.Tried) == 0:
		return "ssh-keygen -t ed25519 && " + e.copyKey(t, hop)
	case !slices.ContainsFunc(e.Tried, isKey):
		return "correct ssh.password or " + setting + " in INVENTORY"
	case e.Guessed:
		return fmt.Sprintf("set %s in INVENTORY to the login on the host: nobody named one, so %s, yours on this machine, was taken",
			setting, e.User)
	}
	return fmt.Sprintf("%s (asks for %s's password once); or correct %s in INVENTORY when %s is not the login there",
		e.copyKey(t, hop), e.User, setting, e.User)
}

// noAgent: SSH_AUTH_SOCK names an agent that does not answer.
func (e *AuthError) noAgent() bool {
	return slices.ContainsFunc(e.Skipped, func(s string) bool { return strings.HasPrefix(s, "agent: ") })
}

func isKey(tried string) bool {
	return strings.HasPrefix(tried, "key ") || strings.HasPrefix(tried, "agent key ")
}

// copyKey is the command that puts a public key on the host, the way that we would go.
func (e *AuthError) copyKey(t Target, hop bool) string {
	words := "ssh-copy-id "
	for _, tried := range e.Tried {
		if file, ok := strings.CutPrefix(tried, "key "); ok {
			words += "-i " + Quote(file+".pub") + " "
			break
		}
	}
	if len(t.Jumps) > 0 && !hop {
		words += "-o " + Quote("ProxyJump="+strings.Join(t.Jumps, ",")) + " "
	}
	return words + sshWords(e.User, e.Address)
}

// sshWords names a login as ssh takes it.
func sshWords(user, address string) string {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return Quote(user + "@" + address)
	}
	if port == "22" {
		return Quote(user + "@" + host)
	}
	return "-p " + port + " " + Quote(user+"@"+host)
}
