package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"hash/fnv"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// killPoint is one step boundary of a turn: an event of the tool, or a word of the
// turn that goes on on the host.
type killPoint struct {
	name  string
	event func(event.Event) bool
	word  string
}

// turnPoints are the boundaries of a turn's steps, in their order.
func turnPoints() []killPoint {
	points := []killPoint{
		{name: "turn begins", event: func(e event.Event) bool { return e.Kind == event.TurnStarted }},
		{name: "drain", event: step(event.StepStarted, "drain")},
		{name: "waited", event: step(event.StepDone, "drain")},
		{name: "sent", event: step(event.StepStarted, "flip")},
		{name: "stop", word: "stop"},
		{name: "stopped", word: "stopped"},
		{name: "flipped", word: "flipped"},
		{name: "start", word: "start"},
		{name: "started", word: "started"},
		{name: "came back", event: step(event.StepDone, "flip")},
	}
	for _, g := range []string{"service", "health", "members", "stability"} {
		points = append(points, gatePoints(g)...)
	}
	return append(points,
		killPoint{name: "undrain", event: step(event.StepStarted, "undrain")},
		killPoint{name: "undrained", event: step(event.StepDone, "undrain")},
		killPoint{name: "settle", event: step(event.StepStarted, "settle")},
		killPoint{name: "turn ended", event: func(e event.Event) bool { return e.Kind == event.TurnDone }},
	)
}

func gatePoints(gate string) []killPoint {
	return []killPoint{
		{name: "before gate " + gate, event: step(event.StepStarted, "gate:"+gate)},
		{name: "after gate " + gate, event: step(event.StepDone, "gate:"+gate)},
	}
}

// killCommand is a change that is killed, and how to go on after it.
type killCommand struct {
	name   string
	points []killPoint
	// once comes before the first point, prepare before each.
	once    func(t *testing.T, c *labCluster)
	prepare func(t *testing.T, c *labCluster, n int)
	args    []string
	resume  []string
	after   func(t *testing.T, c *labCluster)
}

func killCommands() []killCommand {
	apply := []string{"apply", "--yes"}
	upgrade := []string{"upgrade", "--to", labtest.V1032, "--no-backup", "--yes"}
	return []killCommand{
		{name: "config", points: turnPoints(), args: apply, resume: apply,
			prepare: func(t *testing.T, c *labCluster, n int) { c.theme(t, fmt.Sprintf("/d/%d", n)) }},
		// What is resumed with apply is what the next rollback goes back from.
		{name: "rollback", points: turnPoints(), args: []string{"rollback", "--yes"}, resume: apply,
			once: func(t *testing.T, c *labCluster) {
				c.theme(t, "/r")
				c.must(t, apply...)
			}},
		{name: "upgrade", points: turnPoints(), args: upgrade, resume: upgrade, after: backToTheOldVersion},
		{name: "restart", points: turnPoints(), args: []string{"restart", "--yes"}, resume: apply},
		// The gate of Live costs ten seconds a turn.
		{name: "restart with Live", points: gatePoints("live"), args: []string{"restart", "--yes"}, resume: apply,
			once: func(t *testing.T, c *labCluster) {
				c.inv.Edit(t, func(doc map[string]any) {
					doc["live"] = map[string]any{"redis": map[string]any{"address": c.inv.Redis}}
				})
				c.must(t, apply...)
			}},
	}
}

// backToTheOldVersion, on two hosts at once, since it is no part of the test.
func backToTheOldVersion(t *testing.T, c *labCluster) {
	t.Helper()
	c.inv.Edit(t, rollout(map[string]any{"settle": "0s", "drain": "0s", "batch": 2, "max_unavailable": 2})) // names the old version again
	c.must(t, "apply", "--yes", "--allow-downgrade", "--no-backup", "--skip-check", "all")
	c.inv.Edit(t, rollout(killedRollout))
}

var killedRollout = map[string]any{"settle": "500ms", "drain": "2s"}

// A run that is killed without a word, at every step boundary of a turn, leaves the
// cluster serving, no lock and no drained host behind once the next run is over, and
// never takes a second host down.
func TestARunThatIsKilledAtAnyStepIsFinishedByTheNext(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy", NoLive: true,
		Source: labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1032: nil})),
		Edit:   rollout(killedRollout),
	})
	own := c.ownStart(t)
	all := os.Getenv(labtest.AllEnv) != ""
	n := 0
	for _, cmd := range killCommands() {
		once := sync.OnceFunc(func() {})
		if cmd.once != nil {
			once = sync.OnceFunc(func() { cmd.once(t, c) })
		}
		for _, at := range cmd.points {
			n++
			if !all && !chosen(cmd.name, at.name) {
				continue
			}
			t.Run(cmd.name+"/"+at.name, func(t *testing.T) {
				once()
				c.killedAt(t, cmd, at, n, own)
			})
		}
	}
}

// ownStart is how long a host needs by itself to stop, start and serve.
func (c *labCluster) ownStart(t *testing.T) time.Duration {
	t.Helper()
	start := time.Now()
	c.Sh(t, c.hosts[0], "systemctl restart grafana-server")
	c.waitServing(t, labTimeout)
	return time.Since(start)
}

// chosen picks about five of all cases, others on each day.
func chosen(command, point string) bool {
	h := fnv.New32a()
	day := time.Now().YearDay()
	if seed, err := strconv.Atoi(os.Getenv("GHADEPLOY_KILL_SEED")); err == nil {
		day = seed
	}
	fmt.Fprintf(h, "%d %s %s", day, command, point)
	return h.Sum32()%18 == 0
}

func (c *labCluster) killedAt(t *testing.T, cmd killCommand, at killPoint, n int, own time.Duration) {
	if cmd.prepare != nil {
		cmd.prepare(t, c, n)
	}
	watch := c.watchDown(t)
	c.killAt(t, cmd.args, at)
	killed := time.Now()
	// With nobody's help, within its own start time; a busy machine takes longer.
	c.waitServing(t, 3*own+5*time.Second)
	t.Logf("all hosts serve %s after the kill; a restart takes %s", time.Since(killed).Round(10*time.Millisecond), own.Round(10*time.Millisecond))
	c.waitUnlocked(t, 10*time.Second)
	c.must(t, cmd.resume...)
	watch.wantAtMost(t, 1)
	c.wantConverged(t)
	if cmd.after != nil {
		cmd.after(t, c)
	}
}

// killAt starts a command and kills it with SIGKILL at a point.
func (c *labCluster) killAt(t *testing.T, args []string, at killPoint) {
	t.Helper()
	if at.event != nil {
		r := c.begin(t, args...)
		r.until(at.name, at.event)
		_ = r.cmd.Process.Kill()
		<-r.done
		return
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	words := make(chan struct{}, 1)
	for _, h := range c.hosts {
		c.Sh(t, h, "rm -f /run/ghadeploy-turn")
		go func() {
			if c.hears(ctx, h, at.word) {
				words <- struct{}{}
			}
		}()
	}
	r := c.begin(t, args...)
	select {
	case <-words:
	case <-r.done:
		t.Fatalf("the run ended without the word %q:\n%s", at.word, r.story())
	case <-ctx.Done():
		t.Fatalf("no host said %q:\n%s", at.word, r.story())
	}
	_ = r.cmd.Process.Kill()
	<-r.done
}

// hears follows what a turn says on a host until it says word.
func (c *labCluster) hears(ctx context.Context, host, word string) bool {
	cmd := exec.CommandContext(ctx, "ssh", "-F", c.SSHConfig, host, "tail -n +1 -s 0.02 -F /run/ghadeploy-turn 2>/dev/null")
	out, err := cmd.StdoutPipe()
	if err != nil || cmd.Start() != nil {
		return false
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	sc := bufio.NewScanner(out)
	for sc.Scan() {
		if f := strings.Fields(sc.Text()); len(f) == 2 && f[1] == word {
			return true
		}
	}
	return false
}

// waitUnlocked waits until no host is locked any more.
func (c *labCluster) waitUnlocked(t *testing.T, within time.Duration) {
	t.Helper()
	labtest.Wait(t, within, "the lock to be free", func() (bool, string) {
		r := labtest.Ghadeploy(t, "lock", c.inv.Path, "-o", "json")
		var doc lockResult
		if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
			return false, r.Stdout + r.Stderr
		}
		for _, h := range doc.Hosts {
			if h.Held != nil {
				return false, h.Host + " is held by " + h.Held.Who()
			}
		}
		return len(doc.Hosts) == len(c.hosts), r.Stdout
	})
}
