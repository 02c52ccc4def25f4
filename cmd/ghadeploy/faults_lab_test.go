package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// fault is one thing that goes wrong in a host's turn, and what is right then.
type fault struct {
	name string
	slow bool
	// change is what is being rolled out; nil: a change of the configuration.
	change func(t *testing.T, c *labCluster)
	// at is when strike hits the host whose turn it is.
	at     func(event.Event) bool
	strike func(t *testing.T, c *labCluster, host string)
	heal   func(t *testing.T, c *labCluster, host string)
	// code and says are how the run ends; outcome how it leaves the host.
	code    int
	says    []string
	outcome string
	// down is how many hosts may be down at once.
	down int
	// resumed is something that the next apply does and says.
	resumed string
}

func (c *labCluster) source(t *testing.T, path string) {
	t.Helper()
	c.inv.Edit(t, func(doc map[string]any) {
		doc["grafana"].(map[string]any)["artifact"].(map[string]any)["source"] = path
	})
}

func onService(action string, unit string) func(*testing.T, *labCluster, string) {
	return func(t *testing.T, c *labCluster, _ string) {
		t.Cleanup(func() { c.Sh(t, "svc", "systemctl start "+unit) })
		c.Sh(t, "svc", "systemctl "+action+" "+unit)
	}
}

// away stops a service for a while and starts it again, while the run goes on.
func away(unit string, d time.Duration) func(*testing.T, *labCluster, string) {
	return func(t *testing.T, c *labCluster, _ string) {
		c.Sh(t, "svc", "systemctl stop "+unit)
		later(t, d, func(ctx context.Context) error {
			_, err := c.Run(ctx, "svc", "systemctl start "+unit)
			return err
		})
	}
}

// later does something after d, or at the end of the test when that comes first.
func later(t *testing.T, d time.Duration, do func(context.Context) error) {
	done := make(chan error, 1)
	ctx := context.WithoutCancel(t.Context())
	timer := time.AfterFunc(d, func() { done <- do(ctx) })
	t.Cleanup(func() {
		if timer.Stop() {
			done <- do(ctx)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

// takePort lets something else listen on Grafana's port each time before it starts.
const takePort = `
printf '[Socket]\nListenStream=3000\n' >/run/systemd/system/taker.socket
printf '[Service]\nExecStart=/bin/sleep inf\n' >/run/systemd/system/taker.service
mkdir -p /run/systemd/system/grafana-server.service.d
printf '[Service]\nExecStartPre=+/bin/systemctl start taker.socket\n' >/run/systemd/system/grafana-server.service.d/taker.conf
systemctl daemon-reload`

const givePortBack = `rm -rf /run/systemd/system/taker.* /run/systemd/system/grafana-server.service.d
systemctl stop taker.socket taker.service; systemctl daemon-reload; systemctl start grafana-server`

func (c *labCluster) everywhere(t *testing.T, script string) {
	t.Helper()
	for _, h := range c.hosts {
		c.Sh(t, h, script)
	}
}

func faults() []fault {
	sent := step(event.StepStarted, "flip")
	return []fault{
		{
			name: "start fails", code: 5, outcome: "rolled back", down: 1,
			change: func(t *testing.T, c *labCluster) { c.source(t, c.Release(t, labtest.V1031, labtest.FailStart)) },
			says:   []string{"gate service", "does not stay up", "it was rolled back to Grafana 10.3.1", "and serves"},
		},
		{
			name: "gate fails", slow: true, code: 5, outcome: "rolled back", down: 1,
			change: func(t *testing.T, c *labCluster) { c.source(t, c.Release(t, labtest.V1031, labtest.Unhealthy)) },
			says:   []string{"gate health", "503", "it was rolled back to Grafana 10.3.1", "and serves"},
		},
		{
			name: "port taken", slow: true, code: 5, outcome: "failed", down: 1,
			change: func(t *testing.T, c *labCluster) { c.theme(t, "/port"); c.everywhere(t, takePort) },
			heal:   func(t *testing.T, c *labCluster, _ string) { c.everywhere(t, givePortBack) },
			says: []string{"gate ", "restarts", "address already in use", "which is not healthy either", "stays out of the load balancer",
				"correct the cause, then: ghadeploy apply"},
		},
		{
			name: "disk full while staging", code: 1, outcome: "unchanged", down: 0,
			change: func(t *testing.T, c *labCluster) {
				c.source(t, c.Release(t, labtest.V1031, "-start-delay=1ms"))
				c.everywhere(t, "mkdir -p /opt/grafana/incoming && mount -t tmpfs -o size=64k tmpfs /opt/grafana/incoming")
			},
			heal: func(t *testing.T, c *labCluster, _ string) { c.everywhere(t, "umount /opt/grafana/incoming") },
			says: []string{"upload", "space", "what runs there was not touched"},
		},
		{
			name: "host reboots", code: 0, outcome: "done", down: 1, at: sent,
			strike: func(t *testing.T, c *labCluster, h string) { c.Sh(t, h, "systemctl --no-block reboot") },
		},
		{
			name: "host dies", slow: true, code: 4, outcome: "failed", down: 1, at: sent,
			strike: func(t *testing.T, c *labCluster, h string) { c.Do(t, "kill", h) },
			heal:   func(t *testing.T, c *labCluster, h string) { c.Do(t, "start", h) },
			says:   []string{"unreachable"},
		},
		{
			name: "link cut for 30 s", slow: true, code: 0, outcome: "done", down: 1, at: sent,
			change: func(t *testing.T, c *labCluster) { c.gateTimeout(t, "60s"); c.theme(t, "/link") },
			strike: func(t *testing.T, c *labCluster, h string) {
				c.Do(t, "cut", h)
				later(t, 30*time.Second, func(ctx context.Context) error { return c.Verb(ctx, "heal", h) })
			},
		},
		{
			name: "database down for 20 s", slow: true, code: 0, outcome: "done", down: 3, at: sent,
			change: func(t *testing.T, c *labCluster) { c.gateTimeout(t, "60s"); c.theme(t, "/database") },
			strike: away("postgresql@15-main", 20*time.Second),
		},
		{
			name: "Redis down", slow: true, code: 5, outcome: "failed", down: 1, at: sent,
			change: func(t *testing.T, c *labCluster) {
				c.inv.Edit(t, func(doc map[string]any) {
					doc["live"] = map[string]any{"redis": map[string]any{"address": c.Host("svc") + ":6379"}}
				})
				t.Cleanup(func() { c.inv.Edit(t, func(doc map[string]any) { delete(doc, "live") }) })
				c.must(t, "apply", "--yes")
				c.theme(t, "/redis")
			},
			strike: onService("stop", "redis-server"),
			heal:   onService("start", "redis-server"),
			says:   []string{"gate live", "answers no host any more", "no fault of", "it is left on", "back in the load balancer", "bring Redis at"},
			// Grafana that started without it never asks it again.
			resumed: "restart it, so that it joins",
		},
		{
			name: "database stays down", slow: true, code: 5, outcome: "failed", down: 3, at: sent,
			strike: onService("stop", "postgresql@15-main"),
			heal:   onService("start", "postgresql@15-main"),
			says:   []string{"answers no host any more", "no fault of", "it is left on", "back in the load balancer", "bring the database at"},
		},
		{
			name: "balancer gone before the run", code: 1,
			change: func(t *testing.T, c *labCluster) {
				c.theme(t, "/unreached")
				onService("stop", "haproxy")(t, c, "")
			},
			heal: onService("start", "haproxy"),
			says: []string{"read the state", "no host was touched", "bring the load balancer back, then run it again"},
		},
		{
			name: "balancer gone before the drain", code: 1, outcome: "failed",
			change: func(t *testing.T, c *labCluster) {
				hook := filepath.Join(c.inv.Dir, "stop-balancer")
				script := fmt.Sprintf("#!/bin/sh\nexec ssh -F %s svc systemctl stop haproxy </dev/null\n", c.SSHConfig)
				if err := os.WriteFile(hook, []byte(script), 0o755); err != nil {
					t.Fatal(err)
				}
				c.inv.Edit(t, func(doc map[string]any) { doc["hooks"] = map[string]any{"before_host": hook} })
				t.Cleanup(func() { c.Sh(t, "svc", "systemctl start haproxy") })
				c.theme(t, "/undrained")
			},
			heal: func(t *testing.T, c *labCluster, _ string) {
				c.inv.Edit(t, func(doc map[string]any) { delete(doc, "hooks") })
				c.Sh(t, "svc", "systemctl start haproxy")
			},
			says: []string{"drain", "Grafana on it was not touched", "it may be drained until the next run", "bring the load balancer back"},
		},
		{
			name: "balancer gone before the undrain", slow: true, code: 1, outcome: "failed", down: 1, at: sent,
			strike: onService("stop", "haproxy"),
			heal:   onService("start", "haproxy"),
			says:   []string{"undrain", "Grafana on it is healthy, but drained", "bring the load balancer back, then: ghadeploy apply"},
		},
	}
}

func (c *labCluster) gateTimeout(t *testing.T, d string) {
	t.Helper()
	c.inv.Edit(t, rollout(map[string]any{"settle": "0s", "drain": "2s", "gate_timeout": d}))
}

// Whatever goes wrong in a host's turn, the run says so and ends with the right code,
// the others serve, no healthy host stays drained, and the next apply converges.
func TestAFaultInATurnEndsThereAndTheNextApplyConverges(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: rollout(map[string]any{"settle": "0s", "drain": "2s", "gate_timeout": "15s"})})
	good := lab.Release(t, labtest.V1031)
	for i, f := range faults() {
		t.Run(f.name, func(t *testing.T) {
			if f.slow {
				labtest.Slow(t)
			}
			c.gateTimeout(t, "15s")
			c.source(t, good)
			if f.change != nil {
				f.change(t, c)
			} else {
				c.theme(t, strings.Repeat("/x", i+1))
			}
			c.faulty(t, f, good)
		})
	}
}

func (c *labCluster) faulty(t *testing.T, f fault, good string) {
	watch := c.watchDown(t)
	r := c.begin(t, "apply", "--yes")
	host := ""
	if f.at != nil {
		host = r.until(f.name, f.at).Host
		f.strike(t, c, host)
	}
	code := r.wait()
	t.Logf("%s: exit %d after %s: %s", f.name, code, r.took.Round(100*time.Millisecond), r.message())
	if e, ok := r.see(func(e event.Event) bool { return e.Kind == event.TurnStarted }); ok && host == "" {
		host = e.Host
	}
	watch.wantAtMost(t, f.down)
	if code != f.code {
		t.Errorf("exit %d, want %d\n%s", code, f.code, r.story())
	}
	for _, want := range f.says {
		if !strings.Contains(r.message(), want) {
			t.Errorf("the error does not say %q: %s", want, r.message())
		}
	}
	for h, o := range r.outcomes() {
		want := "not reached"
		if h == host || f.code == 0 || host == "" {
			want = f.outcome
		}
		if o != want {
			t.Errorf("%s is left as %q, want %q; the faulty host is %s", h, o, want, host)
		}
	}
	if f.heal != nil {
		f.heal(t, c, host)
	}
	c.source(t, good)
	c.waitServing(t, time.Minute)
	c.waitUnlocked(t, 30*time.Second)
	next := c.must(t, "apply", "--yes").story()
	if !strings.Contains(next, f.resumed) {
		t.Errorf("the next apply does not say %q:\n%s", f.resumed, next)
	}
	c.wantConverged(t)
}
