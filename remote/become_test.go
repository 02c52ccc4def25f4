package remote

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// fakeSudo behaves as $FAKE_SUDO says; it takes "secret" as the password.
const fakeSudo = `#!/bin/sh
echo "$0 $*" >>"$SUDO_LOG"
while [ $# -gt 0 ]; do
case $1 in
-n) n=1 ;; -S) ;; -H) ;;
-p) p=$2; shift ;;
--) shift; break ;;
esac
shift
done
case $FAKE_SUDO in
nopasswd) exec "$@" ;;
slow) sleep 1.5; exec "$@" ;;
never) exec sleep 60 ;;
sudoers) echo "ops is not in the sudoers file." >&2; exit 1 ;;
tty) echo "sudo: sorry, you must have a tty to run sudo" >&2; exit 1 ;;
other) echo "sudo: no valid sudoers sources found, quitting" >&2; exit 1 ;;
esac
if [ -n "$n" ]; then echo "sudo: a password is required" >&2; exit 1; fi
echo "We trust you have received the usual lecture" >&2
for i in 1 2 3; do
printf %s "$p" >&2
IFS= read -r w || break
if [ "$w" = secret ]; then exec "$@"; fi
echo "Sorry, try again." >&2
done
exit 1
`

// notRoot is the id of a login that is not root, whoever runs the tests.
const notRoot = "#!/bin/sh\necho 1000\n"

func sudoHost(t *testing.T, mode, method, password string) (*Client, string) {
	dir := t.TempDir()
	for _, name := range []string{"sudo", "doas"} {
		remotetest.WriteFile(t, filepath.Join(dir, name), fakeSudo, 0o700)
	}
	remotetest.WriteFile(t, filepath.Join(dir, "id"), notRoot, 0o700)
	log := filepath.Join(dir, "log")
	s := &remotetest.Server{Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "FAKE_SUDO=" + mode, "SUDO_LOG=" + log}}
	d, target := newHost(t, s)
	target.Become = Become{Method: method, Password: password}
	return dialTarget(t, d, target), log
}

func TestBecome(t *testing.T) {
	in := []byte("secret\n0\n\x00in")
	for _, test := range []struct{ name, mode, method, password string }{
		{"without password", "nopasswd", "", ""},
		{"with password", "asks", "sudo", "secret"},
		{"password not asked for", "nopasswd", "sudo", "secret"},
		{"doas", "nopasswd", "doas", ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, log := sudoHost(t, test.mode, test.method, test.password)
			res, err := c.Run(t.Context(), Command{Script: "cat; printf err >&2; exit 3", Stdin: bytes.NewReader(in), Become: true})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 3 {
				t.Errorf("got %v", err)
			}
			if !bytes.Equal(res.Stdout, in) || string(res.Stderr) != "err" {
				t.Errorf("stdout %q, stderr %q", res.Stdout, res.Stderr)
			}
			said, err := os.ReadFile(log)
			if err != nil || bytes.Contains(said, []byte(" secret")) {
				t.Errorf("sudo was called with %s, %v", said, err)
			}
		})
	}
}

func TestBecomeFails(t *testing.T) {
	for _, test := range []struct {
		name, mode, method, password string
		want                         []string
	}{
		{"wrong password", "asks", "sudo", "canary", []string{"g1: step: sudo password refused for user ops", "ssh.become.password"}},
		{"no password given", "asks", "sudo", "", []string{"sudo asks user ops for a password", "NOPASSWD"}},
		{"not in sudoers", "sudoers", "sudo", "", []string{"user ops may not become root", "visudo"}},
		{"requiretty", "tty", "sudo", "canary", []string{"wants a terminal", "!requiretty"}},
		{"anything else", "other", "sudo", "", []string{"cannot become root with sudo", "no valid sudoers", "next: ssh -t ops@127.0.0.1 sudo true"}},
		{"none", "", "none", "", []string{"needs root", "ssh.become.method"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			c, _ := sudoHost(t, test.mode, test.method, test.password)
			_, err := c.Run(t.Context(), Command{Args: []string{"true"}, Stdin: strings.NewReader("x"), Become: true, Step: "step"})
			mustContain(t, err, test.want...)
			var fault *BecomeError
			if !errors.As(err, &fault) || strings.Contains(err.Error(), "canary") {
				t.Errorf("got %T %v", err, err)
			}
		})
	}
}

func TestBecomeIsNothingForRoot(t *testing.T) {
	d, target := newHost(t, &remotetest.Server{})
	target.User = "root"
	target.Become.Method = "none"
	if _, err := dialTarget(t, d, target).Run(t.Context(), Command{Args: []string{"true"}, Become: true}); err != nil {
		t.Error(err)
	}
}

// TestALoginThatIsRootByItsNumberNeedsNoSudo: ops is uid 0 there, as toor or admin are on
// some hosts, and sudo may not even be installed.
func TestALoginThatIsRootByItsNumberNeedsNoSudo(t *testing.T) {
	for _, become := range []Become{{}, {Method: "sudo", Password: "secret"}, {Method: "doas"}, {Method: "doas", Password: "secret"}, {Method: "none"}} {
		dir := t.TempDir()
		for _, name := range []string{"sudo", "doas"} {
			remotetest.WriteFile(t, filepath.Join(dir, name), "#!/bin/sh\necho called >&2\nexit 1\n", 0o700)
		}
		remotetest.WriteFile(t, filepath.Join(dir, "id"), "#!/bin/sh\necho 0\n", 0o700)
		d, target := newHost(t, &remotetest.Server{Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH")}})
		target.Become = become
		res, err := dialTarget(t, d, target).Run(t.Context(), Command{Script: `cat; echo "$1"`, Args: []string{"--"}, Stdin: strings.NewReader("in "), Become: true})
		if err != nil || strings.TrimSpace(string(res.Stdout)) != "in --" || len(res.Stderr) > 0 {
			t.Errorf("%+v: %q %q %v", become, res.Stdout, res.Stderr, err)
		}
	}
}

func TestProcessStdinWaitsForSudo(t *testing.T) {
	c, _ := sudoHost(t, "asks", "sudo", "secret")
	p, err := c.Start(t.Context(), Command{Args: []string{"cat"}, Become: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stdin().Write([]byte("hello")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 5)
	if _, err := p.Stdout().Read(b); err != nil || string(b) != "hello" {
		t.Errorf("%q %v", b, err)
	}
	p.Kill()
}

// fakeDoas asks on its terminal, as OpenDoas does.
const fakeDoas = `#!/bin/sh
echo "$0 $*" >>"$SUDO_LOG"
shift
printf 'doas (ops@g1) password: ' >/dev/tty
IFS= read -r w </dev/tty
if [ "$w" = secret ]; then exec "$@"; fi
echo "doas: Authentication failed" >&2
exit 1
`

func TestDoasWithPassword(t *testing.T) {
	dir := t.TempDir()
	remotetest.WriteFile(t, filepath.Join(dir, "doas"), fakeDoas, 0o700)
	remotetest.WriteFile(t, filepath.Join(dir, "id"), notRoot, 0o700)
	s := &remotetest.Server{Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH"), "SUDO_LOG=" + filepath.Join(dir, "log")}}
	d, target := newHost(t, s)
	target.Become = Become{Method: "doas", Password: "secret"}
	c := dialTarget(t, d, target)
	in := content(100_000)
	res, err := c.Run(t.Context(), Command{Script: `cat; printf 'err\r\n' >&2; exit 3`, Stdin: bytes.NewReader(in), Become: true})
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Status != 3 || !bytes.Equal(res.Stdout, in) || string(res.Stderr) != "err\r\n" {
		t.Errorf("%d bytes, stderr %q, %v", len(res.Stdout), res.Stderr, err)
	}
	p, err := c.Start(t.Context(), Command{Script: `echo $$ >"$1"; head -c 40000 /dev/zero; sleep 1000`, Args: []string{filepath.Join(dir, "pid")}, Become: true})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := p.Stdout().Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(filepath.Join(dir, "pid"))
	pid := readPID(t, bytes.NewReader(text))
	p.Kill()
	waitGone(t, pid)

	target.Become.Password = "canary"
	_, err = dialTarget(t, d, target).Run(t.Context(), Command{Args: []string{"true"}, Become: true})
	mustContain(t, err, "doas password refused for user ops")
	if said, _ := os.ReadFile(filepath.Join(dir, "log")); bytes.Contains(said, []byte("canary")) {
		t.Errorf("the password is in doas' arguments: %s", said)
	}
}

// A directory server that sudo waits for uses up none of the command's own time.
func TestTheTimeOfACommandBeginsWhenSudoHasLetItRun(t *testing.T) {
	c, _ := sudoHost(t, "slow", "sudo", "")
	res, err := c.Run(t.Context(), Command{Script: "sleep 1; echo done", Become: true, Timeout: 2 * time.Second})
	if err != nil || string(res.Stdout) != "done\n" {
		t.Errorf("%v, %q", err, res.Stdout)
	}
	if _, err := c.Run(t.Context(), Command{Args: []string{"sleep", "60"}, Become: true, Timeout: time.Second}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
}

func TestASudoThatNeverAnswersEndsWithTheTimeThatConnectingMayTake(t *testing.T) {
	for name, timeout := range map[string]time.Duration{"of a question": 0, "of long work": -1} {
		t.Run(name, func(t *testing.T) {
			c, _ := sudoHost(t, "never", "sudo", "")
			c.target.ConnectTimeout = time.Second
			start := time.Now()
			_, err := c.Run(t.Context(), Command{Args: []string{"true"}, Become: true, Timeout: timeout})
			mustContain(t, err, "no answer for 1s", "connect_timeout")
			if took := time.Since(start); took > 8*time.Second {
				t.Errorf("it took %s", took)
			}
		})
	}
}
