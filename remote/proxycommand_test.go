package remote

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// relay is a ProxyCommand that needs nothing installed but bash.
const relay = `bash -c 'exec 3<>/dev/tcp/%h/%p; cat <&3 & cat >&3; kill $!'`

// A ProxyCommand carries login, commands and uploads, from the inventory or ~/.ssh/config.
func TestProxyCommandIsTheConnection(t *testing.T) {
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash")
	}
	s := &remotetest.Server{}
	d, target := newHost(t, s)
	config := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "config"), "Host "+target.Address+"\n  ProxyCommand "+relay+"\n", 0o600)
	for name, change := range map[string]func(){
		"inventory":      func() { target.ProxyCommand = relay },
		"OpenSSH config": func() { target.ProxyCommand = ""; d = &Dialer{ConfigFiles: []string{config}} },
	} {
		t.Run(name, func(t *testing.T) {
			change()
			c := dialTarget(t, d, target)
			res, err := c.Run(t.Context(), Command{Args: []string{"cat"}, Stdin: strings.NewReader("through")})
			if err != nil || string(res.Stdout) != "through" {
				t.Errorf("%v, %q", err, res.Stdout)
			}
			if _, err := c.Put(t.Context(), smallUpload(t.TempDir()+"/f")); err != nil {
				t.Error(err)
			}
		})
	}
}

// What a failing command says is in the error, and the host is not reached by another way.
func TestAFailingProxyCommandIsQuoted(t *testing.T) {
	s := &remotetest.Server{}
	d, target := newHost(t, s)
	target.ProxyCommand = `echo "bastion: Permission denied (publickey)." >&2; exit 255`
	_, err := d.Dial(t.Context(), target)
	mustContain(t, err, "g1: unreachable", "ProxyCommand ended", "bastion: Permission denied (publickey).")
	if n := s.Connections.Load(); n != 0 {
		t.Errorf("%d connections past the command", n)
	}
}

// The command ends with the connection, also one that does not mind the end of its input.
func TestProxyCommandEndsWithTheConnection(t *testing.T) {
	s := &remotetest.Server{}
	d, target := newHost(t, s)
	pid := filepath.Join(t.TempDir(), "pid")
	target.ProxyCommand = `sh -c 'echo $$ >` + pid + `; exec sleep 60'`
	target.ConnectTimeout = time.Second
	_, err := d.Dial(t.Context(), target)
	mustContain(t, err, "no login within 1s")
	text, err := os.ReadFile(pid)
	if err != nil {
		t.Fatal(err)
	}
	process := filepath.Join("/proc", strings.TrimSpace(string(text)))
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if _, err := os.Stat(process); err != nil {
			return
		}
	}
	t.Error("the command still runs")
}

func TestProxyCommandTokens(t *testing.T) {
	e := &endpoint{host: "10.0.0.1", port: 2222, user: "ops"}
	got, err := expandProxyCommand("ssh -W %h:%p %r@%n 100%%", "g1", e)
	if err != nil || got != "ssh -W 10.0.0.1:2222 ops@g1 100%" {
		t.Error(got, err)
	}
	for _, bad := range []string{"nc %x", "nc %"} {
		if _, err := expandProxyCommand(bad, "g1", e); err == nil {
			t.Errorf("%q is taken", bad)
		}
	}
	for _, host := range []string{"$(touch /tmp/x)", "-oProxyCommand=x", "a b", "`id`", "a;b"} {
		if _, err := expandProxyCommand("nc %h %p", "g1", &endpoint{host: host, port: 22, user: "ops"}); err == nil {
			t.Errorf("the host %q is taken", host)
		}
	}
}
