package tasks

import (
	"slices"
	"strings"
	"testing"
	"time"
)

// A saved plan that no longer holds says what has moved.
func TestASavedPlanSaysWhatMoved(t *testing.T) {
	// upgradeOf plans three hosts from 10.3.1 to another configuration.
	planned := func(t *testing.T, change func(in *planInput)) *Plan {
		t.Helper()
		c := testCluster()
		running := desiredOf(t, c, "10.3.1")
		c2 := testCluster()
		c2.Grafana.RootURL = "https://other.example.com/"
		in := planInput{cluster: c2, command: "apply", selected: map[string]bool{"h1": true, "h2": true, "h3": true}, desired: desiredOf(t, c2, "10.3.1"),
			facts: map[string]*Facts{}, old: map[string]map[string][]byte{}, balancer: map[string]string{}}
		for i, h := range c.Hosts {
			in.facts[h.Name] = converged(running[h.Name], time.Duration(100+i)*time.Hour)
		}
		if change != nil {
			change(&in)
		}
		p, err := makePlan(in)
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	before := planned(t, nil)
	if again := planned(t, nil); again.Hash != before.Hash || len(moved(before, again)) > 0 {
		t.Fatalf("nothing moved, and yet: %v", moved(before, again))
	}
	for name, tt := range map[string]struct {
		change func(in *planInput)
		want   string
	}{
		"a restart by hand": {func(in *planInput) { in.facts["h3"].Service.Age = time.Minute }, "the turns go h3, h1, h2, no longer h1, h2, h3: a host was restarted since"},
		"a host is stopped": {func(in *planInput) { in.facts["h2"].Service.PID, in.facts["h2"].Service.Active = 0, "inactive" }, "on h2 there is to do: "},
		"another generation runs": {func(in *planInput) {
			f := in.facts["h1"]
			f.Service.Generation = "0123456789ab"
			f.Generations["0123456789ab"] = "9.5.0-abababababab"
		}, "h1 runs Grafana 9.5.0, generation 0123456789ab, no longer Grafana 10.3.1, generation "},
		"another inventory": {func(in *planInput) {
			in.cluster.Grafana.RootURL = "https://third.example.com/"
			in.desired = desiredOf(t, in.cluster, "10.3.1")
		}, "h1 shall run Grafana 10.3.1, generation "},
		"a host more": {func(in *planInput) {
			in.cluster = testCluster("h1", "h2", "h3", "h4")
			in.cluster.Grafana.RootURL = "https://other.example.com/"
			in.desired, in.facts["h4"] = desiredOf(t, in.cluster, "10.3.1"), bare()
		}, "h4 is new in the inventory"},
		"other rollout": {func(in *planInput) { in.cluster.Rollout.OnFailure = "stop" }, "(rollout) has changed"},
	} {
		t.Run(name, func(t *testing.T) {
			now := planned(t, tt.change)
			if now.Hash == before.Hash {
				t.Fatal("the plan is the same: the test changes nothing")
			}
			got := moved(before, now)
			if !slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, tt.want) }) {
				t.Errorf("moved: %q, want %q among it", got, tt.want)
			}
			if text := movedSince(before, now).Error(); !strings.Contains(text, got[0]) || !strings.Contains(text, "next: ghadeploy plan") {
				t.Errorf("the error: %s", text)
			}
		})
	}
}

// The command to type anew keeps what the saved plan was limited to.
func TestAStalePlansNextCommandKeepsItsLimit(t *testing.T) {
	p := &Plan{Hash: "a", Hosts: []HostPlan{{Host: "h1"}, {Host: "h2", Skipped: true}, {Host: "h3"}}}
	if got := movedSince(p, &Plan{Hash: "b"}).Error(); !strings.Contains(got, "ghadeploy plan INVENTORY --limit h1,h3 -o plan.json") {
		t.Error(got)
	}
	p.Hosts[1].Skipped = false
	if got := movedSince(p, &Plan{Hash: "b"}).Error(); !strings.Contains(got, "ghadeploy plan INVENTORY -o plan.json") {
		t.Error(got)
	}
}
