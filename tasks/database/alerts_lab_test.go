package database

import (
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// The tables are those of Grafana's migrations, as far as they are read.
func TestLabAlertsThatResolved(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		alerts := func() Alerts {
			t.Helper()
			open, err := Open(t.Context(), h, db, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer open.Close()
			a, err := open.Alerts(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			return a
		}
		if a := alerts(); a.Known {
			t.Errorf("before the first start: %+v", a)
		}
		boolean, when, now, utc := "BOOLEAN", "TIMESTAMP", "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)", "(now() AT TIME ZONE 'UTC')"
		hour := "- INTERVAL '1 hour'"
		if db.Type == "mysql" {
			boolean, when, now, utc, hour = "TINYINT(1)", "DATETIME", "UNIX_TIMESTAMP()", "UTC_TIMESTAMP()", "- INTERVAL 1 HOUR"
		}
		mustExec(t, h, db,
			"CREATE TABLE alert_rule (org_id BIGINT, uid VARCHAR(40), updated "+when+", interval_seconds BIGINT)",
			"CREATE TABLE alert_instance (rule_org_id BIGINT, rule_uid VARCHAR(40), labels_hash VARCHAR(190), current_state VARCHAR(190), current_state_since BIGINT)",
			"CREATE TABLE alert_configuration (id BIGINT, org_id BIGINT, alertmanager_configuration TEXT, is_default "+boolean+")",
			"INSERT INTO alert_configuration VALUES (1, 1, '{\"alertmanager_config\": {\"route\": {\"group_interval\": \"2h\"}}}', NULL), (2, 1, '{\"alertmanager_config\": {\"route\": {\"group_interval\": \"1m\"}}}', NULL)")
		if a := alerts(); !a.Known || a.Resolved >= 0 || a.GroupInterval != time.Minute {
			t.Errorf("without a rule: %+v", a)
		}
		mustExec(t, h, db, "INSERT INTO alert_rule VALUES (1, 'old', "+utc+hour+", 10), (1, 'new', "+utc+", 10)")
		if a := alerts(); a.Known {
			t.Errorf("with rules whose states are elsewhere: %+v", a)
		}
		mustExec(t, h, db, "INSERT INTO alert_instance VALUES (1, 'old', 'a', 'Alerting', "+now+"), (1, 'old', 'b', 'Pending', "+now+"), (1, 'new', 'a', 'Normal', "+now+" + 5)")
		if a := alerts(); !a.Known || a.Resolved >= 0 {
			t.Errorf("firing, pending, and normal ever since the rule was written: %+v", a)
		}
		mustExec(t, h, db, "INSERT INTO alert_instance VALUES (1, 'old', 'c', 'Normal', "+now+" - 900), (1, 'old', 'd', 'Normal', "+now+" - 30)")
		if a := alerts(); !a.Known || a.Resolved < 30*time.Second || a.Resolved > time.Minute {
			t.Errorf("resolved 30 s ago: %+v", a)
		}
	})
}
