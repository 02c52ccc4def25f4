package remote

import (
	"net"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// newHost is a running server that our key may log in to, and how to reach it.
func newHost(t testing.TB, s *remotetest.Server) (*Dialer, Target) {
	t.Helper()
	t.Setenv("SSH_AUTH_SOCK", "")
	file, public := remotetest.KeyFile(t, "")
	s.Keys = append(s.Keys, public)
	s.Start(t)
	return &Dialer{ConfigFiles: []string{}}, targetOf(t, s, file)
}

func targetOf(t testing.TB, s *remotetest.Server, keyfile string) Target {
	host, _, err := net.SplitHostPort(s.Addr)
	if err != nil {
		t.Fatal(err)
	}
	return Target{
		Name: "g1", Address: host, Port: s.Port(), User: "ops",
		IdentityFiles: []string{keyfile}, KnownHosts: []string{s.KnownHosts(t)}, ConnectTimeout: 20 * time.Second,
	}
}

func dialHost(t testing.TB, s *remotetest.Server) *Client {
	t.Helper()
	d, target := newHost(t, s)
	return dialTarget(t, d, target)
}

func dialTarget(t testing.TB, d *Dialer, target Target) *Client {
	t.Helper()
	c, err := d.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return c
}

func mustContain(t testing.TB, err error, words ...string) {
	t.Helper()
	if err == nil {
		t.Fatalf("no error, want one with %q", words)
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			t.Errorf("%q is not in: %v", w, err)
		}
	}
}

func readKey(file, passphrase string) (any, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	return ssh.ParseRawPrivateKeyWithPassphrase(text, []byte(passphrase))
}
