package main

import (
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// aResolution is a rule that was written yesterday and is never evaluated, whose alert has
// just resolved.
const aResolution = `
INSERT INTO alert_rule (org_id, title, condition, data, updated, interval_seconds, version, uid, namespace_uid, rule_group, no_data_state, exec_err_state, is_paused)
	VALUES (1, 'resolved', 'A', '[]', now() - INTERVAL '1 day', 10, 1, 'resolved', 'none', 'none', 'OK', 'OK', true);
INSERT INTO alert_instance (rule_org_id, rule_uid, labels, labels_hash, current_state, current_state_since, last_eval_time, current_state_end)
	SELECT 1, 'resolved', '{}', 'resolved', 'Normal', n, n, n FROM (SELECT CAST(EXTRACT(EPOCH FROM now()) AS BIGINT) AS n) AS clock;
`

// No host is stopped while the hosts' Alertmanagers may still have to tell that an alert
// has resolved, and none waits when that is over.
func TestLabATurnWaitsUntilAResolutionIsTold(t *testing.T) {
	c := labDeployed(t, labtest.Options{Edit: func(doc map[string]any) {
		rollout(map[string]any{"settle": "0s", "drain": "0s"})(doc)
		a := doc["alerting"].(map[string]any)
		a["group_interval"], a["peer_timeout"] = "14s", "2s"
	}})
	firstTurn := func() time.Time {
		t.Helper()
		r := c.must(t, "restart", "--yes")
		for _, e := range r.events {
			if e.Kind == event.TurnStarted {
				return e.Time
			}
		}
		t.Fatalf("no turn began\n%s", r.story())
		return time.Time{}
	}
	c.sql(t, strings.Join(strings.Fields(aResolution), " "))
	resolved := time.Now()
	const take = 14*time.Second + 3*2*time.Second
	// The database counts in seconds.
	if waited := firstTurn().Sub(resolved); waited < take-2*time.Second {
		t.Errorf("the first turn began %s after an alert resolved, want %s", waited, take)
	}
	begun := time.Now()
	if waited := firstTurn().Sub(begun); waited > take/2 {
		t.Errorf("with nothing left to tell the first turn began after %s", waited)
	}
}
