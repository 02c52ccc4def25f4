package main

import (
	"cmp"
	"errors"
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// realPairs is the variable that names the upgrades to hand over in, as "10.3.1-11.6.2";
// without it, each release at hand goes to the next.
const realPairs = "GHADEPLOY_REAL_PAIRS"

// realRate is the variable that says how many reads a second there are; 200 without it.
const realRate = "GHADEPLOY_REAL_RATE"

// longestGap is how long users of a handover may be without an answer.
const longestGap = 250 * time.Millisecond

// Real releases hand over to the next while users read 200 times a second and save a
// dashboard every second: what fails or is lost then is what decides whether a handover
// is the default for the pair.
func TestRealHandovers(t *testing.T) {
	if os.Getenv(realTable) == "" {
		t.Skip("takes minutes for each pair: run `make test-real`")
	}
	all, err := labtest.Archives()
	if err != nil || len(all) == 0 {
		t.Fatalf("no archives in %s (%v)", os.Getenv(labtest.RealEnv), err)
	}
	paths := map[string]string{}
	for _, a := range all {
		paths[a.Version] = a.Path
	}
	source := labSource(t, paths)
	for _, p := range handoversOf(all, strings.Fields(os.Getenv(realPairs))) {
		t.Run(p[0]+" to "+p[1], func(t *testing.T) { handsOver(t, source, p[0], p[1]) })
	}
}

// handoversOf are the pairs that are asked for; else all neighbours between which a
// handover may be.
func handoversOf(all []labtest.Archive, asked []string) (pairs [][2]string) {
	for _, a := range asked {
		from, to, _ := strings.Cut(a, "-")
		pairs = append(pairs, [2]string{from, to})
	}
	for i := 1; i < len(all) && len(asked) == 0; i++ {
		from, err := grafana.ParseVersion(all[i-1].Version)
		to, err2 := grafana.ParseVersion(all[i].Version)
		if errors.Join(err, err2) == nil && !grafana.HandoverBetween(from, to, "postgres").Unsafe {
			pairs = append(pairs, [2]string{from.String(), to.String()})
		}
	}
	return pairs
}

func handsOver(t *testing.T, source, from, to string) {
	j := &journey{version: from, source: source, database: "postgres"}
	c := j.cluster(t)
	c.inv.Edit(t, func(doc map[string]any) {
		rollout(map[string]any{"major": "handover", "gate_timeout": "2m"})(doc)
		// A machine that all hosts share does not come out of an overload in which every query logs in anew.
		doc["database"].(map[string]any)["max_idle_conn"] = 25
	})
	if _, err := c.ran(t, "apply", "--yes"); err != nil {
		t.Fatal(err)
	}
	c.fill(t)
	before, err := c.content(t)
	if err != nil {
		t.Fatal(err)
	}
	r := c.begin(t, "upgrade", "--to", to, "--no-backup", "--yes")
	r.until("the end of staging", func(e event.Event) bool { return e.Kind == event.PhaseDone && e.Step == "stage" })
	u := c.usedAt(t, time.Second/time.Duration(rate(t)))
	c.ownCores(t, r)
	code := r.wait()
	over := time.Now()
	time.Sleep(quietTime) // what the last turn did to others is seen now; then the measure of a quiet cluster
	quiet := time.Now()
	time.Sleep(quietTime)
	figures := u.wantUsers(t, c, time.Now())
	_, _, p99, _ := sums(u.reads.answers, quiet, time.Now())
	t.Logf("%s to %s: %s; after it p99 %s; exit %d, %s under load", from, to, figures, p99.Round(100*time.Microsecond), code, over.Sub(u.begun).Round(time.Second))
	t.Logf("longest gaps: %s", gaps(u.reads.answers, u.begun, r))
	if code != 0 {
		t.Fatalf("exit %d\n%s", code, r.story())
	}
	if p := r.last.Result.Plan.Policy; p.Kind != tasks.PolicyHandover {
		t.Fatalf("policy %+v, want %s", p, tasks.PolicyHandover)
	}
	if _, _, _, gap := sums(u.reads.answers, u.begun, over); gap > longestGap {
		t.Errorf("%s without an answer, want at most %s\n%s", gap, longestGap, r.story())
	}
	c.wantVersions(t, to)
	after, err := c.content(t)
	if err != nil {
		t.Fatal(err)
	}
	if besides(after) != besides(before) {
		t.Errorf("content was\n%s\nand is\n%s", before, after)
	}
	c.wantConverged(t)
}

func rate(t *testing.T) int {
	t.Helper()
	text := cmp.Or(os.Getenv(realRate), "200")
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("%s=%q is no number of reads a second", realRate, text)
	}
	return n
}

// ownCores lets a Grafana that starts take only what the others leave, until its gates
// are open: hosts have cores of their own, and here all share those of one machine.
func (c *labCluster) ownCores(t *testing.T, r *toolRun) {
	const (
		// Where the kernel groups processes by session, the group's value counts, else each thread's own.
		lower = `p=$(systemctl show -p MainPID --value grafana-server); n=$(($(ps -o ni= -p 1) + %d)); [ "${p:-0}" = 0 ] || {
echo $n >/proc/$p/autogroup; renice -n $n -p $(ls /proc/$p/task); } >/dev/null 2>&1`
		starts = `rm -f /run/serves; for i in $(seq 300); do [ -e /run/serves ] && break; ` + lower + `; sleep 0.2; done`
		serves = `touch /run/serves; sleep 0.3; ` + lower
	)
	go func() {
		for seen := 0; ; {
			r.mu.Lock()
			fresh, more := r.events[seen:], r.more
			seen = len(r.events)
			r.mu.Unlock()
			for _, e := range fresh {
				switch {
				case e.Kind == event.StepStarted && e.Step == "flip":
					go func() { _, _ = c.Run(t.Context(), e.Host, fmt.Sprintf(starts, 5)) }()
				case e.Kind == event.StepDone && e.Step == "gate:health":
					_, _ = c.Run(t.Context(), e.Host, fmt.Sprintf(serves, 0))
				}
			}
			select {
			case <-more:
			case <-r.done:
				return
			}
		}
	}()
}

// besides is the content without the list of dashboards, to which users add.
func besides(content string) string {
	var out strings.Builder
	for line := range strings.Lines(content) {
		if !strings.HasPrefix(line, "/api/search") {
			out.WriteString(line)
		}
	}
	return out.String()
}

// gaps are the five longest times without a success, and when in the run each ended.
func gaps(answers []answer, begun time.Time, r *toolRun) string {
	type gap struct{ long, at time.Duration }
	var all []gap
	var last time.Time
	for _, a := range answers {
		if a.err != nil {
			continue
		}
		if !last.IsZero() {
			all = append(all, gap{a.end.Sub(last), a.end.Sub(begun)})
		}
		last = a.end
	}
	slices.SortFunc(all, func(a, b gap) int { return cmp.Compare(b.long, a.long) })
	var said []string
	for _, g := range all[:min(5, len(all))] {
		said = append(said, fmt.Sprintf("%s at %s (%s)", g.long.Round(time.Millisecond), g.at.Round(10*time.Millisecond), r.doing(begun.Add(g.at-g.long))))
	}
	return strings.Join(said, ", ")
}
