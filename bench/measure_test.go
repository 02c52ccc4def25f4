package bench

import (
	"bytes"
	"context"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
)

// series is the wall times of one thing.
type series []time.Duration

func (s series) median() time.Duration {
	if len(s) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(s))
	return (sorted[(len(sorted)-1)/2] + sorted[len(sorted)/2]) / 2
}

// alternate measures ours and theirs in turn, so that whatever else the machine
// does meets both alike. Each returns the time it took.
func (b *bench) alternate(ours, theirs func(run int) time.Duration) (mine, peer series) {
	for i := range b.runs {
		mine = append(mine, ours(i))
		peer = append(peer, theirs(i))
	}
	return mine, peer
}

func timed(f func()) time.Duration {
	t0 := time.Now()
	f()
	return time.Since(t0)
}

// ghadeploy runs the tool, notes its peak memory and returns its stdout.
func (b *bench) ghadeploy(t *testing.T, args ...string) []byte {
	t.Helper()
	return b.run(t, "", b.binary, args...)
}

func (b *bench) run(t *testing.T, dir, name string, args ...string) []byte {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %v: %v\n%s%s", name, args, err, out.Bytes(), errs.Bytes())
	}
	if usage, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok && name == b.binary {
		report.memory = max(report.memory, usage.Maxrss*1024) // Linux counts in KiB
	}
	return out.Bytes()
}

// each runs f for all hosts at once.
func each(t *testing.T, names []string, f func(ctx context.Context, host string) error) {
	t.Helper()
	g, ctx := errgroup.WithContext(t.Context())
	for _, h := range names {
		g.Go(func() error { return f(ctx, h) })
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
}

// ssh and scp are OpenSSH as a script would call it: no multiplexing set up
// beforehand, no compression of what is compressed.
func (b *bench) ssh(ctx context.Context, host, command string) error {
	return exec.CommandContext(ctx, "ssh", "-F", b.SSHConfig, "-o", "BatchMode=yes", host, command).Run()
}

func (b *bench) scp(ctx context.Context, from, host, to string) error {
	return exec.CommandContext(ctx, "scp", "-q", "-F", b.SSHConfig, "-o", "BatchMode=yes", from, host+":"+to).Run()
}
