package tasks

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// drawn is a cluster as it was deployed, what has happened to its hosts since, and what is
// asked for then.
type drawn struct {
	name     string
	hosts    []string
	happened map[string]string // by host
	change   bool              // of the configuration
	tells    bool              // Redis tells of the nodes of Live
	command  string
	set      func(c *inventory.Cluster)
}

func (d drawn) String() string {
	return fmt.Sprintf("%s on %v, changed: %v, meanwhile: %v", d.command, d.hosts, d.change, d.happened)
}

func drawCase(rt *rapid.T) drawn {
	d := drawn{happened: map[string]string{}}
	for i := range rapid.IntRange(1, 5).Draw(rt, "hosts") {
		d.hosts = append(d.hosts, fmt.Sprintf("h%d", i+1))
	}
	for _, h := range d.hosts {
		if what := rapid.SampledFrom([]string{"", "", "", "down", "edited", "gates not passed", "drained"}).Draw(rt, h); what != "" {
			d.happened[h] = what
		}
	}
	d.change = rapid.Bool().Draw(rt, "change")
	d.command = rapid.SampledFrom([]string{"apply", "apply", "restart", "upgrade --to 10.3.2", "upgrade --to 11.6.0"}).Draw(rt, "command")
	ha := rapid.SampledFrom([]string{"gossip", "redis"}).Draw(rt, "ha")
	if len(d.hosts) == 1 { // with more, each would send every notification
		ha = rapid.SampledFrom([]string{"gossip", "none"}).Draw(rt, "ha of one host")
	}
	live := rapid.Bool().Draw(rt, "live")
	d.tells = rapid.Bool().Draw(rt, "Redis tells")
	batch := rapid.SampledFrom([]string{"1", "2", "50%"}).Draw(rt, "batch")
	most := rapid.SampledFrom([]string{"1", "2", "50%"}).Draw(rt, "max_unavailable")
	auto := rapid.Bool().Draw(rt, "settle auto")
	failure := rapid.SampledFrom([]string{"rollback", "stop", "continue"}).Draw(rt, "on_failure")
	major := rapid.SampledFrom([]string{"", majorHandover, majorOneFirst}).Draw(rt, "major")
	balancer := rapid.IntRange(0, 7).Draw(rt, "balancer") == 0 // each call of one is a process
	d.set = func(c *inventory.Cluster) {
		c.Alerting.HA, c.Rollout.Batch, c.Rollout.MaxUnavailable = ha, []string{batch}, most
		c.Rollout.SettleAuto, c.Rollout.Settle, c.Rollout.OnFailure, c.Rollout.Major = auto, 5*time.Second, failure, major
		if ha == "redis" {
			c.Alerting.Redis = inventory.Redis{Address: "10.0.0.9:6379", Prefix: "prod"}
		}
		if !live {
			c.Live = inventory.Live{}
		}
		if !balancer {
			c.LoadBalancer = inventory.LoadBalancer{Type: "none", CheckInterval: time.Second}
		}
	}
	return d
}

// happen does to the hosts what was drawn.
func (d drawn) happen(t *testing.T, s *scripted) {
	for name, what := range d.happened {
		h := s.hosts.Host(name)
		switch what {
		case "down":
			h.Stop()
		case "edited":
			h.Change("etc/grafana.ini")
		case "gates not passed":
			h.Forget()
		case "drained":
			_, _ = h.Run(t.Context(), remote.Command{Step: "mark as drained", Args: []string{"", "drained", "ops, today"}})
		}
	}
	if d.change {
		s.Alerting.Label = "other"
	}
}

// run carries the case out and says what is wrong; empty: nothing is.
func (d drawn) run(t *testing.T) string {
	s := newScripted(t, d.hosts...)
	s.Name = d.name
	d.set(s.Cluster)
	if d.tells {
		s.hosts.MeetOnRedis(s.Live.Redis.Prefix)
	}
	s.deployed(t)
	d.happen(t, s)
	r := s.runner(d.command, Options{})
	var res *Result
	var err error
	command, to, _ := strings.Cut(d.command, " --to ")
	switch command {
	case "restart":
		res, err = r.Restart(t.Context())
	case "upgrade":
		res, err = r.Upgrade(t.Context(), to)
		s.Grafana.Version = to
	default:
		res, err = r.Apply(t.Context())
	}
	_ = r.Close()
	if err != nil {
		return err.Error()
	}
	if diff := differs(s, res.Plan); diff != "" {
		return diff
	}
	if command == "restart" { // what the inventory would change is apply's business
		return ""
	}
	next := s.runner("apply", Options{})
	defer next.Close()
	p, err := next.Plan(t.Context())
	if err != nil || !p.Empty() {
		return fmt.Sprintf("after it there is something left to do: %+v (%v)", p, err)
	}
	return ""
}

// Whatever the cluster, what happened to it and what is asked for: events tell the steps
// of the plan, and then nothing is left to do. More cases: -rapid.checks=10000.
func TestWhateverIsPlannedIsWhatRuns(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", inMemory(t))
	t.Setenv("XDG_CACHE_HOME", inMemory(t))
	n := 0
	rapid.Check(t, func(rt *rapid.T) {
		d := drawCase(rt)
		n++
		d.name = fmt.Sprintf("prod%d", n) // a journal of its own
		wrong := ""
		synctest.Test(t, func(t *testing.T) { wrong = d.run(t) })
		if wrong != "" {
			rt.Fatalf("%s\n%s", d, wrong)
		}
	})
}

// inMemory is a folder that goes with the test, in memory where the machine has such a place:
// a journal is synced after every line, for which a busy disk takes longer than the rest.
func inMemory(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "ghadeploy-test-")
	if err != nil {
		return t.TempDir()
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	return dir
}
