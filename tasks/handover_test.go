package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

// handover gives the policy of a handover, h1 first.
func (r *rollout) handoverPolicy(first string, batches ...[]string) {
	r.plan.Policy = Policy{Kind: PolicyHandover, Batches: batches, TakesOver: []string{first}, Migrates: len(batches) > 1, OnFailure: "rollback"}
}

// In a handover somebody serves at every moment, and never two versions: the nodes of
// the test watch that. Starts do not meet at the migration lock.
func TestAHandoverServesOneVersionAtEveryMoment(t *testing.T) {
	c, r := startNodes(t, "old", "old", "old", "old")
	r.handoverPolicy("h1", []string{"h1"}, []string{"h2", "h3", "h4"})
	if err := r.roll(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(c.said, "\n"))
	}
	if want := []string{"drain h1", "flip h1 11.6.2", "switch"}; !slices.Equal(c.said[:3], want) {
		t.Errorf("first came %v, want %v", c.said[:3], want)
	}
	for i := 3; i < 6; i++ {
		if !strings.HasPrefix(c.said[i], "stop ") {
			t.Errorf("after the switch all others are stopped before one starts: %v", c.said)
		}
	}
	for name, n := range c.all {
		if n.version != "11.6.2" || !c.in[name] {
			t.Errorf("%s has %s, in the balancer: %v", name, n.version, c.in[name])
		}
		if o := r.outcomes[name]; o.Outcome != "done" {
			t.Errorf("%s: %+v", name, o)
		}
	}
	if c.together != 1 {
		t.Errorf("%d hosts started at the same moment: they meet at the migration lock", c.together)
	}
}

// What goes wrong in a handover leaves one version serving, and says which.
func TestAHandoverThatFails(t *testing.T) {
	for _, tt := range []struct {
		name   string
		break_ func(c *nodes, r *rollout)
		// what the hosts run at the end, and who is in the balancer
		versions string
		in       string
		says     []string
		outcomes map[string]string
	}{
		{"the first does not come up, nothing migrated", func(c *nodes, _ *rollout) { c.all["h1"].sick["11.6.2"] = true },
			"10.3.1 10.3.1 10.3.1", "h1 h2 h3", []string{"rolled back to Grafana 10.3.1"}, map[string]string{"h1": "rolled back"}},
		{"the first does not come up after it migrated", func(c *nodes, r *rollout) {
			c.all["h1"].sick["11.6.2"] = true
			r.migrations = func() func(context.Context) (int, error) {
				n := 0
				return func(context.Context) (int, error) { n++; return n, nil }
			}()
		}, "11.6.2 10.3.1 10.3.1", "h2 h3", []string{"migrations ran", "left on Grafana 11.6.2"}, map[string]string{"h1": "failed"}},
		{"the migration lost something", func(_ *nodes, r *rollout) {
			r.migrated = func(context.Context) error { return errors.New("dashboards: 2, now 1") }
		}, "11.6.2 10.3.1 10.3.1", "h2 h3", []string{"dashboards: 2, now 1"}, map[string]string{"h1": "done"}},
		{"the balancer does not switch", func(c *nodes, _ *rollout) { c.refuses = errors.New("permission denied") },
			"11.6.2 10.3.1 10.3.1", "h2 h3", []string{"permission denied", "h2, h3 still serve with 10.3.1, on the schema that 11.6.2 has made"}, map[string]string{"h1": "failed"}},
		{"a later host does not come up", func(c *nodes, _ *rollout) { c.all["h3"].sick["11.6.2"] = true },
			"11.6.2 11.6.2 11.6.2", "h1 h2", []string{"h3", "left on Grafana 11.6.2"}, map[string]string{"h1": "done", "h2": "done", "h3": "failed"}},
		{"a later host is lost when it is stopped", func(c *nodes, r *rollout) {
			c.all["h3"].lost[verbStop] = true
			r.cluster.Rollout.GateTimeout = 10 * time.Millisecond
		}, "11.6.2 11.6.2 10.3.1", "h1 h2", []string{"h3", "cable unplugged"}, map[string]string{"h1": "done", "h2": "done", "h3": "failed"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := startNodes(t, "old", "old", "old")
			r.handoverPolicy("h1", []string{"h1"}, []string{"h2", "h3"})
			tt.break_(c, r)
			err := r.roll(t.Context())
			if err == nil {
				t.Fatal("no error")
			}
			for _, want := range tt.says {
				if text := err.Error(); !strings.Contains(text, want) {
					t.Errorf("the error does not say %q: %s", want, text)
				}
			}
			var versions, in []string
			for _, h := range []string{"h1", "h2", "h3"} {
				versions = append(versions, c.all[h].version)
				if c.in[h] {
					in = append(in, h)
				}
			}
			if got := strings.Join(versions, " "); got != tt.versions {
				t.Errorf("the hosts have %s, want %s", got, tt.versions)
			}
			if got := strings.Join(in, " "); got != tt.in {
				t.Errorf("in the balancer: %s, want %s (%s)", got, tt.in, strings.Join(c.said, ", "))
			}
			for h, want := range tt.outcomes {
				if got := r.outcomes[h].Outcome; got != want {
					t.Errorf("%s: %q, want %q", h, got, want)
				}
			}
		})
	}
}

// A handover that was broken off is finished by the next run, from wherever it stood: the
// host with the new version waits outside until all is switched at once.
func TestABrokenOffHandoverIsFinished(t *testing.T) {
	for _, tt := range []struct {
		name string
		set  func(c *nodes, r *rollout)
	}{
		{"before the switch", func(*nodes, *rollout) {}},
		{"before the gates of the first", func(_ *nodes, r *rollout) {
			r.plan.Hosts[0].Actions = []Action{{Kind: ActionUndrain, Host: "h1"}}
		}},
		{"after the switch", func(c *nodes, _ *rollout) { c.in["h1"], c.in["h2"], c.in["h3"] = true, false, false }},
		{"with one other stopped", func(c *nodes, r *rollout) {
			c.in["h1"], c.in["h2"], c.in["h3"] = true, false, false
			c.all["h3"].running, r.up["h3"] = false, false
		}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c, r := startNodes(t, "new", "old", "old")
			r.handoverPolicy("h1", []string{"h2", "h3"})
			tt.set(c, r)
			if err := r.finishOthers(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := r.roll(t.Context()); err != nil {
				t.Fatalf("%v\n%s", err, strings.Join(c.said, "\n"))
			}
			for name, n := range c.all {
				if n.version != "11.6.2" || !n.running || !c.in[name] {
					t.Errorf("%s has %s, in the balancer: %v; %s", name, n.version, c.in[name], strings.Join(c.said, ", "))
				}
			}
		})
	}
}

// Ctrl-C before the first turn leaves everything; after it, the handover is finished, for
// old and new share the database until then.
func TestCtrlCInAHandover(t *testing.T) {
	for _, before := range []bool{true, false} {
		c, r := startNodes(t, "old", "old")
		r.handoverPolicy("h1", []string{"h1"}, []string{"h2"})
		stop := make(chan struct{})
		r.interrupt = stop
		if before {
			close(stop)
		} else {
			r.migrated = func(context.Context) error { close(stop); return nil }
		}
		err := r.roll(t.Context())
		if errors.Is(err, errInterrupted) != before || !before && err != nil {
			t.Errorf("told to stop before the first turn: %v; %v", before, err)
		}
		want := "11.6.2"
		if before {
			want = "10.3.1"
		}
		for name, n := range c.all {
			if n.version != want || !c.in[name] {
				t.Errorf("told to stop before the first turn: %v: %s has %s, in the balancer: %v", before, name, n.version, c.in[name])
			}
		}
	}
}

// A host that an operator drained does not take over, and is not put back.
func TestAHandoverLeavesAHostDrainedThatWasDrainedByHand(t *testing.T) {
	c, r := startNodes(t, "old", "old", "old")
	r.handoverPolicy("h1", []string{"h1"}, []string{"h2", "h3"})
	r.byHand["h3"], c.in["h3"] = "ops@laptop", false
	if err := r.roll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if c.in["h3"] || c.all["h3"].version != "11.6.2" {
		t.Errorf("h3 has %s, in the balancer: %v", c.all["h3"].version, c.in["h3"])
	}
}

// A start that failed and was healed by systemd stands in the result.
func TestAHealedStartIsTold(t *testing.T) {
	c, r := startNodes(t, "old", "old")
	r.handoverPolicy("h1", []string{"h1"}, []string{"h2"})
	c.all["h2"].restarts = 1
	if err := r.roll(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := r.outcomes["h2"].Detail; !strings.Contains(got, "its start failed once, and systemd started it again") {
		t.Errorf("detail %q", got)
	}
	if got := r.outcomes["h1"].Detail; got != "" {
		t.Errorf("detail of h1: %q", got)
	}
}
