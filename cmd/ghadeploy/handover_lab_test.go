package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// handover is the rollout of a cluster whose major upgrades are handovers.
func handover(keys map[string]any) func(map[string]any) {
	all := map[string]any{"major": "handover", "gate_timeout": "15s"}
	for k, v := range keys {
		all[k] = v
	}
	return with(all)
}

// use is what users of a cluster see: reads and writes through the balancer, and which
// version answers.
type use struct {
	reads  *load
	begun  time.Time
	cancel context.CancelFunc
	wg     sync.WaitGroup

	mu     sync.Mutex
	writes []write
	seen   []sight
}

// write is the saving of a dashboard.
type write struct {
	uid string
	at  time.Time
	err error
}

// sight is a version that answered a request which began at a moment.
type sight struct {
	at      time.Time
	version string
}

// used begins to read 200 times a second, to save a dashboard each second, and to ask
// for the version ten times a second.
func (c *labCluster) used(t *testing.T) *use {
	t.Helper()
	return c.usedAt(t, 5*time.Millisecond)
}

// usedAt is [labCluster.used] with a read every so often.
func (c *labCluster) usedAt(t *testing.T, apart time.Duration) *use {
	t.Helper()
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	u := &use{reads: c.load(t, c.login(t), "/api/user", apart), begun: time.Now(), cancel: cancel}
	every := func(d time.Duration, do func(n int)) {
		u.wg.Go(func() {
			tick := time.NewTicker(d)
			defer tick.Stop()
			for n := 0; ; n++ {
				select {
				case <-ctx.Done():
					return
				case <-tick.C:
					do(n)
				}
			}
		})
	}
	every(time.Second, func(n int) { c.save(u, fmt.Sprintf("w%d", n)) })
	every(100*time.Millisecond, func(int) { c.look(u) })
	t.Cleanup(u.end)
	return u
}

func (u *use) end() {
	u.cancel()
	u.reads.end()
	u.wg.Wait()
}

// save saves a dashboard as a user would, with one connection for each.
func (c *labCluster) save(u *use, uid string) {
	w := write{uid: uid, at: time.Now()}
	body, err := json.Marshal(map[string]any{"dashboard": map[string]any{"title": uid, "uid": uid}, "overwrite": true})
	if err == nil {
		_, err = c.ask(http.MethodPost, "/api/dashboards/db", body)
	}
	w.err = err
	u.mu.Lock()
	defer u.mu.Unlock()
	u.writes = append(u.writes, w)
}

func (c *labCluster) look(u *use) {
	s := sight{at: time.Now()}
	b, err := c.ask(http.MethodGet, "/api/health", nil)
	var v struct{ Version string }
	if err != nil || json.Unmarshal(b, &v) != nil {
		return // the reads count what fails
	}
	s.version = v.Version
	u.mu.Lock()
	defer u.mu.Unlock()
	u.seen = append(u.seen, s)
}

func (c *labCluster) ask(method, path string, body []byte) ([]byte, error) {
	req, err := http.NewRequest(method, "http://"+c.Host("svc")+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	req.SetBasicAuth("admin", c.inv.AdminPassword)
	req.Header.Set("Content-Type", "application/json")
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: 15 * time.Second}
	resp, err := client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = fmt.Errorf("HTTP %d: %.200s", resp.StatusCode, b)
	}
	return b, err
}

// wantUsers wants no read and no write to have failed, every write to be there, and no
// answer of the old version to a request that began after one of the new version did. It
// gives the figures.
func (u *use) wantUsers(t *testing.T, c *labCluster, over time.Time) string {
	t.Helper()
	u.end()
	n, failed, p99, gap := sums(u.reads.answers, u.begun, over)
	var refused, lost []string
	there := strings.Fields(c.dashboards(t))
	for _, w := range u.writes {
		switch {
		case w.err != nil:
			refused = append(refused, fmt.Sprintf("%s at %s: %v", w.uid, w.at.Sub(u.begun).Round(time.Millisecond), w.err))
		case !slices.Contains(there, w.uid):
			lost = append(lost, w.uid)
		}
	}
	figures := fmt.Sprintf("%d reads, %d failed, p99 %s, longest gap %s; %d writes, %d refused, %d lost",
		n, len(failed), p99.Round(100*time.Microsecond), gap.Round(time.Millisecond), len(u.writes), len(refused), len(lost))
	if len(failed)+len(refused)+len(lost) > 0 {
		t.Errorf("%s\nreads: %v\nwrites refused: %v\nwrites lost: %v", figures, firstOf(failed), firstOf(refused), lost)
	}
	slices.SortFunc(u.seen, func(a, b sight) int { return a.at.Compare(b.at) })
	var versions []string
	for _, s := range u.seen {
		if len(versions) == 0 || versions[len(versions)-1] != s.version {
			versions = append(versions, s.version)
		}
	}
	if len(versions) > 2 {
		t.Errorf("versions answered by turns: %v", versions)
	}
	return figures
}

// firstOf are the first of many faults, one a line.
func firstOf(faults []string) string { return strings.Join(faults[:min(10, len(faults))], "\n  ") }

// wantNoRace wants no host to have found the migration lock taken.
func (c *labCluster) wantNoRace(t *testing.T) {
	t.Helper()
	for _, h := range c.hosts {
		if n := strings.TrimSpace(c.Sh(t, h, "journalctl -u grafana-server -o cat | grep -c 'failed to obtain lock' || :")); n != "0" {
			t.Errorf("%s found the migration lock taken %s times", h, n)
		}
	}
}

// In a handover nobody notices anything: every read and write is answered, one version
// serves at each moment, and no two hosts meet at the migration lock.
func TestLabAHandoverIsNotNoticed(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", Edit: handover(nil),
		Source: labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1160: {labtest.SlowMigration}}))})
	u := c.used(t)
	r := c.must(t, major...)
	p := r.last.Result.Plan.Policy
	if p.Kind != tasks.PolicyHandover || len(p.TakesOver) != 1 || p.Outage == "" {
		t.Fatalf("policy %+v, want %s", p, tasks.PolicyHandover)
	}
	t.Log(u.wantUsers(t, c, time.Now()))
	c.wantVersions(t, labtest.V1160)
	c.wantNoRace(t)
	c.wantConverged(t)
}

// What goes wrong before the first host has migrated leaves the others as they are, and
// what goes wrong afterwards leaves them serving, and says so.
func TestLabAHandoverThatFails(t *testing.T) {
	lab := labtest.Need(t)
	to := func(flags ...string) string {
		return labSource(t, lab.StandIns(t, map[string][]string{labtest.V1031: nil, labtest.V1160: flags}))
	}
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Source: to(), Edit: func(doc map[string]any) {
		handover(nil)(doc)
		doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1"}
	}})

	t.Run("before the migration", func(t *testing.T) {
		c.everywhere(t, refuseMajor)
		defer c.everywhere(t, allowMajor)
		watch := c.watchDown(t)
		r := c.begin(t, major...)
		if code := r.wait(); code != exitGate {
			t.Fatalf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		watch.wantAtMost(t, 1)
		if got := counted(r.outcomes()); got["rolled back"] != 1 || got["not reached"] != 2 {
			t.Errorf("outcomes %v", r.outcomes())
		}
		c.wantBack(t, r)
	})
	t.Run("Ctrl-C in the first host's turn", func(t *testing.T) {
		labtest.Slow(t)
		r := c.begin(t, major...)
		r.until("the flip", step(event.StepStarted, "flip"))
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if code := r.wait(); code != 0 {
			t.Fatalf("exit %d: the handover is finished first\n%s", code, r.story())
		}
		c.wantVersions(t, labtest.V1160)
		c.wantConverged(t)
	})
	if os.Getenv(labtest.AllEnv) != "" {
		c = labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Source: to(labtest.FailStart), Edit: func(doc map[string]any) {
			handover(nil)(doc)
			doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1"}
		}})
	}
	t.Run("after the migration", func(t *testing.T) {
		labtest.Slow(t)
		c.dumpTools(t, "h1")
		watch := c.watchDown(t)
		r := c.begin(t, "upgrade", "--to", labtest.V1160, "--yes")
		if code := r.wait(); code != exitGate {
			t.Fatalf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		watch.wantAtMost(t, 1)
		wantSays(t, r, "migrations ran")
		if !strings.Contains(r.story(), "still serve with 10.3.1, on the schema that 11.6.0 has made") {
			t.Errorf("nobody says what the others serve on:\n%s", r.story())
		}
		if got := counted(r.outcomes()); got["failed"] != 1 || got["not reached"] != 2 {
			t.Errorf("outcomes %v", r.outcomes())
		}
		c.wantBack(t, c.must(t, "rollback", "--yes", "--with-database", r.advised(t)))
	})
}

// handoverMoments are the moments of a handover at which a tool may die.
func handoverMoments() map[string]func(event.Event) bool {
	return map[string]func(event.Event) bool{
		"while the first is drained":     step(event.StepStarted, "drain"),
		"when the first's flip was sent": step(event.StepStarted, "flip"),
		"while the first's gates open":   step(event.StepStarted, "gate:health"),
		"before the switch":              step(event.StepDone, "gate:stability"),
		"after the switch":               step(event.StepDone, "switch"),
		"while the others are stopped":   step(event.StepStarted, "stop"),
		"when the others are stopped":    step(event.PhaseDone, "handover"),
		"when another has its new version": func() func(event.Event) bool {
			n := 0
			return func(e event.Event) bool {
				if e.Kind == event.StepDone && e.Step == "flip" {
					n++
				}
				return n == 2
			}
		}(),
	}
}

// A tool that dies at any moment of a handover leaves a cluster that serves with one
// version, and the next run finishes it without an outage.
func TestLabAKilledHandoverIsFinished(t *testing.T) {
	lab := labtest.Need(t)
	source := labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1160: nil}))
	for name, at := range handoverMoments() {
		t.Run(name, func(t *testing.T) {
			if name != "before the switch" {
				labtest.Slow(t)
			}
			c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Source: source, Edit: handover(nil)})
			u := c.used(t)
			r := c.begin(t, major...)
			r.until(name, at)
			_ = r.cmd.Process.Signal(syscall.SIGKILL)
			<-r.done
			c.waitUnlocked(t, labTimeout)
			r = c.must(t, major...)
			t.Log(name, r.last.Result.Plan.Policy.Batches, r.last.Result.Plan.Policy.TakesOver, u.wantUsers(t, c, time.Now()))
			c.wantVersions(t, labtest.V1160)
			c.wantConverged(t)
		})
	}
}
