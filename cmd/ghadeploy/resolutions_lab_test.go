package main

import (
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// A host that was there before the roll stays until its Alertmanager has told what
// resolved: the last turn comes that long after the first.
func TestLabARollOutlastsTheGroupInterval(t *testing.T) {
	c := labDeployed(t, labtest.Options{Edit: rollout(map[string]any{"settle": "0s", "drain": "0s"})})
	c.inv.Edit(t, func(doc map[string]any) {
		a := doc["alerting"].(map[string]any)
		a["group_interval"], a["peer_timeout"] = "14s", "2s"
	})
	r := c.must(t, "apply", "--yes")
	var firstDone, last time.Time
	for _, e := range r.events {
		switch {
		case e.Kind == event.TurnDone && firstDone.IsZero():
			firstDone = e.Time
		case e.Kind == event.TurnStarted:
			last = e.Time
		}
	}
	if want := 14*time.Second + 3*2*time.Second; last.Sub(firstDone) < want {
		t.Errorf("the last turn began %s after the first, want %s\n%s", last.Sub(firstDone), want, r.story())
	}
}
