package grafana

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Recordings of real nodes, one of three each (6.7 and 7.5 have neither unified alerting
// nor Live); 10.3.1 whole, the others cut to what is read.
func TestMetricsOfRealNodesAreReadInEveryVersion(t *testing.T) {
	g := func(v float64) Gauge { return Gauge{Value: v, Has: true} }
	limited := func(open, limit float64) []Pool {
		return []Pool{{Name: "grafana", Open: g(open), InUse: g(0), MaxOpen: g(limit), Waits: g(0)}}
	}
	second := func(open, limit float64) Pool {
		return Pool{Name: "unified_storage", Open: g(open), InUse: g(0), MaxOpen: g(limit), Waits: g(0)}
	}
	for version, want := range map[string]struct {
		position            float64
		pools               []Pool
		openConns, maxConns Gauge
	}{
		"8.5.15": {2, nil, Gauge{}, Gauge{}},
		"9.3.2":  {2, limited(8, 25), g(8), g(25)},
		"9.4.0":  {0, limited(4, 25), g(4), g(25)},
		"10.3.1": {0, limited(10, 50), g(10), g(50)},
		"10.4.0": {1, limited(4, 25), g(4), g(25)},
		"11.6.2": {1, append(limited(9, 25), second(2, 0)), g(11), g(0)},
		"12.4.0": {0, append(limited(8, 25), second(2, 25)), g(10), g(50)},
	} {
		t.Run(version, func(t *testing.T) {
			f, err := os.Open(filepath.Join("testdata", "metrics", version+".txt"))
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = f.Close() }()
			m, err := ParseMetrics(f)
			if err != nil {
				t.Fatal(err)
			}
			if m.Version.String() != version || m.Edition != "oss" {
				t.Errorf("got version %s %s", m.Version, m.Edition)
			}
			for what, c := range map[string]struct {
				g    Gauge
				want float64
			}{
				"members": {m.Members, 3}, "failed peers": {m.FailedPeers, 0}, "health score": {m.HealthScore, 0}, "position": {m.Position, want.position}, "live nodes": {m.LiveNodes, 3},
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
			if !slices.Equal(m.Pools, want.pools) {
				t.Errorf("pools: got %+v, want %+v", m.Pools, want.pools)
			}
			if open, limit := m.OpenConnections(); open != want.openConns || limit != want.maxConns {
				t.Errorf("connections: got %+v of %+v, want %+v of %+v", open, limit, want.openConns, want.maxConns)
			}
		})
	}
}

// A server that registers some families with its API server and some not, or one family
// with both, is read family by family, and nothing is counted twice.
func TestMetricsUnderBothNamesAreCountedOnce(t *testing.T) {
	const build = "grafana_build_info{version=\"11.0.0\"} 1\n"
	for name, c := range map[string]struct {
		text                       string
		members, position, publish Gauge
		peers                      int
	}{
		"both": {`alertmanager_cluster_members 3
grafana_alertmanager_cluster_members 3
alertmanager_peer_position 1
grafana_alertmanager_peer_position 1
alertmanager_cluster_peer_info{peer="a"} 1
grafana_alertmanager_cluster_peer_info{peer="a"} 1
`, Gauge{3, true}, Gauge{1, true}, Gauge{}, 1},
		"a mix": {"grafana_alertmanager_cluster_members 3\nalertmanager_peer_position 0\n", Gauge{3, true}, Gauge{0, true}, Gauge{}, 0},
		"one family in two parts": {`grafana_alertmanager_cluster_messages_publish_failures_total{msg_type="update",reason="redis_issue"} 2
alertmanager_cluster_messages_publish_failures_total{reason="redis_issue",msg_type="update"} 2
alertmanager_cluster_messages_publish_failures_total{msg_type="update",reason="buffer_overflow"} 3
`, Gauge{}, Gauge{}, Gauge{5, true}, 0},
		"typed as another": {`# TYPE grafana_alertmanager_cluster_members gauge
grafana_alertmanager_cluster_members 0
# TYPE alertmanager_cluster_members gauge
alertmanager_cluster_members 0
`, Gauge{0, true}, Gauge{}, Gauge{}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := ParseMetrics(strings.NewReader(build + c.text))
			if err != nil {
				t.Fatal(err)
			}
			if m.Members != c.members || m.Position != c.position || m.PublishFailures != c.publish || len(m.PeerNames) != c.peers {
				t.Errorf("got members %+v, position %+v, publish failures %+v, peers %v", m.Members, m.Position, m.PublishFailures, m.PeerNames)
			}
		})
	}
}

// Before 9.4 some builds export the plain names only; a pool that is named by db_name
// only is counted as well.
func TestEveryPoolIsKeptUnderItsName(t *testing.T) {
	m, err := ParseMetrics(strings.NewReader(`grafana_build_info{version="13.0.0"} 1
grafana_database_conn_open 4
go_sql_stats_connections_max_open{db_name="third"} 7
`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Pool{{Name: "grafana", Open: Gauge{4, true}}, {Name: "third", MaxOpen: Gauge{7, true}}}
	if !slices.Equal(m.Pools, want) {
		t.Errorf("got %+v", m.Pools)
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
