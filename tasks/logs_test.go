package tasks

import (
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// A journal of very short lines costs what its lines cost, and not only their letters.
func TestAnEndlessJournalOfShortLinesIsLeft(t *testing.T) {
	lines := 0
	err := readLog(endless("2026-11-24T12:00:00.000000+0000 h g[1]: x\n"), "h1", mostLogBytes, func(LogLine) bool { lines++; return true })
	if err == nil || lines > mostLogBytes/heldLine {
		t.Errorf("%d lines, %v", lines, err)
	}
	if err != nil && !strings.Contains(err.Error(), "--lines") {
		t.Error(err)
	}
}

// endless repeats a text for ever.
type endless string

func (e endless) Read(p []byte) (int, error) {
	n := 0
	for n+len(e) <= len(p) {
		n += copy(p[n:], e)
	}
	return n, nil
}

// slowJournal tells nothing until its time is over.
type slowJournal struct {
	fleet.Conn
	timeout time.Duration
}

func (s *slowJournal) Run(_ context.Context, cmd remote.Command) (remote.Result, error) {
	s.timeout = cmd.Timeout
	_, _ = io.WriteString(cmd.Stdout, "")
	return remote.Result{}, context.DeadlineExceeded
}

func TestTheJournalOfASlowHostIsWaitedForAsLongAsTheOperatorSays(t *testing.T) {
	c := testCluster("h1")
	r := New(c, Options{})
	conn := &slowJournal{}
	follow := func(ctx context.Context) error {
		return r.follow(ctx, fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: conn}, LogOptions{}, make(chan LogLine, 1))
	}
	if err := follow(t.Context()); conn.timeout != logWithin || err == nil || !strings.Contains(err.Error(), "--timeout") {
		t.Errorf("timeout %s, %v", conn.timeout, err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if err := follow(ctx); conn.timeout >= 0 || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("timeout %s, %v", conn.timeout, err)
	}
}
