package remote

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func TestRunPassesAllBytes(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	in := make([]byte, 700_001)
	for i := range in {
		in[i] = byte(i * 7)
	}
	for name, r := range map[string]io.Reader{
		"buffer": bytes.NewReader(in), "small reads": iotest.HalfReader(bytes.NewReader(in)), "empty": strings.NewReader(""),
	} {
		want := in
		if name == "empty" {
			want = nil
		}
		res, err := c.Run(t.Context(), Command{Script: "cat; printf err >&2", Stdin: r})
		if err != nil || !bytes.Equal(res.Stdout, want) || string(res.Stderr) != "err" {
			t.Errorf("%s: %d bytes, stderr %q, %v", name, len(res.Stdout), res.Stderr, err)
		}
	}
}

func TestRunWithoutStdinReadsItsEnd(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	res, err := c.Run(t.Context(), Command{Script: `cat; echo "$1 $LC_ALL"`, Args: []string{"a'b"}})
	if err != nil || string(res.Stdout) != "a'b C\n" {
		t.Errorf("got %q %v", res.Stdout, err)
	}
}

func TestRunGivesWay(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	res, err := c.Run(t.Context(), Command{Script: `nice; cut -d' ' -f3 /proc/self/autogroup 2>/dev/null || echo 10; cat; echo "$1"`, Args: []string{"a b"},
		Stdin: strings.NewReader("in\n"), LowPriority: true})
	if err != nil || string(res.Stdout) != "19\n10\nin\na b\n" {
		t.Errorf("got %q, %v", res.Stdout, err)
	}
	own, err := exec.Command("nice").Output() // the test itself may run under nice
	if err != nil {
		t.Fatal(err)
	}
	if res, err = c.Run(t.Context(), Command{Script: "nice"}); err != nil || !bytes.Equal(res.Stdout, own) {
		t.Errorf("unasked: %q, %v; we run at %q", res.Stdout, err, own)
	}
}

func TestRunReportsHowItEnded(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	var exit *ExitError
	_, err := c.Run(t.Context(), Command{Script: "echo why >&2; exit 7", Step: "try it"})
	if !errors.As(err, &exit) || exit.Status != 7 || err.Error() != "g1: try it: exit status 7: why" {
		t.Errorf("got %v", err)
	}
	var stderr bytes.Buffer
	_, err = c.Run(t.Context(), Command{Script: "echo why >&2; exit 7", Stderr: &stderr})
	if !errors.As(err, &exit) || exit.Stderr != "why" || stderr.String() != "why\n" {
		t.Errorf("got %v, %q", err, &stderr)
	}
	_, err = c.Run(t.Context(), Command{Script: "kill -KILL 0"})
	if !errors.As(err, &exit) || exit.Signal != "KILL" {
		t.Errorf("got %v", err)
	}
	_, err = c.Run(t.Context(), Command{})
	if !errors.Is(err, errNoCommand) {
		t.Errorf("got %v", err)
	}
}

func TestRunRefusesTooMuchOutput(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	_, err := c.Run(t.Context(), Command{Script: "cat /dev/zero"})
	mustContain(t, err, "g1: run a script: the host sent more than 1 MiB")
	var big countWriter
	_, err = c.Run(t.Context(), Command{Script: "cat /dev/zero >&2", Stderr: &big})
	mustContain(t, err, "more than 1 MiB")
	big = 0
	if _, err := c.Run(t.Context(), Command{Script: "head -c 20000000 /dev/zero", Stdout: &big, Output: -1}); err != nil || big != 20_000_000 {
		t.Errorf("%d bytes, %v", big, err)
	}
	for _, limit := range []int64{-1, 1 << 30} { // who takes stdout as it comes keeps no gigabytes of stderr
		_, err = c.Run(t.Context(), Command{Script: "cat /dev/zero >&2", Stdout: &big, Output: limit})
		mustContain(t, err, "more than 1 MiB")
	}
}

type countWriter int

func (c *countWriter) Write(p []byte) (int, error) { *c += countWriter(len(p)); return len(p), nil }

func TestRunReportsABrokenInput(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	broken := io.MultiReader(strings.NewReader("x"), iotest.ErrReader(errors.New("disk gone")))
	_, err := c.Run(t.Context(), Command{Args: []string{"cat"}, Stdin: broken})
	mustContain(t, err, "g1: run cat: read the input: disk gone")
}

func TestRunDoesNotWaitForADaemonWithOurStdout(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	res, err := c.Run(t.Context(), Command{Script: "setsid sleep 7.321 & echo $!"})
	if err != nil {
		t.Fatal(err)
	}
	if pid, _ := strconv.Atoi(strings.TrimSpace(string(res.Stdout))); pid > 0 {
		_ = syscall.Kill(pid, syscall.SIGKILL)
	}
}

func TestTimeoutAndCancelEndTheCommand(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	_, err := c.Run(t.Context(), Command{Script: "sleep 1000", Timeout: 50 * time.Millisecond})
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	mustContain(t, err, "g1: run a script: stopped: not done after 50ms")

	ctx, cancel := context.WithCancel(t.Context())
	p, err := c.Start(ctx, Command{Script: `sleep 1000 & echo $!; wait`})
	if err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, p.Stdout())
	cancel()
	if err := p.Wait(); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
	waitGone(t, pid)
}

// The link breaks without a word from us: the host ends the command by itself.
func TestTheEndOfTheChannelEndsTheCommand(t *testing.T) {
	s := &remotetest.Server{}
	c := dialHost(t, s)
	p, err := c.Start(t.Context(), Command{Script: `sleep 1000 & echo $!; wait`})
	if err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, p.Stdout())
	s.Drop()
	waitGone(t, pid)
}

func TestDetachedOutlivesTheConnection(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	dir := t.TempDir()
	p, err := c.Start(t.Context(), Command{
		Script: `cd "$1"; echo $$; while ! [ -e go ]; do sleep 0.01; done; echo lost; echo done >done`, Args: []string{dir}, Detach: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, p.Stdout())
	_ = c.Close()
	if err := p.Wait(); err == nil {
		t.Error("no error")
	}
	remotetest.WriteFile(t, filepath.Join(dir, "go"), "", 0o600)
	waitGone(t, pid)
	if _, err := os.Stat(filepath.Join(dir, "done")); err != nil {
		t.Error("it did not finish:", err)
	}
}

func readPID(t *testing.T, r io.Reader) int {
	t.Helper()
	b := make([]byte, 20)
	n, err := r.Read(b)
	pid, perr := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil || perr != nil {
		t.Fatal(err, perr)
	}
	return pid
}

// waitGone fails by the test's own deadline. A zombie that nobody reaps is gone too.
func waitGone(t *testing.T, pid int) {
	t.Helper()
	for {
		stat, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
		if err != nil || strings.Contains(string(stat), ") Z ") {
			return
		}
		if t.Context().Err() != nil {
			t.Fatal("still running")
		}
		time.Sleep(time.Millisecond)
	}
}

func TestProcessTalks(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	p, err := c.Start(t.Context(), Command{Args: []string{"cat"}})
	if err != nil {
		t.Fatal(err)
	}
	in := p.Stdin()
	for range 3 {
		if _, err := io.WriteString(in, "hello\n"); err != nil {
			t.Fatal(err)
		}
		b := make([]byte, 6)
		if _, err := io.ReadFull(p.Stdout(), b); err != nil || string(b) != "hello\n" {
			t.Fatalf("%q %v", b, err)
		}
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if rest, err := io.ReadAll(p.Stdout()); err != nil || len(rest) != 0 {
		t.Errorf("%q %v", rest, err)
	}
	if err := p.Wait(); err != nil {
		t.Error(err)
	}
	if _, err := in.Write([]byte("x")); err == nil {
		t.Error("wrote after the end")
	}
}

func TestKill(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	p, err := c.Start(t.Context(), Command{Script: "echo $$; sleep 1000"})
	if err != nil {
		t.Fatal(err)
	}
	pid := readPID(t, p.Stdout())
	p.Kill()
	if err := p.Wait(); !errors.Is(err, errKilled) {
		t.Errorf("got %v", err)
	}
	<-p.Done()
	waitGone(t, pid)
}

func TestRunOnASshdThatRunsNothing(t *testing.T) {
	c := dialHost(t, &remotetest.Server{NoExec: true})
	_, err := c.Run(t.Context(), Command{Args: []string{"true"}})
	mustContain(t, err, "g1: run true: open a session: sshd refused to run a command")
}
