package tasks

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// Grafana 10.3.1 with serve_from_sub_path answers /metrics with a redirect to root_url,
// which is the balancer's: the reading must come from the node all the same, and with
// the login that /metrics wants.
func TestMetricsOfASubPathAreReadFromTheNodeItself(t *testing.T) {
	node := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, _ := r.BasicAuth()
		switch {
		case r.URL.Path == "/api/health":
			_, _ = io.WriteString(w, `{"database":"ok","version":"10.3.1"}`)
		case r.URL.Path == "/metrics":
			http.Redirect(w, r, "https://grafana.example.com/sub/metrics", http.StatusMovedPermanently)
		case r.URL.Path == "/sub/metrics" && user == "prometheus" && password == "sesame":
			_, _ = io.WriteString(w, "grafana_build_info{version=\"10.3.1\"} 1\nalertmanager_cluster_members 3\n")
		default:
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(node.Close)
	key := func(name, value string) inventory.Key {
		return inventory.Key{Name: name, Value: inventory.PlainValue(value)}
	}
	h := &inventory.Host{Name: "g1", Config: inventory.Config{
		{Name: "server", Keys: []inventory.Key{key("serve_from_sub_path", "true")}},
		{Name: "metrics", Keys: []inventory.Key{key("basic_auth_username", "prometheus"), key("basic_auth_password", "sesame")}},
	}}
	conn := &fleettest.Local{OwnListener: true, DialFunc: func(ctx context.Context, network, address string) (net.Conn, error) {
		if address != "127.0.0.1:3000" {
			t.Errorf("dialled %s", address)
		}
		return (&net.Dialer{}).DialContext(ctx, network, node.Listener.Addr().String())
	}}
	v := newProbe(inventory.Paths{Root: "/opt/grafana", Service: "grafana-server"}, fleet.Host{Host: h, Conn: conn}, desired.Listens(h)).Read(t.Context())
	if v.HealthErr != nil || v.MetricsErr != nil || v.Metrics.Members.Value != 3 {
		t.Errorf("health %v, metrics %v, members %v", v.HealthErr, v.MetricsErr, v.Metrics.Members)
	}
}
