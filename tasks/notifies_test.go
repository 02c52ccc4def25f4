package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/notify"
)

// A run tells a web hook of its start and end, and marks itself on the cluster through a
// host's own connection.
func TestRunTellsHowItEnded(t *testing.T) {
	var mu sync.Mutex
	var told []notify.Message
	marks := 0
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		if r.URL.Path == "/api/annotations" {
			marks++
			return
		}
		var m notify.Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil {
			t.Error(err)
		}
		told = append(told, m)
	}))
	t.Cleanup(srv.Close)
	h := &inventory.Host{Name: "g1", Address: "10.0.0.11"}
	c := &inventory.Cluster{Name: "prod", Hosts: []*inventory.Host{h}, Notify: []inventory.Notification{
		{Type: "webhook", URL: inventory.NewSecret(srv.URL+"/hook", "env:H")}, {Type: "annotation"},
	}}
	c.Grafana.Admin = inventory.Admin{User: "admin", Password: inventory.NewSecret("sesame", "env:P")}
	conn := &fleettest.Local{OwnListener: true, DialFunc: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "127.0.0.1:3000" {
			t.Errorf("dialled %s", address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}}
	r := New(c, Options{Command: "apply"})
	to := Deployed{Version: "12.3.1", Generation: "3f2a"}
	plan := &Plan{Hosts: []HostPlan{{Host: "g1", To: to, Restart: true}}}
	res := &Result{Hosts: map[string]HostOutcome{}}
	tell := r.tell(t.Context(), []fleet.Host{{Host: h, Conn: conn}}, plan, res)
	res.Hosts["g1"] = HostOutcome{Outcome: "failed", Runs: to.String(), Detail: "gate health"}
	tell(errors.New("g1: gate health did not open"))
	if len(told) != 2 || marks != 1 {
		t.Fatalf("told %+v, %d marks", told, marks)
	}
	if m := told[0]; m.Event != notify.Start || m.Version != "12.3.1" || m.Run != r.id || len(m.Hosts) != 1 {
		t.Errorf("at the start: %+v", m)
	}
	want := []notify.Host{{Host: "g1", Outcome: "failed", Runs: "Grafana 12.3.1, generation 3f2a", Detail: "gate health"}}
	if m := told[1]; m.Event != notify.Failure || m.Error != "g1: gate health did not open" || cmp.Diff(want, m.Hosts) != "" {
		t.Errorf("at the end: %+v", m)
	}
}

func TestMetricsNameOnlyWhatIsKnownToRun(t *testing.T) {
	old, next := Deployed{Version: "12.2.0", Generation: "9c01"}, Deployed{Version: "12.3.1", Generation: "3f2a"}
	plan := &Plan{}
	for _, h := range []string{"g1", "g2", "g3", "g4"} {
		plan.Hosts = append(plan.Hosts, HostPlan{Host: h, From: old, To: next})
	}
	res := &Result{Plan: plan, Hosts: map[string]HostOutcome{
		"g1": {Outcome: "done", Runs: next.String()}, "g2": {Outcome: "rolled back", Runs: old.String()},
		"g3": {Outcome: "failed", Runs: "unknown"}, "g4": {Outcome: "not reached", Runs: old.String()},
	}}
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	m := Metrics("prod", "upgrade", start, start.Add(time.Minute), res, errors.New("g2"))
	want := []notify.Running{{Host: "g1", Version: "12.3.1", Generation: "3f2a"}, {Host: "g2", Version: "12.2.0", Generation: "9c01"}, {Host: "g4", Version: "12.2.0", Generation: "9c01"}}
	if diff := cmp.Diff(want, m.Hosts); diff != "" || m.Success || m.Duration != time.Minute {
		t.Errorf("%s\n%+v", diff, m)
	}
	if m := Metrics("prod", "apply", start, start, nil, errors.New("unreachable")); len(m.Hosts) > 0 || m.Success {
		t.Errorf("without a result: %+v", m)
	}
}
