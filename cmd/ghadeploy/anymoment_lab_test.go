package main_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// kill -9 of ghadeploy at random moments of a first deploy and of a change: every
// host stays wholly old or wholly new, and the next apply finishes the job.
// GHADEPLOY_KILLS sets how many moments of each (1), GHADEPLOY_SEED repeats a run.
// On request only: the moments between steps are tried each time, by
// TestARunThatIsKilledAtAnyStepIsFinishedByTheNext.
func TestLabKilledAtAnyMoment(t *testing.T) {
	labtest.Slow(t)
	moments, random := killPlan(t)
	c := newTrial(t, labtest.Options{NoLive: true, Balancer: "haproxy", User: "ops", Edit: hasty})

	t.Run("first deploy", func(t *testing.T) {
		span := c.run(t, 0, "apply", "--yes").Took
		for range moments {
			c.Wipe(t, c.hosts...)
			c.Do(t, "db", c.inv.Database)
			c.killed(t, time.Duration(random.Int64N(int64(span))))
		}
	})
	t.Run("change", func(t *testing.T) {
		c.set(t, "users", "default_theme", "light")
		span := c.run(t, 0, "apply", "--yes").Took
		for i := range moments {
			c.set(t, "users", "login_hint", fmt.Sprintf("change %d", i))
			end := c.watch(t)
			c.killed(t, time.Duration(random.Int64N(int64(span))))
			oneAtATime(t, end())
		}
	})
}

func killPlan(t *testing.T) (int, *rand.Rand) {
	t.Helper()
	number := func(name string, otherwise uint64) uint64 {
		v := os.Getenv(name)
		if v == "" {
			return otherwise
		}
		n, err := strconv.ParseUint(v, 10, 32)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		return n
	}
	seed := number("GHADEPLOY_SEED", uint64(time.Now().Unix()))
	t.Logf("GHADEPLOY_SEED=%d", seed)
	return int(number("GHADEPLOY_KILLS", 1)), rand.New(rand.NewPCG(seed, 0))
}

// killed kills an apply at a moment, looks at the hosts, and lets the next finish.
func (c *trial) killed(t *testing.T, at time.Duration) {
	t.Helper()
	planned := c.planned(t)
	run := c.start(t, "apply", "--yes")
	time.Sleep(at) // the moment is the point of the test
	if err := run.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	last := ""
	for e := range run.events {
		last = strings.TrimSpace(fmt.Sprintln(e.Kind, e.Host, e.Step))
	}
	_ = run.wait(t)
	t.Logf("killed after %s, after %s", at.Round(time.Millisecond), last)
	c.unlocked(t)
	for _, h := range c.hosts {
		c.oldOrNew(t, planned.Host(h))
	}
	c.run(t, 0, "apply", "--yes")
	c.run(t, 0, "plan", "--detailed-exitcode")
	for _, h := range c.hosts {
		s := c.look(t, h)
		if to := planned.Host(h).To.Generation; s.runs != to || s.current != to {
			t.Errorf("%s runs %s with current %s, want %s", h, s.runs, s.current, to)
		}
		if s.leftovers != "" {
			t.Errorf("%s: left over: %s", h, s.leftovers)
		}
	}
	c.serve(t)
	c.balanced(t, len(c.hosts))
}

func (c *trial) planned(t *testing.T) *tasks.Plan {
	t.Helper()
	r := c.run(t, 0, "plan", "-o", "json")
	p := &tasks.Plan{}
	if err := json.Unmarshal([]byte(r.Stdout), p); err != nil || len(p.Hosts) != len(c.hosts) {
		t.Fatalf("plan: %v\n%s", err, r.Stdout)
	}
	return p
}

// unlocked waits until no host's lock is held.
func (c *trial) unlocked(t *testing.T) {
	t.Helper()
	for _, h := range c.hosts {
		labtest.Wait(t, 5*time.Second, "the lock of "+h, func() (bool, string) {
			out, err := c.Run(t.Context(), h, `f=/var/lib/ghadeploy/lock; if [ ! -e $f ] || flock -n $f true; then echo free; else cat /var/lib/ghadeploy/holder.json; fi`)
			return err == nil && strings.TrimSpace(out) == "free", out
		})
	}
}

// state is what a host has on disk and runs.
type state struct {
	turn          bool // still goes on
	current, runs string
	exe           string
	leftovers     string
	generations   map[string]*onDisk
	releases      map[string]int // number of files
}

// onDisk is a generation as it lies there.
type onDisk struct {
	release  string
	manifest struct {
		Release string
		Files   map[string]struct{ SHA256 string }
	}
	files map[string]string
}

const lookScript = `
cd /opt/grafana 2>/dev/null || exit 0
case $(systemctl is-active ghadeploy-turn) in active|activating|deactivating) echo turn;; esac
[ -L current ] && echo current $(basename $(readlink current))
p=$(systemctl show -p MainPID --value grafana-server)
if [ "$p" != 0 ]; then
	echo runs $(tr '\0' ' ' </proc/$p/cmdline | grep -o 'generations/[0-9a-f]*/' | head -n 1 | cut -d/ -f2)
	echo exe $(readlink /proc/$p/exe)
fi
for f in releases/.new-* generations/.new-* current.new /etc/systemd/system/*.new incoming/* /home/*/.cache/ghadeploy/*; do [ -e "$f" ] && echo leftover $f; done
for d in releases/*/; do [ -d "$d" ] && echo release $(basename $d) $(find $d ! -type d | wc -l); done
for d in generations/*/; do
	[ -d "$d" ] || continue
	g=$(basename $d)
	echo generation $g $(basename $(readlink $d/release)) $(base64 -w0 $d/manifest.json | tr -d '\n')
	(cd $d && find etc unit -type f -exec sha256sum {} + | while read -r h f; do echo file $g $h $f; done)
done
true`

func (c *trial) look(t *testing.T, host string) state {
	t.Helper()
	s := state{generations: map[string]*onDisk{}, releases: map[string]int{}}
	for line := range strings.Lines(c.Sh(t, host, lookScript)) {
		w := append(strings.Fields(line), "", "", "", "")
		switch w[0] {
		case "turn":
			s.turn = true
		case "current":
			s.current = w[1]
		case "runs":
			s.runs = w[1]
		case "exe":
			s.exe = w[1]
		case "leftover":
			s.leftovers += w[1] + " "
		case "release":
			s.releases[w[1]], _ = strconv.Atoi(w[2])
		case "generation":
			s.generations[w[1]] = readGeneration(t, host, w[2], w[3])
		case "file":
			s.generations[w[1]].files[w[3]] = w[2]
		}
	}
	return s
}

// oldOrNew waits for the end of a turn that outlived the run, and then wants the
// host to run what it ran before or what was planned, the link to say the same, and
// whatever can be seen to be complete.
func (c *trial) oldOrNew(t *testing.T, p *tasks.HostPlan) {
	t.Helper()
	var s state
	labtest.Wait(t, 30*time.Second, "the end of a turn on "+p.Host, func() (bool, string) {
		s = c.look(t, p.Host)
		serves := s.runs != "" || p.From.Generation == "" && s.current == ""
		return !s.turn && serves, fmt.Sprintf("turn %v, runs %q, current %q", s.turn, s.runs, s.current)
	})
	if s.runs != s.current || s.runs != p.From.Generation && s.runs != p.To.Generation {
		t.Errorf("%s runs %q with current %q; old %q, new %q", p.Host, s.runs, s.current, p.From.Generation, p.To.Generation)
	}
	if g := s.generations[s.runs]; s.runs != "" && (g == nil || !strings.HasPrefix(s.exe, "/opt/grafana/releases/"+g.release+"/")) {
		t.Errorf("%s: generation %s runs %s", p.Host, s.runs, s.exe)
	}
	for id, g := range s.generations {
		g.complete(t, p.Host+": generation "+id, s.releases)
	}
	for r, n := range s.releases {
		if want := filesOf(t, c.Release(t, labtest.V1031)); !strings.HasPrefix(r, ".new-") && n != want {
			t.Errorf("%s: release %s has %d files of %d", p.Host, r, n, want)
		}
	}
}

// filesOf counts what a release's archive holds besides folders.
func filesOf(t *testing.T, archive string) (n int) {
	t.Helper()
	out, err := exec.Command("tar", "-tzf", archive).Output()
	if err != nil {
		t.Fatal(err)
	}
	for name := range strings.Lines(string(out)) {
		if !strings.HasSuffix(name, "/\n") {
			n++
		}
	}
	return n
}
