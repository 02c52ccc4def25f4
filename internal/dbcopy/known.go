package dbcopy

import (
	_ "embed"
	"slices"
	"strings"
)

// skipped are tables that are not copied, and why. Sessions of browsers are in
// user_auth_token, which is.
var skipped = map[string]string{
	"cache_data":  "a cache: Grafana fills it anew",
	"server_lock": "locks between the hosts of one cluster: the target's own stand",
	"session":     "sessions of Grafana before 6.2, which nothing reads any more",
}

// skip says why a table is not copied; empty: it is.
func skip(table string) string {
	if isMigrationLog(table) {
		return "says how the schema was made: the target's own stands"
	}
	return skipped[table]
}

// isMigrationLog tells the tables in which Grafana's migrators keep what they have done:
// migration_log, and since 11 one more for each part with a migrator of its own.
func isMigrationLog(table string) bool {
	return table == "migration_log" || strings.HasSuffix(table, "_migration_log")
}

// fresh are the tables in which people keep things, and the rows that a Grafana makes
// there by itself (seen on empty 8.5.15, 10.3.1 and 12.4.0).
var fresh = map[string]int64{
	"org": 1, "user": 1, "org_user": 1,
	"dashboard": 0, "folder": 0, "data_source": 0, "alert_rule": 0, "alert": 0, "alert_notification": 0, "api_key": 0, "annotation": 0,
	"team": 0, "playlist": 0, "library_element": 0, "dashboard_snapshot": 0, "plugin_setting": 0, "preferences": 0, "star": 0, "resource": 0,
	"query_history": 0, "correlation": 0, "dashboard_public": 0, "short_url": 0, "user_auth": 0, "temp_user": 0, "sso_setting": 0,
}

//go:embed enterprise_migrations.txt
var enterpriseText string

// enterprise are migrations of Grafana Enterprise that 12.4.0 itself enters on an empty
// MySQL or MariaDB, where it begins with the picture of a whole schema, and not on
// sqlite or PostgreSQL (seen: the logs of empty 12.4.0 on all three compared).
var enterprise = func() map[string]bool {
	out := map[string]bool{}
	for line := range strings.Lines(enterpriseText) {
		out[strings.TrimSpace(line)] = true
	}
	return out
}()

// retired are how migrations begin that an older Grafana entered (some only with a
// feature toggle) and a newer one no longer has in its code, so that a database which came
// a long way lists them and a new one of the same version does not. Seen: 8.5.15 upgraded
// to 10.3.1 and to 12.4.0 beside new ones; the sources of 6.7.6 to 9.4.0
// (pkg/services/sqlstore/migrations, ualert/ualert.go).
var retired = []string{
	"move dashboard alerts to unified alerting", "remove unified alerting data", "clear migration entry ", "create default alerting folders",
	"create comment group table", "create comment table", "add index comment", "create dashboard_thumbnail table",
	"add unique indexes for dashboard_thumbnail",
	"Add ds_uids column to dashboard_thumbnail table", "create live message table", "add index live_message.", "ObjectStore init: ",
	"EntityStore init: ",
}

func isRetired(id string) bool {
	return slices.ContainsFunc(retired, func(begin string) bool { return strings.HasPrefix(id, begin) })
}
