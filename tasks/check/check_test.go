package check

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Whatever hangs, all findings are there in time: hosts that answer nothing at
// all, and hosts that answer the first script and then nothing.
func TestAllFindingsWithinTheLimit(t *testing.T) {
	for name, facts := range map[string]string{"dumb": "", "half dumb": goodFacts()} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := fakeHosts(facts, facts, facts)
				if facts == "" {
					for _, h := range hosts {
						h.Conn.(*scripted).answers = nil
					}
				}
				start := time.Now()
				found, err := Run(t.Context(), input(t, cluster(hosts...), hosts))
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took > Limit {
					t.Errorf("took %s", took)
				}
				for _, h := range hosts {
					want(t, found, Fail, h.Name, "cannot reach the database")
					want(t, found, Fail, h.Name, "Redis at")
				}
				if facts == "" {
					want(t, found, Fail, "h2", "no answer within")
				}
			})
		})
	}
}

func TestGossip55938PairThatIsSilent(t *testing.T) {
	hosts := fakeHosts(goodFacts(), goodFacts(), goodFacts("socket\tudp *:9094 users:((\"other\",pid=5,fd=1))"))
	for _, h := range hosts {
		c := h.Conn.(*scripted)
		c.answers["listen on the gossip port"] = "tcp: Listening on [::]:9094 as 3.\nudp: Listening on [::]:9094 as 3.\n"
		other := map[string]string{"h1": "h2", "h2": "h1", "h3": "h1"}[h.Name]
		c.answers["try the gossip port of the other hosts"] = "tcp\t" + other + "\tok\nudp\t" + other + "\tsent\n"
	}
	found := only(t, input(t, cluster(hosts...), hosts), "gossip")
	want(t, found, Fail, "h1", "h1 -> h2", "UDP 9094", "dropped", "#55938")
	want(t, found, Fail, "h2", "h2 -> h1", "UDP 9094")
	want(t, found, Skipped, "h1", "h1 -> h3 could not be tried", "other (pid 5)")
}

func TestUnknownCheckIsRefused(t *testing.T) {
	_, err := Run(t.Context(), Input{Skip: []string{"disc"}})
	if unknown, ok := errors.AsType[*UnknownCheckError](err); !ok || unknown.Name != "disc" {
		t.Errorf("err %v", err)
	}
}

func TestSkippedChecksSaySo(t *testing.T) {
	hosts := fakeHosts(goodFacts("arch\tvax"), goodFacts())
	in := input(t, cluster(hosts...), hosts)
	in.Skip = []string{"database", "redis-live", "platform", "gossip"}
	found, err := Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	if f := want(t, found, Skipped, "", "--skip-check"); f.Check != "platform" {
		t.Errorf("skipped first: %+v", f)
	}
	if bad := Failed(found); len(bad) > 0 {
		t.Errorf("failed:\n%s", list(bad))
	}
	in.Skip = []string{"all"}
	if found, err := Run(t.Context(), in); err != nil || len(found) > 0 {
		t.Errorf("all skipped: %v, %v", found, err)
	}
}

func TestCancelEndsTheRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		hosts := fakeHosts(goodFacts())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := Run(ctx, input(t, cluster(hosts...), hosts))
		if !errors.Is(err, context.Canceled) {
			t.Errorf("err %v", err)
		}
		if took := time.Since(start); took > 2*time.Second {
			t.Errorf("took %s after a cancel at 1 s", took)
		}
	})
}

func TestLoginFailures(t *testing.T) {
	for _, tt := range []struct {
		name  string
		err   error
		words []string
	}{
		{"lost", &remote.UnreachableError{Host: "h1", Cause: errors.New("reset")}, []string{"connection lost"}},
		{"sudo", &remote.ExitError{Host: "h1", Step: factsStep, Status: 1, Stderr: "sudo: a password is required"}, []string{"cannot become root", "sudoers"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := fakeHosts("")
			hosts[0].Conn = &scripted{user: "ops", errs: map[string]error{factsStep: tt.err}}
			want(t, only(t, input(t, cluster(hosts...), hosts), "host-login"), Fail, "h1", tt.words...)
		})
	}
}

func TestFindingsAreEventsAndJSON(t *testing.T) {
	hosts := fakeHosts(goodFacts())
	in := input(t, cluster(hosts...), hosts)
	in.Skip = []string{"database", "redis-live"}
	seen := make(chan event.Event, 200)
	in.Sink = func(e event.Event) { seen <- e }
	found, err := Run(t.Context(), in)
	if err != nil {
		t.Fatal(err)
	}
	close(seen)
	var n int
	for e := range seen {
		if e.Kind == event.Finding {
			n++
		}
	}
	if n != len(found) {
		t.Errorf("%d events for %d findings", n, len(found))
	}
	text, err := json.Marshal(found[0])
	if err != nil || !strings.Contains(string(text), `"severity":"ok"`) {
		t.Errorf("json %s, %v", text, err)
	}
}

func TestNamesAreUnique(t *testing.T) {
	seen := map[string]bool{}
	for _, line := range Names() {
		name, about, _ := strings.Cut(line, "\t")
		if seen[name] || about == "" {
			t.Errorf("name %q about %q", name, about)
		}
		seen[name] = true
	}
}

var _ fleet.Conn = (*scripted)(nil)

// busy is a host that tells one fact after the other, each later than the last.
type busy struct {
	*scripted
	every time.Duration
}

// Run implements fleet.Conn.
func (b *busy) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	if cmd.Step != "read the host's facts" {
		return b.scripted.Run(ctx, cmd)
	}
	for line := range strings.Lines(b.answers[cmd.Step]) {
		select {
		case <-time.After(b.every):
			_, _ = io.WriteString(cmd.Stdout, line)
		case <-ctx.Done():
			return remote.Result{}, ctx.Err()
		}
	}
	return remote.Result{}, nil
}

// Apply waits for a busy host, so check does; what falls silent is not waited for.
func TestABusyHostIsWaitedForWhileItTells(t *testing.T) {
	lines := time.Duration(strings.Count(goodFacts(), "\n"))
	for name, c := range map[string]struct {
		every   time.Duration
		reads   bool
		atLeast time.Duration
		atMost  time.Duration
	}{
		"busy":   {11 * time.Second / lines, true, 11*time.Second - lines, 11*time.Second + Probe},
		"slow":   {2 * factsAtMost / lines, false, 0, factsAtMost + Probe},
		"silent": {factsWithin + time.Second, false, factsWithin, Limit},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				hosts := fakeHosts(goodFacts(), goodFacts())
				hosts[1].Conn = &busy{hosts[1].Conn.(*scripted), c.every}
				start := time.Now()
				found, err := Run(t.Context(), input(t, cluster(hosts...), hosts))
				if err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took < c.atLeast || took > c.atMost {
					t.Errorf("took %s", took)
				}
				for _, f := range found {
					if f.Check == "host-login" && f.Host == "h2" && (f.Severity == OK) != c.reads {
						t.Errorf("%+v", f)
					}
				}
			})
		})
	}
}
