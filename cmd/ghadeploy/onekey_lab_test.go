package main_test

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// A key of the whole cluster restarts every host, one after another; a key of one
// host restarts that host.
func TestLabAChangedKeyRestartsWhatItAffectsOneAfterAnother(t *testing.T) {
	c := newTrial(t, labtest.Options{NoLive: true, Edit: hasty})
	c.run(t, 0, "apply", "--yes")

	before, end := c.processes(t), c.watch(t)
	c.set(t, "users", "default_theme", "light")
	c.run(t, 0, "apply", "--yes")
	outages := end()
	for h, now := range c.processes(t) {
		if now == before[h] {
			t.Errorf("%s was not restarted: %s", h, now)
		}
		if len(outages[h]) == 0 {
			t.Errorf("%s was never seen down: that no two were proves nothing", h)
		}
	}
	oneAtATime(t, outages)

	before, end = c.processes(t), c.watch(t)
	c.inv.Edit(t, func(doc map[string]any) {
		h2 := doc["hosts"].(map[string]any)["h2"].(map[string]any)
		h2["config"] = map[string]any{"users": map[string]any{"default_theme": "dark"}}
	})
	c.run(t, 0, "apply", "--yes")
	outages = end()
	for h, now := range c.processes(t) {
		if restarted := now != before[h]; restarted != (h == "h2") {
			t.Errorf("%s: restarted is %v: %q, then %q", h, restarted, before[h], now)
		}
		if h != "h2" && len(outages[h]) > 0 {
			t.Errorf("%s was down, though only h2 changed: %v", h, outages[h])
		}
	}
	if got := c.Sh(t, "h1", "grep -h default_theme /etc/grafana/grafana.ini") + " " + c.Sh(t, "h2", "grep -h default_theme /etc/grafana/grafana.ini"); got != "default_theme = light default_theme = dark" {
		t.Errorf("h1 and h2 have: %s", got)
	}
}

// hasty leaves no pause between turns, which is when two hosts could overlap, and
// gives up soon on hosts that are off.
func hasty(doc map[string]any) {
	doc["rollout"] = map[string]any{"settle": "0s"}
	doc["ssh"].(map[string]any)["connect_timeout"] = "3s"
}
