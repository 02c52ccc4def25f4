package main_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// A host that is off before or during apply: exit 4 with its name, nothing done to
// any other host after that, and the others go on serving. Once it is back the
// same command finishes the job.
func TestLabAHostWithoutPowerEndsTheRun(t *testing.T) {
	c := newTrial(t, labtest.Options{NoLive: true, Edit: func(doc map[string]any) {
		hasty(doc)
		doc["rollout"].(map[string]any)["gate_timeout"] = "20s" // a host is waited for that long: it may be rebooting
	}})
	c.run(t, 0, "apply", "--yes")

	t.Run("before", func(t *testing.T) {
		c.set(t, "users", "default_theme", "light")
		c.without(t, "h3", func(others *trial) {
			before := others.trees(t, ownedPlaces)
			namesLost(t, c.run(t, 4, "apply", "--yes"), "h3")
			sameTrees(t, "an apply that could not reach h3", before, others.trees(t, ownedPlaces))
			others.serve(t)
		})
		c.finishes(t)
	})
	for name, lost := range map[string]func(turn string) string{
		"in its turn":       func(turn string) string { return turn },
		"in another's turn": func(turn string) string { return c.hosts[(slices.Index(c.hosts, turn)+1)%3] },
	} {
		t.Run(name, func(t *testing.T) {
			if name != "in its turn" {
				labtest.Slow(t)
			}
			c.set(t, "users", "default_theme", "dark "+strings.ReplaceAll(name, "'", ""))
			before := c.processes(t)
			run := c.start(t, "apply", "--yes")
			turn := run.until(t, "a turn", func(e event.Event) bool { return e.Kind == event.TurnStarted }).Host
			dead := lost(turn)
			c.without(t, dead, func(others *trial) {
				r := run.wait(t)
				if r.Code != 4 {
					t.Errorf("exit %d, want 4", r.Code)
				}
				namesLost(t, r, dead)
				for h, now := range others.processes(t) {
					if h != turn && now != before[h] {
						t.Errorf("%s was restarted after %s was lost", h, dead)
					}
				}
				others.serve(t)
			})
			c.finishes(t)
		})
	}
}

// without cuts a host's power, and gives it back at the end.
func (c *trial) without(t *testing.T, host string, do func(others *trial)) {
	t.Helper()
	c.Do(t, "kill", host)
	defer c.Do(t, "start", host)
	do(&trial{Lab: c.Lab, inv: c.inv, hosts: slices.DeleteFunc(slices.Clone(c.hosts), func(h string) bool { return h == host })})
}

func namesLost(t *testing.T, r labtest.Ran, host string) {
	t.Helper()
	if !strings.Contains(r.Stdout+r.Stderr, host+": unreachable") {
		t.Errorf("no word of %s being unreachable:\n%s%s", host, r.Stdout, r.Stderr)
	}
}

// serve asserts that all hosts answer.
func (c *trial) serve(t *testing.T) {
	t.Helper()
	for _, h := range c.hosts {
		labtest.Wait(t, 10*time.Second, h+" to serve", func() (bool, string) {
			status, body, err := request("GET", c.url(h)+"/api/health", "", nil)
			return status == http.StatusOK, string(body) + " " + errText(err)
		})
	}
}

func errText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// finishes applies again and wants nothing left to do.
func (c *trial) finishes(t *testing.T) {
	t.Helper()
	c.run(t, 0, "apply", "--yes")
	c.run(t, 0, "plan", "--detailed-exitcode")
	c.serve(t)
}
