package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// muteListener accepts and never says a word.
func muteListener(t *testing.T) int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
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
			t.Cleanup(func() { _ = c.Close() })
		}
	}()
	return l.Addr().(*net.TCPAddr).Port
}

func TestDialGivesUpOnAMuteListener(t *testing.T) {
	d := &Dialer{ConfigFiles: []string{}}
	_, err := d.Dial(t.Context(), Target{Name: "g1", Address: "127.0.0.1", Port: muteListener(t), KnownHosts: []string{"/none"}, ConnectTimeout: 50 * time.Millisecond})
	mustContain(t, err, "g1: unreachable", "no login within 50ms", "connect_timeout")
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = d.Dial(ctx, Target{Name: "g1", Address: "127.0.0.1", Port: muteListener(t), KnownHosts: []string{"/none"}})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestDialRetriesWhenDroppedBeforeTheBanner(t *testing.T) {
	s := &remotetest.Server{DropFirst: 2}
	dialHost(t, s)
	if n := s.Connections.Load(); n != 3 {
		t.Errorf("%d connections, want 3", n)
	}
}

func TestDialSharesOneConnection(t *testing.T) {
	s := &remotetest.Server{}
	c := dialHost(t, s)
	var all sync.WaitGroup
	for range 20 {
		all.Go(func() {
			if _, err := c.Run(t.Context(), Command{Args: []string{"true"}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if n := s.Connections.Load(); n != 1 {
		t.Errorf("%d connections, want 1", n)
	}
}

func TestLogin(t *testing.T) {
	tests := []struct {
		name   string
		server *remotetest.Server
		change func(*Target)
		want   []string
	}{
		{name: "key"},
		{name: "password", server: &remotetest.Server{Password: "pw"}, change: func(t *Target) { t.IdentityFiles, t.Password = []string{"none"}, "pw" }},
		{name: "keyboard-interactive", server: &remotetest.Server{Password: "pw", Interactive: true}, change: func(t *Target) { t.IdentityFiles, t.Password = []string{"none"}, "pw" }},
		{
			name: "wrong password", server: &remotetest.Server{Password: "pw"},
			change: func(t *Target) { t.Password, t.IdentityFiles = "not-this", []string{"none"} },
			want:   []string{"login as ops at 127.0.0.1:", "refused, tried: password", "ssh.password or ssh.user"},
		},
		{
			name: "no such key file", change: func(t *Target) { t.IdentityFiles = []string{"/none/id"} },
			want: []string{"tried: nothing", "key /none/id: no such file"},
		},
		{
			name:   "encrypted key and nobody to ask",
			change: func(target *Target) { target.IdentityFiles[0], _ = remotetest.KeyFile(t, "pp") },
			want:   []string{"is encrypted", "ssh-add"},
		},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			s := test.server
			if s == nil {
				s = &remotetest.Server{}
			}
			d, target := newHost(t, s)
			if test.change != nil {
				test.change(&target)
			}
			c, err := d.Dial(t.Context(), target)
			if test.want == nil {
				if err != nil {
					t.Fatal(err)
				}
				_ = c.Close()
				return
			}
			mustContain(t, err, test.want...)
			var auth *AuthError
			if !errors.As(err, &auth) {
				t.Errorf("no AuthError in %v", err)
			}
			if strings.Contains(err.Error(), "not-this") {
				t.Errorf("the password is in %v", err)
			}
		})
	}
}

func TestEncryptedKeyIsAskedForOnce(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	file, public := remotetest.KeyFile(t, "pp")
	s := (&remotetest.Server{Keys: []ssh.PublicKey{public}}).Start(t)
	var asked atomic.Int32
	answer := make(chan string)
	d := &Dialer{ConfigFiles: []string{}, Passphrase: func(_ context.Context, key string) (string, error) {
		asked.Add(1)
		if key != file {
			t.Errorf("asked for %s", key)
		}
		return <-answer, nil
	}}
	target := targetOf(t, s, file)
	target.ConnectTimeout = 5 * time.Second
	var all sync.WaitGroup
	for range 5 {
		all.Go(func() {
			c, err := d.Dial(t.Context(), target)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.Close()
		})
	}
	answer <- "pp"
	all.Wait()
	if n := asked.Load(); n != 1 {
		t.Errorf("asked %d times", n)
	}
}

func TestWrongPassphraseIsSaid(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	file, public := remotetest.KeyFile(t, "pp")
	s := (&remotetest.Server{Keys: []ssh.PublicKey{public}}).Start(t)
	d := &Dialer{ConfigFiles: []string{}, Passphrase: func(context.Context, string) (string, error) { return "canary", nil }}
	_, err := d.Dial(t.Context(), targetOf(t, s, file))
	mustContain(t, err, "wrong passphrase", file)
	if strings.Contains(err.Error(), "canary") {
		t.Errorf("the passphrase is in %v", err)
	}
}

func TestPatienceStandsStillWhilePaused(t *testing.T) {
	ctx, p := withPatience(t.Context(), time.Hour)
	p.pause()
	if p.left > time.Hour || p.left < 59*time.Minute {
		t.Errorf("left %s", p.left)
	}
	p.left = 0
	if ctx.Err() != nil {
		t.Error("ended while paused")
	}
	p.resume()
	<-ctx.Done()
	if !errors.Is(context.Cause(ctx), errConnectTimeout) {
		t.Error(context.Cause(ctx))
	}
	p.stop()
}

func TestAgentKeys(t *testing.T) {
	keyring := agent.NewKeyring()
	file, public := remotetest.KeyFile(t, "pp")
	add := func(passphrase string) {
		text, err := readKey(file, passphrase)
		if err != nil {
			t.Fatal(err)
		}
		if err := keyring.Add(agent.AddedKey{PrivateKey: text}); err != nil {
			t.Fatal(err)
		}
	}
	add("pp")
	s := (&remotetest.Server{Keys: []ssh.PublicKey{public}}).Start(t)
	serveAgent(t, keyring)
	// The key of the file is in the agent: nobody is asked.
	dialTarget(t, &Dialer{ConfigFiles: []string{}}, targetOf(t, s, file))
	// IdentitiesOnly leaves out what is no file of ours.
	other, _ := remotetest.KeyFile(t, "")
	config := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "config"), "Host *\n IdentitiesOnly yes\n", 0o600)
	_, err := (&Dialer{ConfigFiles: []string{config}}).Dial(t.Context(), targetOf(t, s, other))
	mustContain(t, err, "tried: key "+other)
	if strings.Contains(err.Error(), "agent key") {
		t.Error(err)
	}
}

func TestJumpChain(t *testing.T) {
	t.Setenv("SSH_AUTH_SOCK", "")
	file, public := remotetest.KeyFile(t, "")
	var hops [4]*remotetest.Server
	var known, config strings.Builder
	for i := range hops {
		hops[i] = (&remotetest.Server{Keys: []ssh.PublicKey{public}}).Start(t)
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s", hops[i].Port(), ssh.MarshalAuthorizedKey(hops[i].HostKeys[0].PublicKey()))
		fmt.Fprintf(&config, "Host hop%d\n HostName 127.0.0.1\n Port %d\n User u%d\n IdentityFile %s\n", i, hops[i].Port(), i, file)
		if i > 0 {
			fmt.Fprintf(&config, " ProxyJump hop%d\n", i-1)
		}
	}
	dir := t.TempDir()
	files := []string{remotetest.WriteFile(t, filepath.Join(dir, "config"), config.String(), 0o600)}
	target := Target{Address: "hop3", KnownHosts: []string{remotetest.WriteFile(t, filepath.Join(dir, "known"), known.String(), 0o600)}}
	d := &Dialer{ConfigFiles: files}
	var clients [3]*Client
	for i := range clients {
		clients[i] = dialTarget(t, d, target)
		if _, err := clients[i].Run(t.Context(), Command{Args: []string{"true"}}); err != nil {
			t.Fatal(err)
		}
	}
	if clients[0].User() != "u3" {
		t.Errorf("user %s", clients[0].User())
	}
	for i, want := range []int32{1, 1, 1, 3} {
		if n := hops[i].Connections.Load(); n != want {
			t.Errorf("hop %d: %d connections, want %d", i, n, want)
		}
	}
	for _, c := range clients {
		_ = c.Close()
	}
	d.bastion.mu.Lock()
	if n := len(d.bastion.links); n != 0 {
		t.Errorf("%d jump hosts are still connected", n)
	}
	d.bastion.mu.Unlock()

	// Each hop is verified.
	target.KnownHosts = []string{hops[3].KnownHosts(t)}
	_, err := d.Dial(t.Context(), target)
	mustContain(t, err, "hop3: unreachable", "jump host", "is unknown")

	// The same chain as the inventory writes it, without a configuration.
	target = Target{
		Name: "g1", Address: "127.0.0.1", Port: hops[3].Port(), User: "ops", IdentityFiles: []string{file},
		KnownHosts: []string{filepath.Join(dir, "known")},
		Jumps:      []string{fmt.Sprintf("a@127.0.0.1:%d", hops[0].Port()), fmt.Sprintf("ssh://127.0.0.1:%d", hops[1].Port())},
	}
	dialTarget(t, &Dialer{ConfigFiles: []string{}}, target)
	if n := hops[2].Connections.Load(); n != 1 {
		t.Errorf("hop 2 has %d connections, want 1", n)
	}
}

func TestLostHost(t *testing.T) {
	for name, lose := range map[string]func(*remotetest.Server){"dropped": (*remotetest.Server).Drop, "mute": (*remotetest.Server).Mute} {
		t.Run(name, func(t *testing.T) {
			s := &remotetest.Server{}
			d, target := newHost(t, s)
			d.KeepAlive = 20 * time.Millisecond
			c := dialTarget(t, d, target)
			p, err := c.Start(t.Context(), Command{Script: "echo up; sleep 1000"})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := p.Stdout().Read(make([]byte, 3)); err != nil {
				t.Fatal(err)
			}
			lose(s)
			<-c.Done()
			var lost *UnreachableError
			if err := p.Wait(); !errors.As(err, &lost) {
				t.Errorf("the command says %v", err)
			}
			if err := c.Err(); !errors.As(err, &lost) {
				t.Errorf("the client says %v", err)
			}
			if _, err := c.Run(t.Context(), Command{Args: []string{"true"}}); !errors.As(err, &lost) {
				t.Errorf("the next command says %v", err)
			}
			if _, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.As(err, &lost) {
				t.Errorf("dial says %v", err)
			}
		})
	}
}
