package remote

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// Whatever keeps us out of a host, there is one thing to type; what mends a host does not
// mend the jump host before it.
func TestEveryFaultHasItsNextStep(t *testing.T) {
	direct, hop := &endpoint{host: "g1", port: 22}, (*endpoint)(nil)
	target := Target{Name: "g1", Address: "g1", Jumps: []string{"b1"}}
	unknown := &HostKeyError{Address: "g1:22", Files: []string{"/k"}, Fingerprint: "SHA256:x"}
	for _, tt := range []struct {
		name string
		err  error
		last *endpoint
		want string
	}{
		{"a name that nobody knows", &net.DNSError{Err: "no such host", IsNotFound: true}, direct, "hosts: {g1: {address: 10.0.0.1}}"},
		{"a jump host's name", &net.DNSError{Err: "no such host", IsNotFound: true}, hop, "ssh.proxy_jump"},
		{"no sshd", syscall.ECONNREFUSED, direct, "ssh.port"},
		{"no sshd on the jump host", syscall.ECONNREFUSED, hop, "ssh.proxy_jump"},
		{"no way there", syscall.EHOSTUNREACH, direct, "hosts.g1.address"},
		{"no answer", errConnectTimeout, direct, "ping g1"},
		{"an unknown key", unknown, direct, "ghadeploy trust INVENTORY --limit g1"},
		{"a jump host's unknown key", &HostKeyError{Address: "b1:2222", Files: []string{"/k"}, Fingerprint: "SHA256:x"}, hop, "-p 2222 b1"},
		{"a jump host's changed key", &HostKeyError{Address: "b1:22", Known: []KnownKey{{File: "/k"}}}, hop, "ssh-keygen -R b1 -f /k"},
		{"a key that is not there", &AuthError{User: "ops", Address: "g1:22", Tried: []string{"key /home/a b/id"}}, direct, "ssh-copy-id -i '/home/a b/id.pub' -o 'ProxyJump=b1' ops@g1"},
		{"a jump host without the key", &AuthError{User: "ops", Address: "b1:22", Tried: []string{"agent key SHA256:x"}}, hop, "ssh-copy-id ops@b1"},
		{"nobody's name", &AuthError{User: "me", Guessed: true, Address: "g1:22", Tried: []string{"key /k"}}, direct, "set ssh.user"},
		{"no key", &AuthError{User: "ops", Address: "g1:22"}, direct, "ssh-keygen -t ed25519 && ssh-copy-id"},
		{"a locked key", &AuthError{User: "ops", Address: "g1:22", Locked: []string{"/k"}}, direct, "ssh-add /k"},
		{"a locked key beside one that was refused", &AuthError{User: "ops", Address: "g1:22", Locked: []string{"/k"}, Tried: []string{"key /l"}}, direct, "ssh-copy-id -i /l.pub"},
		{"a wrong password", &AuthError{User: "ops", Address: "g1:22", Tried: []string{"password"}}, direct, "ssh.password"},
		{"too many keys", &AuthError{Cause: errors.New("Too many authentication failures"), Tried: []string{"agent key x"}}, direct, "ssh.identity_files"},
	} {
		var lost *UnreachableError
		if err := unreachable(target, tt.last, fmt.Errorf("dial: %w", tt.err)); !errors.As(err, &lost) || !strings.Contains(lost.Hint, tt.want) {
			t.Errorf("%s: next: %s", tt.name, lost.Hint)
		}
	}
}

// A key of another type beside a known one is new; the only key, or one of the known type,
// in place of the known one is a change.
func TestScannedKeysThatReplaceKnownOnesHaveChanged(t *testing.T) {
	first, second, other := remotetest.NewKey(t), remotetest.NewECDSAKey(t), remotetest.NewKey(t)
	line := func(s *remotetest.Server, keys ...int) string {
		all := [][]byte{first.PublicKey().Marshal(), second.PublicKey().Marshal(), other.PublicKey().Marshal()}
		kinds := []string{"ssh-ed25519", "ecdsa-sha2-nistp256", "ssh-ed25519"}
		text := ""
		for _, k := range keys {
			text += fmt.Sprintf("[127.0.0.1]:%d %s %s\n", s.Port(), kinds[k], base64.StdEncoding.EncodeToString(all[k]))
		}
		return text
	}
	for _, tt := range []struct {
		name    string
		known   []int
		changed int
	}{{"nothing known", nil, 0}, {"one type known", []int{1}, 0}, {"another of the same type", []int{1, 2}, 1}, {"only another key", []int{2}, 2}} {
		s := &remotetest.Server{}
		s.HostKeys = append(s.HostKeys, first, second)
		d, target := newHost(t, s)
		target.KnownHosts = []string{remotetest.WriteFile(t, t.TempDir()+"/known_hosts", line(s, tt.known...), 0o600)}
		keys, err := d.ScanHostKeys(t.Context(), target)
		changed := 0
		for _, k := range keys {
			if k.Changed {
				changed++
				if !strings.Contains(k.Next, "ssh-keygen -R") {
					t.Errorf("%s: next: %s", tt.name, k.Next)
				}
			}
		}
		if err != nil || len(keys) != 2 || changed != tt.changed {
			t.Errorf("%s: %d of %d keys have changed, want %d (%v)", tt.name, changed, len(keys), tt.changed, err)
		}
	}
}
