package tasks

import (
	"slices"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// TestWhoMustBeHealthy: a turn that takes a host out of service waits for every other
// host that was ever deployed to; one that starts a host that is down waits for none.
func TestWhoMustBeHealthy(t *testing.T) {
	c := testCluster("h1", "h2", "h3", "h4")
	r := &rollout{cluster: c, hosts: map[string]fleet.Host{},
		up:       map[string]bool{"h1": true, "h2": true},
		deployed: map[string]bool{"h1": true, "h2": true, "h3": true}, // h3 is down, h4 is new
	}
	for _, h := range c.Hosts {
		r.hosts[h.Name] = fleet.Host{Host: h}
	}
	for _, tt := range []struct {
		name  string
		batch []string
		want  []string
	}{
		{"a restart waits for a host that is down too", []string{"h1"}, []string{"h2", "h3"}},
		{"starting what is down waits for nobody", []string{"h3"}, nil},
		{"a first start waits for nobody", []string{"h4"}, nil},
		{"a batch with one that serves waits", []string{"h2", "h3"}, []string{"h1"}},
		{"watching a canary looks at what runs", nil, []string{"h1", "h2"}},
	} {
		if got := names(r.others(tt.batch)); !slices.Equal(got, tt.want) {
			t.Errorf("%s: %v, want %v", tt.name, got, tt.want)
		}
	}
	r.stopped("h3") // by this very run, as between versions that must not meet
	if got := names(r.others([]string{"h1"})); !slices.Equal(got, []string{"h2"}) {
		t.Errorf("after this run stopped h3: %v", got)
	}
}
