package database

import (
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
)

// tables are the tables that the stand-in uses, named and typed like Grafana's
// but with only the columns that are read. Types: id, int, str(n), text, bool, time.
var tables = []struct{ name, columns, unique string }{
	{"migration_log", "id id, migration_id str(255), sql text, success bool, error text, timestamp time", ""},
	{"user", "id id, version int, login str(190), email str(190), name str(255), password str(255), salt str(50), rands str(50), org_id int, is_admin bool, is_disabled bool, created time, updated time", "login"},
	{"org", "id id, version int, name str(190), created time, updated time", "name"},
	{"org_user", "id id, org_id int, user_id int, role str(20), created time, updated time", "org_id,user_id"},
	{"user_auth_token", "id id, user_id int, auth_token str(100), prev_auth_token str(100), user_agent str(255), client_ip str(255), auth_token_seen bool, seen_at int, rotated_at int, created_at int, updated_at int, revoked_at int", "auth_token"},
	{"dashboard", "id id, version int, slug str(189), title str(189), data text, org_id int, created time, updated time, created_by int, updated_by int, folder_id int, is_folder bool, uid str(40), folder_uid str(40)", "org_id,uid"},
	{"data_source", "id id, org_id int, version int, type str(255), name str(190), access str(255), url str(255), user str(255), database str(255), is_default bool, json_data text, secure_json_data text, read_only bool, uid str(40), created time, updated time", "org_id,name"},
	{"alert_rule", "id id, org_id int, title str(190), condition str(190), data text, updated time, interval_seconds int, version int, uid str(40), namespace_uid str(40), rule_group str(190), no_data_state str(15), exec_err_state str(15), for int, annotations text, labels text, is_paused bool, provenance str(190)", "org_id,uid"},
	{"alert_instance", "id id, rule_org_id int, rule_uid str(40), labels text, labels_hash str(190), current_state str(190), current_state_since int, last_eval_time int, current_state_end int", "rule_org_id,rule_uid,labels_hash"},
	{"alert_configuration", "id id, alertmanager_configuration text, configuration_version str(3), created_at int, org_id int", "org_id"},
	{"server_lock", "id id, operation_uid str(100), version int, last_execution int", "operation_uid"},
	{"kv_store", "id id, org_id int, namespace str(190), key str(190), value text, created time, updated time", "org_id,namespace,key"},
	{"data_keys", "id id, name str(100), active bool, scope str(30), provider str(50), encrypted_data text, created time, updated time", "name"},
	{"annotation", "id id, org_id int, user_id int, dashboard_id int, panel_id int, type str(25), text text, tags text, epoch int, epoch_end int", ""},
	{"live_message", "id id, org_id int, channel str(189), data text, published time, created_by int", "org_id,channel"},
}

// lastMinor is the last minor version of each major that has schema steps of
// its own; newer majors count six.
var lastMinor = map[int]int{6: 7, 7: 5, 8: 5, 9: 5, 10: 4, 11: 6, 12: 4}

const (
	stepsPerMajor = 30
	stepsPerMinor = 3
)

// Steps are the migrations of a version: the tables, then some dozens of
// small steps for each major and a few for each minor on the way to it, so
// that every upgrade has something to do and a downgrade finds a newer schema.
func (d *DB) Steps(v defaults.Version, version string, f faults.Faults) []Migration {
	var out []Migration
	for _, t := range tables {
		out = append(out, Migration{ID: "create " + t.name + " table", SQL: d.create(t.name, t.columns)})
		if t.unique == "" {
			continue
		}
		out = append(out, Migration{
			ID:  "add unique index " + t.name + "." + strings.ReplaceAll(t.unique, ",", "_"),
			SQL: d.SQL(fmt.Sprintf("CREATE UNIQUE INDEX [UQE_%s_%s] ON [%s] ([%s])", t.name, strings.ReplaceAll(t.unique, ",", "_"), t.name, strings.ReplaceAll(t.unique, ",", "],["))),
		})
	}
	for major := min(6, v.Major); major <= v.Major; major++ {
		table := fmt.Sprintf("standin_v%d", major)
		out = append(out, Migration{ID: "create " + table + " table", SQL: d.create(table, "id id, note str(40)")})
		for step := range stepsPerMajor {
			out = append(out, d.addColumn(table, fmt.Sprintf("m%02d", step)))
		}
		last := v.Minor
		if major < v.Major {
			if last = lastMinor[major]; last == 0 {
				last = 6
			}
		}
		for minor := range last {
			for step := range stepsPerMinor {
				out = append(out, d.addColumn(table, fmt.Sprintf("r%02d_%d", minor+1, step)))
			}
		}
	}
	if f.SlowMigration > 0 {
		out = append(out, Migration{ID: "rewrite dashboards for " + version, Wait: f.SlowMigration})
	}
	if f.FailMigration {
		out = append(out, Migration{ID: "drop column user.help_flags1 for " + version, SQL: d.SQL("ALTER TABLE [user] DROP COLUMN [help_flags1]"), Wait: 10 * time.Millisecond})
	}
	return out
}

func (d *DB) addColumn(table, column string) Migration {
	return Migration{
		ID:  "add column " + column + " to " + table,
		SQL: d.SQL(fmt.Sprintf("ALTER TABLE [%s] ADD COLUMN [%s] INT NULL", table, column)),
	}
}

func (d *DB) create(table, columns string) string {
	types := map[string]string{"id": "SERIAL8 PRIMARY KEY NOT NULL", "int": "BIGINT NULL", "text": "TEXT NULL", "bool": "BOOL NULL", "time": "TIMESTAMP NULL", "str": "VARCHAR"}
	if d.Type == MySQL {
		types = map[string]string{"id": "BIGINT AUTO_INCREMENT PRIMARY KEY NOT NULL", "int": "BIGINT NULL", "text": "MEDIUMTEXT NULL", "bool": "TINYINT(1) NULL", "time": "DATETIME NULL", "str": "VARCHAR"}
	}
	var cols []string
	for c := range strings.SplitSeq(columns, ", ") {
		name, kind, _ := strings.Cut(c, " ")
		base, size, sized := strings.Cut(kind, "(")
		sqlType := types[base]
		if sized {
			sqlType += "(" + size + " NULL"
		}
		cols = append(cols, "["+name+"] "+sqlType)
	}
	create := "CREATE TABLE IF NOT EXISTS [" + table + "] (" + strings.Join(cols, ", ") + ")"
	if d.Type == MySQL {
		create += " ENGINE=InnoDB DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_ci"
	}
	return d.SQL(create)
}
