package labtest

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// longest is how long one script or verb may take whose context sets no deadline.
const longest = 2 * time.Minute

// Run runs a bash script as root on a host with the system's ssh, which is not
// the code under test, and returns what it printed to stdout.
func (l *Lab) Run(ctx context.Context, host, script string) (string, error) {
	if _, set := ctx.Deadline(); !set {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, longest)
		defer cancel()
	}
	cmd := exec.CommandContext(ctx, "ssh", "-F", l.SSHConfig, "-o", "BatchMode=yes", "-o", "ConnectTimeout=3",
		"-o", "StrictHostKeyChecking=yes", "-o", "LogLevel=ERROR", host, "bash -s")
	cmd.Stdin = strings.NewReader(script)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %q: %w: %s", host, script, err, errs.String())
	}
	return out.String(), nil
}

// Sh is [Lab.Run] for tests: it fails the test when the script fails. The last
// line's end is cut off.
func (l *Lab) Sh(t testing.TB, host, script string) string {
	t.Helper()
	out, err := l.Run(context.WithoutCancel(t.Context()), host, script)
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimRight(out, "\n")
}

// Do runs a verb of lab.sh ("kill", "h1") and fails the test when it fails.
func (l *Lab) Do(t testing.TB, verb ...string) {
	t.Helper()
	if err := l.Verb(context.WithoutCancel(t.Context()), verb...); err != nil {
		t.Fatal(err)
	}
}

// Verb runs a verb of lab.sh. Its errors hold what lab.sh said.
func (l *Lab) Verb(ctx context.Context, verb ...string) error {
	if _, err := os.Stat(filepath.Join(l.Dir, "run", "lab.env")); err != nil {
		return fmt.Errorf("lab.sh %s: this lab was not brought up by examples/lab/lab.sh: %w", strings.Join(verb, " "), err)
	}
	ctx, cancel := context.WithTimeout(ctx, longest)
	defer cancel()
	cmd := exec.CommandContext(ctx, filepath.Join(Root(), "examples", "lab", "lab.sh"), verb...)
	cmd.Env = append(os.Environ(), "LAB_DIR="+l.Dir, "LAB_ID=", "LAB_NET=", "LAB_CACHE=", "LAB_EXTRA=")
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	// supervisors of the hosts stay; they must not keep us waiting for the pipe
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("lab.sh %s: %w: %s", strings.Join(verb, " "), err, out.String())
	}
	return nil
}

// Wipe gives hosts a fresh disk and boots them. Their host keys stay.
func (l *Lab) Wipe(t testing.TB, hosts ...string) {
	t.Helper()
	l.Do(t, append([]string{"wipe"}, hosts...)...)
}

// BlockPort drops what from sends to a port of to ("tcp" or "udp"), as a
// firewall would, until the test ends.
func (l *Lab) BlockPort(t testing.TB, from, to, proto string, port int) {
	t.Helper()
	// by number: the hosts have no /etc/protocols
	number := map[string]int{"tcp": 6, "udp": 17}[proto]
	rule := fmt.Sprintf("to %s ipproto %d dport %d blackhole", l.Host(to), number, port)
	l.Sh(t, from, "ip rule add "+rule)
	t.Cleanup(func() {
		// the host may have been wiped or switched off since
		_, _ = l.Run(context.Background(), from, "ip rule del "+rule)
	})
}
