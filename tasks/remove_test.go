package tasks

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// What is left to people is named as it stands in their load balancer.
func TestRemoveSaysWhichServerLineStays(t *testing.T) {
	lb := []*inventory.Host{{Name: "lb1"}, {Name: "lb2"}}
	for name, tt := range map[string]struct {
		balancer inventory.LoadBalancer
		want     string // of the balancer; empty: nothing
	}{
		"HAProxy":         {inventory.LoadBalancer{Type: "haproxy", Hosts: lb, Backend: "www"}, "take the server line of h3 (10.0.0.13:3000) out of backend www on lb1, lb2, where it stays drained"},
		"HAProxy default": {inventory.LoadBalancer{Type: "haproxy", Hosts: lb}, "out of backend grafana on lb1, lb2,"},
		"nginx":           {inventory.LoadBalancer{Type: "nginx", Hosts: lb[:1]}, "out of upstream grafana on lb1,"},
		"command":         {inventory.LoadBalancer{Type: "command"}, "take h3 out of the load balancer"},
		"managed":         {inventory.LoadBalancer{Type: "haproxy", Hosts: lb, Manage: true}, ""},
		"none":            {inventory.LoadBalancer{Type: "none"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster()
			c.File, c.LoadBalancer = "prod.yaml", tt.balancer
			r := New(c, Options{})
			defer r.Close()
			said := r.whatToTakeOut([]fleet.Host{{Host: c.Hosts[2]}})
			inventoryPart, rest, more := strings.Cut(said, "; and ")
			if inventoryPart != "take h3 out of prod.yaml (--write-inventory does), or the next apply deploys to them again" || more != (tt.want != "") || !strings.Contains(rest, tt.want) {
				t.Errorf("said %q", said)
			}
		})
	}
}
