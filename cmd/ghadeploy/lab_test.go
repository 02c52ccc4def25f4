package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// labTimeout is how long a host may take to be what it should be again.
const labTimeout = 40 * time.Second

// labCluster is a cluster that ghadeploy has deployed in the lab.
type labCluster struct {
	*labtest.Lab
	inv   *labtest.Inventory
	hosts []string
	// home keeps the operator's journal of this test apart.
	home string
	// patience is how long a command may take; 0: fiveMinutes.
	patience time.Duration
}

// fiveMinutes is what any command on stand-ins needs at most, on a busy machine too.
const fiveMinutes = 5 * time.Minute

// labDeployed deploys the cluster of o on fresh hosts.
func labDeployed(t *testing.T, o labtest.Options) *labCluster {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"h1", "h2", "h3"}
	}
	lab := labtest.Need(t, append([]string{"svc"}, o.Hosts...)...)
	lab.Lock(t)
	lab.Wipe(t, o.Hosts...)
	t.Cleanup(func() {
		// HAProxy sends requests to whatever serves: other tests have three hosts.
		for _, h := range o.Hosts[min(3, len(o.Hosts)):] {
			_, _ = lab.Run(context.Background(), h, "systemctl disable --now grafana-server")
		}
	})
	c := &labCluster{Lab: lab, inv: lab.Inventory(t, o), hosts: o.Hosts, home: t.TempDir()}
	c.must(t, "apply", "--yes")
	if o.Balancer == "haproxy" {
		up := map[string]string{}
		for _, h := range o.Hosts {
			up[h] = "UP"
		}
		c.waitBalancer(t, up) // whose own checks take some seconds
	}
	return c
}

// labSource puts releases into one folder and gives the artifact.source that finds
// each by its version.
func labSource(t *testing.T, byVersion map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for version, path := range byVersion {
		if err := os.Symlink(path, filepath.Join(dir, "grafana-"+version+".tar.gz")); err != nil {
			t.Fatal(err)
		}
	}
	return filepath.Join(dir, "grafana-{version}.tar.gz")
}

// rollout is an edit of the inventory's rollout section.
func rollout(keys map[string]any) func(map[string]any) {
	return func(doc map[string]any) { doc["rollout"] = keys }
}

// theme is a change of the configuration that restarts every host.
func (c *labCluster) theme(t *testing.T, name string) {
	t.Helper()
	c.inv.Edit(t, func(doc map[string]any) {
		doc["grafana"].(map[string]any)["config"].(map[string]any)["users"] = map[string]any{"home_page": name}
	})
}

// arguments puts the inventory behind the command's own name.
func (c *labCluster) arguments(args []string) []string {
	return append([]string{args[0], c.inv.Path}, args[1:]...)
}

// toolRun is ghadeploy at work, seen through its events.
type toolRun struct {
	t      *testing.T
	cmd    *exec.Cmd
	mu     sync.Mutex
	events []event.Event
	more   chan struct{} // closed and replaced with every event
	last   lastLine
	stderr bytes.Buffer
	done   chan struct{}
	err    error
	start  time.Time
	took   time.Duration
	late   error // why the test stopped it; nil when it ended by itself
}

// begin starts ghadeploy with -o json.
func (c *labCluster) begin(t *testing.T, args ...string) *toolRun {
	t.Helper()
	r := &toolRun{t: t, more: make(chan struct{}), done: make(chan struct{}), start: time.Now()}
	patience := cmp.Or(c.patience, fiveMinutes)
	ctx, cancel := context.WithTimeoutCause(context.WithoutCancel(t.Context()), patience, fmt.Errorf("stopped by the test: not done after %s", patience))
	r.cmd = exec.CommandContext(ctx, labtest.Tool(t), append(c.arguments(args), "-o", "json")...)
	r.cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+c.home)
	r.cmd.Stderr = &r.stderr
	out, err := r.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := r.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer cancel()
		r.read(out)
		r.err = r.cmd.Wait()
		r.took = time.Since(r.start)
		if ctx.Err() != nil {
			r.late = context.Cause(ctx)
		}
		close(r.done)
	}()
	t.Cleanup(func() {
		_ = r.cmd.Process.Kill()
		<-r.done
	})
	return r
}

func (r *toolRun) read(out io.Reader) {
	sc := bufio.NewScanner(out)
	sc.Buffer(nil, 16<<20)
	var document []byte // an error of before the run has many lines
	for sc.Scan() {
		var e event.Event
		r.mu.Lock()
		if err := json.Unmarshal(sc.Bytes(), &e); err != nil || e.Kind == "" {
			document = append(append(document, sc.Bytes()...), '\n')
			_ = json.Unmarshal(document, &r.last)
		} else {
			r.events = append(r.events, e)
		}
		close(r.more)
		r.more = make(chan struct{})
		r.mu.Unlock()
	}
}

// until waits for an event; it fails the test when the run ends without it.
func (r *toolRun) until(what string, match func(event.Event) bool) event.Event {
	r.t.Helper()
	e, ok := r.see(match)
	if !ok {
		r.t.Fatalf("the run ended without %s:\n%s", what, r.story())
	}
	return e
}

// see waits for an event, or for the end of the run.
func (r *toolRun) see(match func(event.Event) bool) (event.Event, bool) {
	for seen := 0; ; {
		r.mu.Lock()
		fresh, more := r.events[seen:], r.more
		seen = len(r.events)
		r.mu.Unlock()
		if i := slices.IndexFunc(fresh, match); i >= 0 {
			return fresh[i], true
		}
		select {
		case <-more:
		case <-r.done:
			r.mu.Lock()
			i := slices.IndexFunc(r.events[seen:], match)
			r.mu.Unlock()
			if i < 0 {
				return event.Event{}, false
			}
		}
	}
}

// step matches the start (or end) of a step.
func step(kind event.Kind, name string) func(event.Event) bool {
	return func(e event.Event) bool { return e.Kind == kind && e.Step == name }
}

// wait waits for the end and gives the exit code.
func (r *toolRun) wait() int {
	<-r.done
	var exit *exec.ExitError
	if errors.As(r.err, &exit) {
		return exit.ExitCode()
	}
	return 0
}

// message is the error that the run ended with.
func (r *toolRun) message() string {
	if r.last.Error == nil {
		return ""
	}
	b, _ := json.Marshal(r.last.Error)
	return string(b)
}

// outcomes are the hosts' at the end.
func (r *toolRun) outcomes() map[string]string {
	out := map[string]string{}
	if r.last.Result != nil {
		for h, o := range r.last.Result.Hosts {
			out[h] = o.Outcome
		}
	}
	return out
}

// story is what happened, for whoever reads a failure.
func (r *toolRun) story() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	var b strings.Builder
	for _, e := range r.events {
		if e.Kind == event.StepProgress && e.Error == "" {
			continue
		}
		fmt.Fprintf(&b, "%6.2f %-14s %-4s %-18s %s %s\n", e.Time.Sub(r.start).Seconds(), e.Kind, e.Host, e.Step, e.Message, e.Error)
	}
	if r.late != nil {
		fmt.Fprintf(&b, "%v\n", r.late)
	}
	fmt.Fprintf(&b, "%s\n%s", r.message(), r.stderr.String())
	return b.String()
}

// doing is what the run had last begun at a moment.
func (r *toolRun) doing(at time.Time) string {
	said := "before it"
	for _, e := range r.events {
		if e.Time.After(at) {
			break
		}
		if e.Step != "" {
			said = strings.TrimSpace(e.Host + " " + string(e.Kind) + " " + e.Step)
		}
	}
	return said
}

// must runs a command to its end and wants it to succeed.
func (c *labCluster) must(t *testing.T, args ...string) *toolRun {
	t.Helper()
	r := c.begin(t, args...)
	if code := r.wait(); code != 0 {
		t.Fatalf("ghadeploy %v: exit %d after %s\n%s", args, code, r.took.Round(time.Millisecond), r.story())
	}
	return r
}

// healthy tells whether the host's own Grafana says that all is well.
func (c *labCluster) healthy(ctx context.Context, host string) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+c.Host(host)+":3000/api/health", nil)
	if err != nil {
		return err
	}
	req.Close = true
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("HTTP %d", resp.StatusCode)
	}
	return nil
}

// waitServing waits until every host serves, with nobody's help.
func (c *labCluster) waitServing(t *testing.T, within time.Duration) {
	t.Helper()
	labtest.Wait(t, within, "all hosts to serve", func() (bool, string) {
		for _, h := range c.hosts {
			if err := c.healthy(t.Context(), h); err != nil {
				return false, h + ": " + err.Error()
			}
		}
		return true, ""
	})
}

// balancer reads what HAProxy says of each host: "UP", "DOWN", "DRAIN", "MAINT".
func (c *labCluster) balancer(t *testing.T) map[string]string {
	t.Helper()
	resp, err := http.Get("http://" + c.Host("svc") + ":8404/;csv")
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	rows, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	status := slices.Index(rows[0], "status")
	out := map[string]string{}
	for _, row := range rows[1:] {
		if row[0] == "lab_grafana" && slices.Contains(c.hosts, row[1]) {
			out[row[1]] = row[status]
		}
	}
	return out
}

// wantNoneDrained fails when the balancer keeps a host out.
func (c *labCluster) wantNoneDrained(t *testing.T) {
	t.Helper()
	for h, state := range c.balancer(t) {
		if strings.HasPrefix(state, "DRAIN") || strings.HasPrefix(state, "MAINT") {
			t.Errorf("%s is left in state %s in the load balancer", h, state)
		}
	}
}

// wantConverged wants nothing left to do, every host serving, nobody drained.
func (c *labCluster) wantConverged(t *testing.T) {
	t.Helper()
	c.wantNoneDrained(t)
	r := c.begin(t, "plan", "--detailed-exitcode")
	if code := r.wait(); code != 0 {
		t.Errorf("plan ends with %d, want 0: nothing to do\n%s", code, r.story())
	}
	for _, h := range c.hosts {
		if err := c.healthy(t.Context(), h); err != nil {
			t.Errorf("%s: %v", h, err)
		}
	}
}

// downWatch remembers how many hosts were down at once at worst.
type downWatch struct {
	stop  context.CancelFunc
	ended chan struct{}
	worst int
	which []string
}

// watchDown looks at all hosts until the end of the test or stop.
func (c *labCluster) watchDown(t *testing.T) *downWatch {
	ctx, cancel := context.WithCancel(context.WithoutCancel(t.Context()))
	w := &downWatch{stop: cancel, ended: make(chan struct{})}
	go func() {
		defer close(w.ended)
		for ctx.Err() == nil {
			w.look(ctx, c)
			select {
			case <-ctx.Done():
			case <-time.After(50 * time.Millisecond):
			}
		}
	}()
	t.Cleanup(func() { cancel(); <-w.ended })
	return w
}

func (w *downWatch) look(ctx context.Context, c *labCluster) {
	var mu sync.Mutex
	var down []string
	var wg sync.WaitGroup
	for _, h := range c.hosts {
		wg.Go(func() {
			if err := c.healthy(ctx, h); err != nil && ctx.Err() == nil {
				mu.Lock()
				down = append(down, h+": "+err.Error())
				mu.Unlock()
			}
		})
	}
	wg.Wait()
	if len(down) > w.worst && ctx.Err() == nil {
		w.worst, w.which = len(down), down
	}
}

// wantAtMost ends the watch.
func (w *downWatch) wantAtMost(t *testing.T, n int) {
	t.Helper()
	w.stop()
	<-w.ended
	if w.worst > n {
		t.Errorf("%d hosts were down at once, want at most %d: %v", w.worst, n, w.which)
	}
}
