package main

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Where Grafana logs to a file only, a turn still sees in it when alerting has settled,
// also behind what the process before wrote, and logs says where to look.
func TestALogFileInsteadOfTheJournal(t *testing.T) {
	labtest.Slow(t)
	c := labDeployed(t, labtest.Options{NoLive: true, Edit: func(doc map[string]any) {
		doc["grafana"].(map[string]any)["config"].(map[string]any)["log"] = map[string]any{"mode": "file"}
		doc["rollout"] = map[string]any{"drain": "1s"}
	}})
	r := c.must(t, "restart", "--yes")
	settled := 0
	for _, e := range r.events {
		if step(event.StepDone, "settle")(e) {
			settled++
			if e.Message != "gossip has settled" {
				t.Errorf("%s: settle saw %q", e.Host, e.Message)
			}
		}
	}
	if settled != 2 {
		t.Errorf("%d of 3 turns waited for alerting to settle, want all but the last\n%s", settled, r.story())
	}
	l := labtest.Ghadeploy(t, "logs", c.inv.Path, "-n", "5")
	if l.Code != 0 || !strings.Contains(l.Stderr, "/var/log/grafana/grafana.log (log.mode)") || !strings.Contains(l.Stderr, "ghadeploy exec "+c.inv.Path+" -b") {
		t.Errorf("exit %d\n%s", l.Code, l.Stderr)
	}
}
