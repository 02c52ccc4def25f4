package tasks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// handoverInput is a cluster on 10.3.1 whose inventory says version, h1 the youngest.
func handoverInput(t *testing.T, c *inventory.Cluster, version string) planInput {
	t.Helper()
	old, now := desiredOf(t, c, "10.3.1"), desiredOf(t, c, version)
	in := planInput{cluster: c, command: "upgrade", selected: allSelected(c), desired: now, facts: map[string]*Facts{}, balancer: map[string]string{},
		old: map[string]map[string][]byte{}, noBackup: true}
	for i, h := range c.Hosts {
		in.facts[h.Name] = converged(old[h.Name], time.Duration(i+1)*time.Hour)
	}
	return in
}

// takes makes a host one that an earlier run took to the wanted version.
func takes(in planInput, host string) {
	in.facts[host] = converged(in.desired[host], time.Minute)
}

// How an upgrade goes whose versions must not serve side by side.
func TestWhoTakesOver(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(c *inventory.Cluster, in planInput)
		kind    PolicyKind
		batches string
		over    string
		reason  string
		warns   string
	}{
		{"wanted", func(*inventory.Cluster, planInput) {}, PolicyHandover, "h1; h2 h3", "h1", "", ""},
		{"one-first is wanted", func(c *inventory.Cluster, _ planInput) { c.Rollout.Major = "one-first" }, PolicyOneFirst, "h1; h2 h3", "", "", ""},
		{"no balancer", func(c *inventory.Cluster, _ planInput) { c.LoadBalancer = inventory.LoadBalancer{Type: "none"} },
			PolicyOneFirst, "h1; h2 h3", "", "no load balancer that could be told", "rollout.major: handover is not followed"},
		{"a command is a balancer", func(c *inventory.Cluster, _ planInput) { c.LoadBalancer = inventory.LoadBalancer{Type: "command"} },
			PolicyHandover, "h1; h2 h3", "h1", "", ""},
		{"who is drained by hand does not take over", func(_ *inventory.Cluster, in planInput) { in.facts["h1"].Drained = "ops@laptop" },
			PolicyHandover, "h2; h1 h3", "h2", "", ""},
		{"all are drained by hand", func(_ *inventory.Cluster, in planInput) {
			for _, f := range in.facts {
				f.Drained = "ops@laptop"
			}
		}, PolicyOneFirst, "h1; h2 h3", "", "every host is drained by hand", "not followed"},
		{"who serves nobody goes first", func(_ *inventory.Cluster, in planInput) { in.facts["h3"].Service = ServiceFacts{Active: "inactive"} },
			PolicyHandover, "h3; h1 h2", "h3", "", ""},
		{"who was left drained goes first", func(_ *inventory.Cluster, in planInput) { in.balancer["h2"] = "drain" },
			PolicyHandover, "h2; h1 h3", "h2", "", ""},
		{"broken off after the first", func(_ *inventory.Cluster, in planInput) { takes(in, "h2") },
			PolicyHandover, "h1 h3", "h2", "", "an upgrade was broken off"},
		{"broken off after two", func(_ *inventory.Cluster, in planInput) { takes(in, "h2"); takes(in, "h3") },
			PolicyHandover, "h1", "h2 h3", "", "broken off"},
		{"the first has the version and did not come up", func(_ *inventory.Cluster, in planInput) {
			takes(in, "h3")
			in.facts["h3"].Service = ServiceFacts{Active: "activating", Generation: in.desired["h3"].Generation.ID}
		}, PolicyHandover, "h3; h1 h2", "h3", "", "broken off"},
		{"nobody serves", func(_ *inventory.Cluster, in planInput) {
			for _, f := range in.facts {
				f.Service = ServiceFacts{Active: "inactive"}
			}
		}, PolicyOneFirst, "h1; h2 h3", "", "no host serves", "not followed"},
		{"legacy alerting ends", func(c *inventory.Cluster, in planInput) {
			c.Rollout.Major = "auto"
			in.old["h2"] = map[string][]byte{desired.INIFile: []byte("[unified_alerting]\nenabled = false\n[alerting]\nenabled = true\n")}
		}, PolicyOneFirst, "h1; h2 h3", "", "both notify", ""},
		{"legacy alerting ended before", func(c *inventory.Cluster, in planInput) {
			c.Rollout.Major = "auto"
			in.old["h2"] = map[string][]byte{desired.INIFile: []byte("[unified_alerting]\nenabled = true\n")}
		}, PolicyHandover, "h1; h2 h3", "h1", "measured from 10.3.1 to 11.6.2", ""},
		{"pauses", func(c *inventory.Cluster, _ planInput) { c.Rollout.Canary, c.Rollout.PauseAfter = true, 1 },
			PolicyHandover, "h1; h2 h3", "h1", "", "old and new would share the database"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCluster()
			c.Rollout.Major = "handover"
			in := handoverInput(t, c, "11.6.2")
			tt.change(c, in)
			p, err := makePlan(in)
			if err != nil {
				t.Fatal(err)
			}
			var batches []string
			for _, b := range p.Policy.Batches {
				batches = append(batches, strings.Join(b, " "))
			}
			if p.Policy.Kind != tt.kind || strings.Join(batches, "; ") != tt.batches || strings.Join(p.Policy.TakesOver, " ") != tt.over {
				t.Errorf("%s, batches %q, %v take over; want %s, %q, %s", p.Policy.Kind, batches, p.Policy.TakesOver, tt.kind, tt.batches, tt.over)
			}
			if !strings.Contains(p.Policy.Reason, tt.reason) {
				t.Errorf("reason %q", p.Policy.Reason)
			}
			if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, tt.warns) }) && tt.warns != "" {
				t.Errorf("warnings %q", p.Warnings)
			}
			if p.Policy.Outage == "" || p.Policy.Canary || p.Policy.PauseAfter > 0 {
				t.Errorf("policy %+v", p.Policy)
			}
		})
	}
}

// A handover is for what must not serve side by side only, and never with --limit.
func TestWhereNoHandoverIs(t *testing.T) {
	c := testCluster()
	c.Rollout.Major = "handover"
	p, err := makePlan(handoverInput(t, c, "10.4.0"))
	if err != nil {
		t.Fatal(err)
	}
	if p.Policy.Kind != PolicyRolling {
		t.Errorf("a minor version: %s", p.Policy.Kind)
	}
	in := handoverInput(t, c, "11.6.2")
	in.selected = map[string]bool{"h1": true}
	if _, err := makePlan(in); err == nil || !strings.Contains(err.Error(), "would stay on 10.3.1 by --limit") {
		t.Errorf("--limit: %v", err)
	}
	one := testCluster("h1")
	if p, err = makePlan(handoverInput(t, one, "11.6.2")); err != nil || p.Policy.Kind != PolicyRolling {
		t.Errorf("one host: %+v, %v", p.Policy, err)
	}
}

// The reason in the plan says what is true of this cluster: whether it may have alerts of
// before unified alerting, as its hosts are configured now.
func TestThePlanWarnsOfLegacyAlertsOnlyWhereTheyMayBe(t *testing.T) {
	for ini, legacy := range map[string]bool{
		"": false,
		"[unified_alerting]\nenabled = true\n[alerting]\nenabled = false\n": false,
		"[unified_alerting]\nenabled = false\n[alerting]\nenabled = true\n": true,
		"[alerting]\nenabled = true\n":                                      true,
	} {
		in := handoverInput(t, testCluster(), "11.6.2")
		if ini != "" {
			in.old = map[string]map[string][]byte{"h2": {desired.INIFile: []byte(ini)}}
		}
		p, err := makePlan(in)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(p.Policy.Reason, "legacy alerting"); got != legacy {
			t.Errorf("%q: reason %q", ini, p.Policy.Reason)
		}
	}
}
