package tasks

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

func TestResolutionsTake(t *testing.T) {
	three := make([]*inventory.Host, 3)
	for _, tt := range []struct {
		name string
		a    inventory.Alerting
		want time.Duration
	}{
		{"Grafana's default wait for each position", inventory.Alerting{}, 5*time.Minute + 45*time.Second},
		{"a wait of its own", inventory.Alerting{PeerTimeout: "10s"}, 5*time.Minute + 30*time.Second},
	} {
		if got := resolutionsTake(&inventory.Cluster{Hosts: three, Alerting: tt.a}, 5*time.Minute); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}

func TestWhetherResolutionsAreMinded(t *testing.T) {
	three := make([]*inventory.Host, 3)
	for _, tt := range []struct {
		name  string
		hosts []*inventory.Host
		a     inventory.Alerting
		want  bool
	}{
		{"as the policies say", three, inventory.Alerting{HA: "gossip", GroupIntervalAuto: true}, true},
		{"as the inventory says", three, inventory.Alerting{HA: "redis", GroupInterval: time.Minute}, true},
		{"not wanted", three, inventory.Alerting{HA: "gossip"}, false},
		{"one host", three[:1], inventory.Alerting{HA: "gossip", GroupIntervalAuto: true}, false},
		{"nobody else to tell", three, inventory.Alerting{HA: "none", GroupIntervalAuto: true}, false},
	} {
		if got := waitsForResolved(&inventory.Cluster{Hosts: tt.hosts, Alerting: tt.a}, "restart"); got != tt.want {
			t.Errorf("%s: %v", tt.name, got)
		}
	}
}

// Three hosts that wait 15 s for each position need 45 s besides the group_interval.
func TestATurnWaitsForResolutions(t *testing.T) {
	const never = time.Duration(-1)
	ago := func(at ...time.Duration) func(run time.Duration) time.Duration {
		return func(run time.Duration) time.Duration {
			last := never
			for _, a := range at {
				if run >= a {
					last = run - a
				}
			}
			return last
		}
	}
	for _, tt := range []struct {
		name string
		// resolved tells how long ago an alert resolved, by the time into the test.
		resolved func(run time.Duration) time.Duration
		unknown  bool
		edit     func(r *rollout)
		batch    int
		want     time.Duration
		warns    bool
	}{
		{name: "none ever", resolved: ago(), want: 0},
		{name: "some time ago", resolved: ago(-105 * time.Second), want: 0},
		{name: "just now", resolved: ago(0), want: 105 * time.Second},
		{name: "a while ago", resolved: ago(-100 * time.Second), want: 5 * time.Second},
		{name: "another one meanwhile", resolved: ago(-95*time.Second, 8*time.Second), want: 113 * time.Second},
		{name: "all the time", resolved: func(time.Duration) time.Duration { return 5 * time.Second }, want: 200 * time.Second, warns: true},
		{name: "after much waiting", resolved: ago(0), edit: func(r *rollout) { r.waited = 5 * time.Minute }, want: 0, warns: true},
		{name: "one that takes long", resolved: ago(0), edit: func(r *rollout) {
			r.cluster.Alerting.GroupIntervalAuto, r.cluster.Alerting.GroupInterval = false, 10*time.Minute
		}, want: 10*time.Minute + 45*time.Second},
		{name: "by the inventory", resolved: ago(0), edit: func(r *rollout) {
			r.cluster.Alerting.GroupIntervalAuto, r.cluster.Alerting.GroupInterval = false, 5*time.Second
		}, want: 50 * time.Second},
		{name: "not wanted", resolved: ago(0), edit: func(r *rollout) { r.cluster.Alerting.GroupIntervalAuto = false }, want: 0},
		{name: "a host that is down", resolved: ago(0), edit: func(r *rollout) { r.up["h1"] = false }, want: 0},
		{name: "a rollback", resolved: ago(0), edit: func(r *rollout) { r.plan.Command = "rollback" }, want: 0},
		{name: "nobody knows", resolved: ago(0), unknown: true, batch: 2, want: 0},
		{name: "nobody knows, but the interval is given", resolved: ago(0), unknown: true, batch: 2, edit: func(r *rollout) {
			r.cluster.Alerting.GroupIntervalAuto, r.cluster.Alerting.GroupInterval = false, time.Minute
		}, want: 105 * time.Second},
		{name: "and not the last host", resolved: ago(0), unknown: true, batch: 1, edit: func(r *rollout) {
			r.cluster.Alerting.GroupIntervalAuto, r.cluster.Alerting.GroupInterval = false, time.Minute
		}, want: 0},
	} {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				start := time.Now()
				var events []event.Event
				r := &rollout{
					cluster: &inventory.Cluster{Hosts: make([]*inventory.Host, 3), Alerting: inventory.Alerting{HA: "gossip", GroupIntervalAuto: true}},
					plan:    &Plan{Command: "restart", Policy: Policy{Kind: PolicyRolling, Batches: [][]string{{"h1"}, {"h1"}, {"h1"}}}},
					sink:    func(e event.Event) { events = append(events, e) },
					up:      map[string]bool{"h1": true}, firstDone: start,
					alerts: func(context.Context) (database.Alerts, error) {
						if tt.unknown {
							return database.Alerts{}, errors.New("no such table")
						}
						return database.Alerts{Known: true, Resolved: tt.resolved(time.Since(start)), GroupInterval: time.Minute}, nil
					},
				}
				if tt.edit != nil {
					tt.edit(r)
				}
				if err := r.waitForResolved(t.Context(), tt.batch); err != nil {
					t.Fatal(err)
				}
				if got := time.Since(start); got != tt.want {
					t.Errorf("waited %s, want %s", got, tt.want)
				}
				warned := slices.ContainsFunc(events, func(e event.Event) bool {
					return e.Kind == event.Warning && strings.Contains(e.Message, "go on resolving")
				})
				if warned != tt.warns {
					t.Errorf("warned: %v", events)
				}
			})
		})
	}
}
