package verify

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

func three() *proof {
	p := &proof{in: Input{Cluster: &inventory.Cluster{Name: "prod", File: "prod.yaml", Alerting: inventory.Alerting{HA: "gossip"}}}}
	for _, name := range []string{"h1", "h2", "h3"} {
		p.nodes = append(p.nodes, &node{host: fleet.Host{Host: &inventory.Host{Name: name}}})
	}
	return p
}

func gauge(v float64) grafana.Gauge { return grafana.Gauge{Value: v, Has: true} }

func TestJudgeMembersNamesWhoIsWrong(t *testing.T) {
	m := func(members, position float64) grafana.Metrics {
		return grafana.Metrics{Members: gauge(members), Position: gauge(position)}
	}
	for _, tc := range []struct {
		name    string
		metrics []grafana.Metrics
		want    string
	}{
		{"healthy", []grafana.Metrics{m(3, 1), m(3, 0), m(3, 2)}, ""},
		// failed_peers stays above 0 for hours after a kill.
		{"a ghost in failed_peers", []grafana.Metrics{m(3, 1), m(3, 0), {Members: gauge(3), Position: gauge(2), FailedPeers: gauge(1)}}, ""},
		{"alone", []grafana.Metrics{m(2, 1), m(1, 0), m(2, 0)}, "alerting on h2 is alone"},
		{"no peers at all", []grafana.Metrics{m(2, 1), {}, m(2, 0)}, "alerting on h2 is alone"},
		{"one too few", []grafana.Metrics{m(3, 0), m(3, 1), m(2, 2)}, "h3 does not see all 3"},
		{"one too many", []grafana.Metrics{m(3, 0), m(3, 1), m(4, 2)}, "h3 counts more alerting members than the 3 hosts"},
		// Redis, the first 5 s after a restart.
		{"two first", []grafana.Metrics{m(3, 0), m(3, 1), m(3, 0)}, "h1 and h3 have the same position"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := three().judgeMembers(tc.metrics, 3)
			if (err == nil) != (tc.want == "") || (err != nil && !strings.Contains(err.Error(), tc.want)) {
				t.Errorf("got %v, want %q", err, tc.want)
			}
		})
	}
}

func TestJudgeLive(t *testing.T) {
	m := func(nodes float64) grafana.Metrics { return grafana.Metrics{LiveNodes: gauge(nodes)} }
	for want, metrics := range map[string][]grafana.Metrics{
		"":                            {m(3), m(3), m(3)},
		"Live on h2 is alone":         {m(2), m(1), m(2)},
		"has not 3 nodes everywhere":  {m(3), m(2), m(3)},
		"Live on h1 and h3 is alone:": {m(1), m(3), m(0)},
	} {
		err := three().judgeLive(metrics, 3)
		if (err == nil) != (want == "") || (err != nil && !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func testConfig() amConfig {
	return amConfig{"template_files": nil, "alertmanager_config": map[string]any{
		"route":     map[string]any{"receiver": "mail", "routes": []any{map[string]any{"receiver": "pager"}}},
		"receivers": []any{map[string]any{"name": "mail"}, map[string]any{"name": "pager"}},
	}}
}

func TestWithTestAndWithoutOursAreInverse(t *testing.T) {
	for _, routes := range []any{nil, []any{map[string]any{"receiver": "pager"}}} {
		original := testConfig()
		_, route, _ := original.inner()
		if route["routes"] = routes; routes == nil {
			delete(route, "routes")
		}
		test, err := original.clone()
		if err != nil {
			t.Fatal(err)
		}
		if err := test.withTest(ours+"x", "http://127.0.0.1:1/", "x"); err != nil {
			t.Fatal(err)
		}
		_, route, _ = test.inner()
		first, _ := route["routes"].([]any)[0].(map[string]any)
		if first["receiver"] != ours+"x" {
			t.Errorf("the test's route is not the first: %v", route)
		}
		if err := test.withoutOurs(); err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(original, test); d != "" {
			t.Error(d)
		}
	}
}

func TestSameConfigForgivesOnlyAGivenUID(t *testing.T) {
	with := func(uid, url string) amConfig {
		return amConfig{"alertmanager_config": map[string]any{"route": map[string]any{}, "receivers": []any{map[string]any{
			"grafana_managed_receiver_configs": []any{map[string]any{"uid": uid, "url": url}}}}}}
	}
	if !sameConfig(with("", "a"), with("new", "a")) || sameConfig(with("old", "a"), with("new", "a")) || sameConfig(with("", "a"), with("new", "b")) {
		t.Error("sameConfig is wrong")
	}
}

func TestWebhooksCountOurAlertOnly(t *testing.T) {
	w := &webhooks{label: "x"}
	srv := httptest.NewServer(w.handler("h1"))
	defer srv.Close()
	for _, body := range []string{
		`{"alerts":[{"status":"firing","labels":{"ghadeploy_verify":"x"}},{"status":"firing","labels":{"ghadeploy_verify":"x"}}]}`,
		`{"alerts":[{"status":"firing","labels":{"ghadeploy_verify":"y"}}]}`,
		`{"alerts":[{"status":"resolved","labels":{"ghadeploy_verify":"x"}}]}`,
		`nonsense`,
	} {
		resp, err := http.Post(srv.URL, "application/json", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
	if got := w.firing(); len(got) != 1 || got[0].host != "h1" {
		t.Errorf("%+v", got)
	}
	if len(w.came) != 2 {
		t.Errorf("%d of ours came, want the firing and the resolved one", len(w.came))
	}
}

func TestUntilKeepsWhatItSawLast(t *testing.T) {
	calls := 0
	err := until(t.Context(), 50*time.Millisecond, time.Millisecond, func(ctx context.Context) error {
		if calls++; calls > 3 {
			<-ctx.Done()
			return ctx.Err()
		}
		return errors.New("h2 has 1 member")
	})
	if err == nil || err.Error() != "h2 has 1 member" {
		t.Errorf("%v", err)
	}
}

func TestAHostWithoutConnectionFails(t *testing.T) {
	c := &inventory.Cluster{Name: "prod", Hosts: []*inventory.Host{{Name: "h1"}, {Name: "h2"}}, Grafana: inventory.Grafana{Version: "10.3.1"}}
	r, err := Run(t.Context(), Input{Cluster: c})
	if err != nil || r.OK {
		t.Fatalf("%v %v", r.OK, err)
	}
	for i, name := range []string{"h1", "h2"} {
		if s := r.Steps[i]; s.Name != "health" || s.From != name || s.Cause != name+" is not connected" || s.Fix == "" {
			t.Errorf("%+v", s)
		}
	}
	for _, s := range r.Steps[2:] {
		if s.OK {
			t.Errorf("%s is ok without a host: %s", s.title(), s.Explanation)
		}
	}
	if _, err := Run(t.Context(), Input{Cluster: &inventory.Cluster{}}); err == nil {
		t.Error("no hosts were proved")
	}
}

func TestMetricsBehindALogin(t *testing.T) {
	var login string
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		login = user + ":" + password
		if r.URL.Path == "/metrics" && login != "prometheus:sesame" {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		_, _ = io.WriteString(w, "grafana_build_info{version=\"10.3.1\"} 1\n")
	}))
	defer srv.Close()
	key := func(name, value string) inventory.Key {
		return inventory.Key{Name: name, Value: inventory.PlainValue(value)}
	}
	conn := &fleettest.Local{OwnListener: true, DialFunc: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, srv.Listener.Addr().String())
	}}
	n := newNode(&inventory.Cluster{}, fleet.Host{Conn: conn, Host: &inventory.Host{Name: "h1", Config: inventory.Config{
		{Name: "metrics", Keys: []inventory.Key{key("basic_auth_username", "prometheus"), key("basic_auth_password", "sesame")}},
	}}})
	if _, err := n.metrics(t.Context()); err != nil {
		t.Error(err)
	}
	if _, _, err := n.send(t.Context(), http.MethodGet, "/api/user", "", nil); err != nil || login != ":" {
		t.Errorf("the API was sent the login of /metrics: %q, %v", login, err)
	}
}
