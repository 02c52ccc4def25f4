package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// awayFrom does not answer through some hosts.
func awayFrom(name string, hosts *[]string) dependency {
	return dependency{name: name, away: func(_ context.Context, h fleet.Host) error {
		if slices.Contains(*hosts, h.Name) {
			return errors.New("connection refused")
		}
		return nil
	}}
}

func sharedRollout(hosts ...string) *rollout {
	c := testCluster(hosts...)
	r := &rollout{cluster: c, plan: &Plan{Command: "apply"}, hosts: map[string]fleet.Host{}, up: map[string]bool{}, outcomes: map[string]HostOutcome{}}
	for _, h := range c.Hosts {
		r.hosts[h.Name], r.up[h.Name] = fleet.Host{Host: h}, true
	}
	return r
}

// An outage is what answered before the first turn, and then answers no host any more.
func TestAnOutageIsOfWhatAnswersNoHostAnyMore(t *testing.T) {
	for _, tt := range []struct {
		name          string
		before, after []string // through which Redis does not answer
		want          bool
	}{
		{"it answers", nil, nil, false},
		{"it is gone", nil, []string{"h1", "h2", "h3"}, true},
		{"this host alone does not reach it", nil, []string{"h2"}, false},
		{"the others alone do not reach it", nil, []string{"h1", "h3"}, false},
		{"it never answered: the inventory may name it wrongly", []string{"h1", "h2", "h3"}, []string{"h1", "h2", "h3"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := sharedRollout("h1", "h2", "h3")
			from := tt.before
			r.noteShared(t.Context(), []dependency{awayFrom("Redis", &from)})
			from = tt.after
			if o := r.outage(t.Context(), r.hosts["h2"]); (o != nil) != tt.want {
				t.Errorf("%+v, want an outage: %v", o, tt.want)
			}
		})
	}
}

// A host whose gate does not open in an outage keeps what it was given; the rollout ends
// there even where on_failure says to go on, and says what to bring back.
func TestAHostIsNotToBlameForAnOutage(t *testing.T) {
	r := sharedRollout("h1", "h2", "h3")
	var from []string
	r.noteShared(t.Context(), []dependency{awayFrom("Redis at 10.0.0.9:6379", &from)})
	from = []string{"h1", "h2", "h3"}
	tn := turn{rollout: r, host: r.hosts["h2"], plan: &HostPlan{
		From: Deployed{Version: "10.3.1", Generation: "old"}, To: Deployed{Version: "10.3.1", Generation: "new"},
	}}
	err := tn.failed(t.Context(), &GateError{Host: "h2", Gate: gateLive, Saw: "want 3: h2: 1 nodes"}, true)
	if !isOutage(fleet.Join(errors.New("another"), err)) {
		t.Errorf("not told as an outage: %v", err)
	}
	for _, want := range []string{"gate live", "no fault of h2", "left on Grafana 10.3.1, generation new", "bring Redis at 10.0.0.9:6379 back", "ghadeploy apply INVENTORY"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in: %v", want, err)
		}
	}
	if o := r.outcomes["h2"]; o.Outcome != "failed" || !strings.Contains(o.Runs, "new") || !strings.Contains(o.Detail, "Redis") {
		t.Errorf("outcome %+v", o)
	}
	if isOutage(&GateError{Host: "h2", Gate: gateLive}) || isOutage(nil) {
		t.Error("every failed gate is told as an outage")
	}
}

// Redis that Live and alerting share is asked once.
func TestDependenciesAreServersNotUses(t *testing.T) {
	c := testCluster()
	c.Alerting = inventory.Alerting{HA: "redis", Redis: c.Live.Redis}
	var names []string
	for _, d := range dependencies(c) {
		names = append(names, d.name)
	}
	if want := []string{"the database at 10.0.0.9:5432", "Redis at 10.0.0.9:6379"}; !slices.Equal(names, want) {
		t.Errorf("%q, want %q", names, want)
	}
}
