package remote

import (
	"bytes"
	"errors"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// awkward are arguments and input in which shells differ most.
var awkward = []string{`it's`, `a"b`, `c\d\n`, "line\nbreak", "!bang", "$HOME `id`", "*?[x]", "~", "", "ü€", "%s %d", "a=b;c|d&e", "{x,y}", "^z"}

// Whatever the login shell is, arguments, input, output and status are the same.
func TestEveryLoginShellRunsTheSame(t *testing.T) {
	for _, shell := range []string{"sh", "bash", "dash", "ksh93", "mksh", "zsh", "fish", "csh", "tcsh", "busybox"} {
		t.Run(shell, func(t *testing.T) {
			path, err := exec.LookPath(shell)
			if err != nil {
				t.Skipf("needs the shell %s (Debian package %s)", shell, strings.TrimSuffix(shell, "93"))
			}
			if shell == "busybox" {
				path = remotetest.WriteFile(t, filepath.Join(t.TempDir(), "ash"), "#!/bin/sh\nexec busybox ash \"$@\"\n", 0o755)
			}
			home := t.TempDir()
			// Every shell's start-up files talk, on both streams.
			for _, name := range []string{".zshenv", ".cshrc", ".tcshrc", ".bashrc", ".profile"} {
				remotetest.WriteFile(t, filepath.Join(home, name), "echo WELCOME TO h2\necho hint\n", 0o600)
			}
			c := dialHost(t, &remotetest.Server{Shell: path, Dir: home, Env: []string{"HOME=" + home, "ENV=" + home + "/.profile", "ZDOTDIR=" + home}})
			res, err := c.Run(t.Context(), Command{Script: `cat; printf '[%s]' "$@"; echo oops >&2`, Args: awkward, Stdin: strings.NewReader("in!'\\\n")})
			want := "in!'\\\n"
			for _, a := range awkward {
				want += "[" + a + "]"
			}
			if err != nil || string(res.Stdout) != want || string(res.Stderr) != "oops\n" {
				t.Errorf("%v\nout %q\nnot %q\nerr %q", err, res.Stdout, want, res.Stderr)
			}
			_, err = c.Run(t.Context(), Command{Args: []string{"sh", "-c", "exit 7"}})
			var exit *ExitError
			if !errors.As(err, &exit) || exit.Status != 7 {
				t.Errorf("status: %v", err)
			}
			// A script as long as those that read a host.
			long := "x='" + strings.Repeat("0123456789abcdef", 4000) + "'; echo ${#x}"
			if res, err := c.Run(t.Context(), Command{Script: long}); err != nil || string(res.Stdout) != "64000\n" {
				t.Errorf("%v, %q", err, res.Stdout)
			}
		})
	}
}

// What a host says instead of running the command stands in the error, with what to do.
func TestAHostThatRunsSomethingElseIsQuoted(t *testing.T) {
	for name, tt := range map[string]struct {
		shell string
		want  []string
	}{
		"a cloud image's root": {`echo 'Please login as the user "debian" rather than the user "root".'; echo; sleep 0.1; exit 142`,
			[]string{`Please login as the user "debian"`, "exit status 142", "set ssh.user to debian"}},
		"no login": {`echo "This account is currently not available."; exit 1`,
			[]string{"This account is currently not available.", "chsh -s /bin/sh ops"}},
		"SFTP only":        {`echo "This service allows sftp connections only."; exit 1`, []string{"ForceCommand internal-sftp"}},
		"a forced command": {`echo backup done; exit 0`, []string{"the host says: backup done", "forced command"}},
		"a restricted shell": {`echo "rbash: line 1: exec: restricted" >&2; exit 1`,
			[]string{"exec: restricted", "chsh -s /bin/sh ops"}},
		"silence":           {`exit 0`, []string{"the host says nothing", "try: ssh ops@g1"}},
		"control sequences": {`printf '\033]52;c;AAAA\007red\n'; exit 3`, []string{"the host says: ]52;c;AAAAred", "exit status 3"}},
		"a flood":           {`yes 'all work' | head -c 200000; exit 1`, []string{"all work all work", "…"}},
	} {
		t.Run(name, func(t *testing.T) {
			shell := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "shell"), "#!/bin/sh\n"+tt.shell+"\n", 0o755)
			c := dialHost(t, &remotetest.Server{Shell: shell})
			_, err := c.Run(t.Context(), Command{Args: []string{"true"}})
			var fault *ShellError
			if !errors.As(err, &fault) {
				t.Fatalf("%v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%q is not in: %v", want, err)
				}
			}
			if strings.ContainsAny(err.Error(), "\x1b\x07\n") || len(err.Error()) > 1200 {
				t.Errorf("not fit to be shown: %q", err)
			}
		})
	}
}

// A login shell that never comes to our line costs no more than the connect timeout.
func TestAShellThatNeverStartsIsGivenUp(t *testing.T) {
	shell := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "shell"), "#!/bin/sh\necho 'Choose a menu entry:'\nexec sleep 60\n", 0o755)
	c := dialHost(t, &remotetest.Server{Shell: shell})
	c.target.ConnectTimeout = time.Second
	start := time.Now()
	_, err := c.Run(t.Context(), Command{Args: []string{"true"}})
	if err == nil || !strings.Contains(err.Error(), "Choose a menu entry") || !strings.Contains(err.Error(), "within 1s") {
		t.Error(err)
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("took %s", took)
	}
}

// The mark is found however the stream is cut, and what stands before it is kept once.
func TestTheMarkIsFoundHoweverTheStreamIsCut(t *testing.T) {
	stream := []byte("hello\nMARK-no\nMARK\nout\nMARK\nput")
	for size := 1; size < len(stream); size++ {
		var out, before bytes.Buffer
		m := &behindMark{mark: "MARK", keep: func(p []byte) { before.Write(p) }, out: &out}
		for rest := stream; len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := m.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		m.end()
		if out.String() != "out\nMARK\nput" || before.String() != "hello\nMARK-no\n" {
			t.Errorf("in pieces of %d: %q, before %q", size, out.String(), before.String())
		}
	}
}
