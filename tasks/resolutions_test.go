package tasks

import (
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
)

func TestResolutionsTake(t *testing.T) {
	three := make([]*inventory.Host, 3)
	for _, tt := range []struct {
		name  string
		hosts []*inventory.Host
		a     inventory.Alerting
		want  time.Duration
	}{
		{"not asked for", three, inventory.Alerting{HA: "gossip"}, 0},
		{"Grafana's default wait for each position", three, inventory.Alerting{HA: "gossip", GroupInterval: 5 * time.Minute}, 5*time.Minute + 45*time.Second},
		{"a wait of its own", three, inventory.Alerting{HA: "redis", GroupInterval: time.Minute, PeerTimeout: "10s"}, 90 * time.Second},
		{"one host knows all", three[:1], inventory.Alerting{HA: "gossip", GroupInterval: time.Minute}, 0},
		{"nobody else to tell", three, inventory.Alerting{HA: "none", GroupInterval: time.Minute}, 0},
	} {
		if got := resolutionsTake(&inventory.Cluster{Hosts: tt.hosts, Alerting: tt.a}); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
}
