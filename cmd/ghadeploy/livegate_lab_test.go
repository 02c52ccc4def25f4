package main

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// The gate of Live opens as soon as Redis shows the node, by the metric where Redis may not
// be asked, and never for a node that went to another Redis.
func TestLabLiveIsSeenWhereItMeets(t *testing.T) {
	labtest.Slow(t)
	c := labDeployed(t, labtest.Options{Edit: rollout(map[string]any{"settle": "0s"})})
	restarted := func(t *testing.T) (took float64, saw string) {
		t.Helper()
		r := c.must(t, "restart", "--limit", "h2", "--yes")
		e := r.until("the gate of Live", step(event.StepDone, "gate:live"))
		return e.Seconds, e.Message
	}
	t.Run("Redis shows it", func(t *testing.T) {
		took, saw := restarted(t)
		if !strings.Contains(saw, "Redis has 3 nodes, 1 of 1 new ones") {
			t.Errorf("the gate opened for another reason: %s", saw)
		}
		t.Logf("%.3f s: %s", took, saw)
	})
	port := c.inv.Redis[strings.LastIndex(c.inv.Redis, ":")+1:]
	t.Run("Redis forbids to ask", func(t *testing.T) {
		c.Sh(t, "svc", "redis-cli -p "+port+" acl setuser default -pubsub")
		defer c.Sh(t, "svc", "redis-cli -p "+port+" acl setuser default +pubsub")
		took, saw := restarted(t)
		if !strings.Contains(saw, "forbids PUBSUB") || !strings.Contains(saw, "h2: 3 nodes") {
			t.Errorf("the metric was not asked: %s", saw)
		}
		t.Logf("%.3f s: %s", took, saw)
	})
	t.Run("another Redis", func(t *testing.T) {
		const dropIn = "/etc/systemd/system/grafana-server.service.d/elsewhere.conf"
		c.Sh(t, "h2", "mkdir -p $(dirname "+dropIn+") && printf '[Service]\\nEnvironment=GF_LIVE_HA_ENGINE_ADDRESS="+c.Redis(t)+"\\n' >"+dropIn+" && systemctl daemon-reload")
		defer c.Sh(t, "h2", "rm "+dropIn+" && systemctl daemon-reload")
		c.inv.Edit(t, rollout(map[string]any{"gate_timeout": "35s", "settle": "0s", "on_failure": "stop"}))
		r := c.begin(t, "restart", "--limit", "h2", "--yes")
		if code := r.wait(); code != exitGate || !strings.Contains(r.message(), "Redis has 2 nodes, 0 of 1 new ones") {
			t.Errorf("exit %d\n%s", code, r.story())
		}
	})
}
