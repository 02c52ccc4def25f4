package remote

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// foreignAgent holds keys that no host of ours knows.
func foreignAgent(t *testing.T, keys int) {
	t.Helper()
	keyring := agent.NewKeyring()
	for range keys {
		file, _ := remotetest.KeyFile(t, "")
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		key, err := ssh.ParseRawPrivateKey(text)
		if err != nil {
			t.Fatal(err)
		}
		if err := keyring.Add(agent.AddedKey{PrivateKey: key}); err != nil {
			t.Fatal(err)
		}
	}
	serveAgent(t, keyring)
}

// serveAgent makes keyring the agent of this test.
func serveAgent(t *testing.T, keyring agent.Agent) {
	t.Helper()
	socket := filepath.Join(t.TempDir(), "agent")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() { _ = agent.ServeAgent(keyring, c); _ = c.Close() }()
		}
	}()
	t.Setenv("SSH_AUTH_SOCK", socket)
}

// A key that the inventory names is offered before a full agent uses up sshd's tries.
func TestNamedKeysComeBeforeTheAgents(t *testing.T) {
	s := &remotetest.Server{MaxAuthTries: 6}
	d, target := newHost(t, s)
	foreignAgent(t, 8)
	c, err := d.Dial(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	_ = c.Close()

	// One that nothing takes: what was tried is what sshd saw, and the way out is named.
	other, _ := remotetest.KeyFile(t, "")
	target.IdentityFiles = []string{other}
	_, err = d.Dial(t.Context(), target)
	mustContain(t, err, "key "+other, "MaxAuthTries", "IdentitiesOnly")
	if n := strings.Count(err.Error(), "agent key"); n != 5 {
		t.Errorf("%d agent keys are said to be tried, of which sshd saw 5: %v", n, err)
	}
}

// What sshd shows at the login stands in the error.
func TestWhatSSHDShowsAtTheLoginIsQuoted(t *testing.T) {
	s := &remotetest.Server{Banner: "System is going down. \x1b[31mUnprivileged users are not permitted to log in\r\nanymore.\n"}
	d, target := newHost(t, s)
	other, _ := remotetest.KeyFile(t, "")
	target.IdentityFiles = []string{other}
	_, err := d.Dial(t.Context(), target)
	mustContain(t, err, "the host says: System is going down. [31mUnprivileged users are not permitted to log in anymore.")
}
