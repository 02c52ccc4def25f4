package grafana

import (
	"bytes"
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestParseMetricsOfARealNode(t *testing.T) {
	b, err := os.ReadFile("testdata/metrics-10.3.1.txt")
	if err != nil {
		t.Fatal(err)
	}
	m, err := ParseMetrics(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	if m.Version != release(10, 3, 1) || m.Edition != "oss" {
		t.Errorf("got version %s %s", m.Version, m.Edition)
	}
	for what, c := range map[string]struct {
		g    Gauge
		want float64
	}{
		"members": {m.Members, 3}, "failed peers": {m.FailedPeers, 0}, "health score": {m.HealthScore, 0}, "position": {m.Position, 0},
		"live nodes": {m.LiveNodes, 3}, "open connections": {m.DBOpen, 10}, "connections limit": {m.DBMaxOpen, 50}, "waits": {m.DBWaitCount, 0},
	} {
		if !c.g.Is(c.want) {
			t.Errorf("%s: got %+v, want %v", what, c.g, c.want)
		}
	}
	if m.PublishFailures.Has || m.PingFailures.Has {
		t.Error("by gossip there are no publish and ping failures")
	}
	if len(m.PeerNames) != 1 || m.Plugins != nil {
		t.Errorf("got peers %v, plugins %v", m.PeerNames, m.Plugins)
	}
}

func TestAbsentMetricsAreNotZero(t *testing.T) {
	const alone = "# TYPE grafana_build_info gauge\ngrafana_build_info{version=\"9.4.0\",edition=\"oss\"} 1\n"
	m, err := ParseMetrics(strings.NewReader(alone))
	if err != nil {
		t.Fatal(err)
	}
	if m.Members.Has || m.Members.Is(0) || m.LiveNodes.Has || m.Position.Has {
		t.Errorf("got %+v", m)
	}
	redis := alone + `alertmanager_cluster_members 0
alertmanager_cluster_messages_publish_failures_total{msg_type="update",reason="redis_issue"} 2
alertmanager_cluster_messages_publish_failures_total{msg_type="update",reason="buffer_overflow"} 3
alertmanager_cluster_pings_failures_total 4
grafana_plugin_build_info{plugin_id="z-app",plugin_type="app",signature_status="unsigned",version="0.1.0"} 1
grafana_plugin_build_info{plugin_id="a-panel",plugin_type="panel",signature_status="valid",version="2.1.8"} 1
`
	if m, err = ParseMetrics(strings.NewReader(redis)); err != nil {
		t.Fatal(err)
	}
	if !m.Members.Is(0) || !m.PublishFailures.Is(5) || !m.PingFailures.Is(4) || m.FailedPeers.Has {
		t.Errorf("got %+v", m)
	}
	want := []PluginBuild{{"a-panel", "panel", "2.1.8", "valid"}, {"z-app", "app", "0.1.0", "unsigned"}}
	if !slices.Equal(m.Plugins, want) {
		t.Errorf("plugins: got %v, want %v", m.Plugins, want)
	}
}

func TestMetricsOfSomethingElse(t *testing.T) {
	if _, err := ParseMetrics(strings.NewReader("go_goroutines 8\n")); !errors.Is(err, ErrNotGrafana) {
		t.Errorf("got %v", err)
	}
	if _, err := ParseMetrics(strings.NewReader("<html>\n")); err == nil {
		t.Error("HTML was read as metrics")
	}
}

func TestGetHealthAndMetrics(t *testing.T) {
	status, health, metrics := http.StatusOK, `{"commit":"4f1526a","database":"ok","version":"10.3.1"}`, "grafana_build_info{version=\"10.3.1\"} 1\n"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/sub/api/health":
			w.WriteHeader(status)
			_, _ = w.Write([]byte(health))
		case "/sub/metrics":
			_, _ = w.Write([]byte(metrics))
		default:
			http.NotFound(w, r)
		}
	}))
	defer server.Close()
	get := func() (Health, error) { return GetHealth(t.Context(), server.Client(), server.URL+"/sub/") }

	h, err := get()
	if err != nil || !h.OK() || h.Version != release(10, 3, 1) || h.Commit != "4f1526a" {
		t.Errorf("got %+v, %v", h, err)
	}
	status, health = http.StatusServiceUnavailable, `{"database":"failing"}`
	if h, err = get(); err != nil || h.OK() || h.Status != 503 || h.Database != "failing" || !h.Version.IsZero() {
		t.Errorf("database down: got %+v, %v", h, err)
	}
	status, health = http.StatusBadGateway, "<html>bad gateway</html>"
	if _, err = get(); !errors.Is(err, ErrNotGrafana) {
		t.Errorf("a proxy's answer: got %v", err)
	}
	health = strings.Repeat(" ", maxHealth+1)
	if _, err = get(); !errors.Is(err, ErrNotGrafana) {
		t.Errorf("an endless answer: got %v", err)
	}
	if m, err := GetMetrics(t.Context(), server.Client(), server.URL+"/sub"); err != nil || m.Version != release(10, 3, 1) {
		t.Errorf("got %+v, %v", m, err)
	}
	if _, err := GetMetrics(t.Context(), server.Client(), server.URL); err == nil || !strings.Contains(err.Error(), "404") {
		t.Errorf("no metrics: got %v", err)
	}
}
