package main

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// turns are the hosts of each batch as their turns were taken: a batch ends when no
// turn is under way.
func (r *toolRun) turns() (batches [][]string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	under := 0
	for _, e := range r.events {
		switch e.Kind {
		case event.TurnStarted:
			if under == 0 {
				batches = append(batches, nil)
			}
			under++
			batches[len(batches)-1] = append(batches[len(batches)-1], e.Host)
		case event.TurnDone, event.TurnFailed:
			under--
		}
	}
	return batches
}

func sizes(batches [][]string) (out []int) {
	for _, b := range batches {
		out = append(out, len(b))
	}
	return out
}

// with are keys of the rollout section on top of those that keep a test short.
func with(keys map[string]any) func(map[string]any) {
	all := map[string]any{"settle": "0s", "drain": "1s", "gate_timeout": "20s"}
	maps.Copy(all, keys)
	return rollout(all)
}

// counted gives how many hosts had each outcome.
func counted(outcomes map[string]string) map[string]int {
	out := map[string]int{}
	for _, o := range outcomes {
		out[o]++
	}
	return out
}

var racks = map[string]string{"h1": "a", "h2": "b", "h3": "a", "h4": "b", "h5": "c"}

// fiveHosts is a cluster without a balancer, whose hosts stand in three racks.
func fiveHosts(t *testing.T) *labCluster {
	return labDeployed(t, labtest.Options{
		Hosts: []string{"h1", "h2", "h3", "h4", "h5"}, NoLive: true,
		Edit: func(doc map[string]any) {
			with(nil)(doc)
			for h, spec := range doc["hosts"].(map[string]any) {
				spec.(map[string]any)["labels"] = map[string]any{"rack": racks[h]}
			}
		},
	})
}

// However large batches are, no more hosts are down at once than the cap allows.
func TestLabBatchesTakeDownNoMoreThanTheCap(t *testing.T) {
	c := fiveHosts(t)
	for _, tt := range []struct {
		name  string
		slow  bool
		keys  map[string]any
		sizes []int
		cap   int
	}{
		{"a list", false, map[string]any{"batch": []any{1, "60%", "100%"}, "max_unavailable": 2}, []int{1, 2, 2}, 2},
		{"racks", false, map[string]any{"batch_label": "rack", "max_unavailable": "60%"}, nil, 2},
		{"a number", true, map[string]any{"batch": 2, "max_unavailable": 2}, []int{2, 2, 1}, 2},
		{"a percentage", true, map[string]any{"batch": "100%", "max_unavailable": "60%"}, []int{3, 2}, 3},
		{"more than the cap", true, map[string]any{"batch": 5}, []int{1, 1, 1, 1, 1}, 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.slow {
				labtest.Slow(t)
			}
			c.inv.Edit(t, with(tt.keys))
			c.theme(t, "/"+strings.ReplaceAll(tt.name, " ", "-"))
			watch := c.watchDown(t)
			r := c.must(t, "apply", "--yes")
			watch.wantAtMost(t, tt.cap)
			if watch.worst == 0 {
				t.Error("no host was ever seen down: that no more than the cap were proves nothing")
			}
			got := r.turns()
			t.Logf("batches %v in %s, at worst down: %v", got, r.took, watch.which)
			if tt.sizes != nil && !slices.Equal(sizes(got), tt.sizes) {
				t.Errorf("batches %v, want sizes %v", got, tt.sizes)
			}
			if tt.sizes == nil {
				wantByRack(t, got)
			}
		})
	}
}

// wantByRack wants every batch to be all of one rack.
func wantByRack(t *testing.T, batches [][]string) {
	t.Helper()
	if len(batches) != 3 {
		t.Errorf("batches %v, want one for each of 3 racks", batches)
	}
	for _, b := range batches {
		for _, h := range b {
			if racks[h] != racks[b[0]] {
				t.Errorf("%s and %s of one batch are in racks %s and %s", b[0], h, racks[b[0]], racks[h])
			}
		}
	}
}

// A run that is to pause ends there where nobody can be asked: what is done is done,
// the rest was not touched, and the command that it names does the rest.
func TestLabARolloutPausesAndGoesOn(t *testing.T) {
	c := fiveHosts(t)
	t.Run("pause", func(t *testing.T) {
		c.inv.Edit(t, with(map[string]any{"batch": 2, "max_unavailable": 2}))
		c.theme(t, "/paused")
		r := c.begin(t, "apply", "--yes", "--pause-after", "1") // the first batch reaches beyond
		if code := r.wait(); code != exitChanges {
			t.Fatalf("exit %d, want %d\n%s", code, exitChanges, r.story())
		}
		wantSays(t, r, "paused: 2 of 5 hosts are done and healthy, the others were not touched", "ghadeploy apply "+c.inv.Path)
		if got := counted(r.outcomes()); got["done"] != 2 || got["not reached"] != 3 {
			t.Errorf("outcomes %v", r.outcomes())
		}
		done := r.turns()[0]
		c.waitServing(t, labTimeout)
		r = c.must(t, "apply", "--yes")
		for _, h := range slices.Concat(r.turns()...) {
			if slices.Contains(done, h) {
				t.Errorf("%s was done before the pause, and restarted after it", h)
			}
		}
		c.wantConverged(t)
	})
	t.Run("canary", func(t *testing.T) {
		c.inv.Edit(t, with(map[string]any{"canary": true, "bake": "2s", "batch": 4, "max_unavailable": 4}))
		c.theme(t, "/canary")
		r := c.must(t, "apply", "--yes")
		if got := sizes(r.turns()); !slices.Equal(got, []int{1, 4}) {
			t.Errorf("sizes of batches %v, want one alone and then the rest", got)
		}
		if _, ok := r.see(step(event.StepDone, "bake")); !ok {
			t.Error("nobody watched the canary")
		}
	})
	t.Run("a canary that dies", func(t *testing.T) {
		labtest.Slow(t)
		c.inv.Edit(t, with(map[string]any{"canary": true, "bake": "60s", "batch": 4, "max_unavailable": 4, "gate_timeout": "5s"}))
		c.theme(t, "/dead-canary")
		r := c.begin(t, "apply", "--yes")
		canary := r.until("a turn", func(e event.Event) bool { return e.Kind == event.TurnStarted }).Host
		r.until("a watched canary", step(event.StepStarted, "bake"))
		c.Sh(t, canary, "systemctl stop grafana-server")
		if code := r.wait(); code != exitGate {
			t.Errorf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		wantSays(t, r, canary)
		if got := counted(r.outcomes()); got["not reached"] != 4 || len(r.turns()) != 1 {
			t.Errorf("turns %v, outcomes %v; want all others not reached", r.turns(), r.outcomes())
		}
		c.inv.Edit(t, with(map[string]any{"batch": 5, "max_unavailable": 4}))
		c.must(t, "apply", "--yes")
		c.wantConverged(t)
	})
}
