package database

import (
	"context"
	"fmt"
	"time"
)

// Migrations is what Grafana's migrator has done to the schema. Two equal values
// mean that no migration ran between them.
type Migrations struct {
	// Exists is false on a database that no Grafana has started on yet.
	Exists bool `json:"exists"`
	// Rows of migration_log, the last one's id and when it ran.
	Rows     int64     `json:"rows"`
	LatestID string    `json:"latest_id,omitempty"`
	LatestAt time.Time `json:"latest_at,omitzero"`
	// Failed are migrations that ended in an error.
	Failed int64 `json:"failed"`
	// Unified counts unifiedstorage_migration_log (12.4 and later): folders and
	// dashboards moved to unified storage; -1 when there is no such table.
	Unified int64 `json:"unified"`
}

// Migrations reads migration_log.
func (db *DB) Migrations(ctx context.Context) (Migrations, error) {
	m := Migrations{Unified: -1}
	rows, err := scan[int64](ctx, db, "SELECT count(*) FROM migration_log")
	if noTable(err) {
		return m, nil
	}
	if err != nil {
		return m, fmt.Errorf("read migration_log: %w", serverError(err))
	}
	m.Exists, m.Rows = true, rows
	if rows > 0 {
		// As seconds: the MySQL driver gives DATETIME as text unless told otherwise.
		at := "CAST(EXTRACT(EPOCH FROM timestamp) AS BIGINT)"
		if db.Kind != Postgres {
			at = "CAST(UNIX_TIMESTAMP(timestamp) AS SIGNED)"
		}
		var seconds int64
		if err := db.QueryRowContext(ctx, "SELECT migration_id, "+at+" FROM migration_log ORDER BY id DESC LIMIT 1").
			Scan(&m.LatestID, &seconds); err != nil {
			return m, fmt.Errorf("read migration_log: %w", serverError(err))
		}
		m.LatestAt = time.Unix(seconds, 0).UTC()
	}
	if m.Failed, err = scan[int64](ctx, db, "SELECT count(*) FROM migration_log WHERE success = "+db.no()); err != nil {
		return m, fmt.Errorf("read migration_log: %w", serverError(err))
	}
	unified, err := scan[int64](ctx, db, "SELECT count(*) FROM unifiedstorage_migration_log")
	switch {
	case err == nil:
		m.Unified = unified
	case !noTable(err):
		return m, fmt.Errorf("read unifiedstorage_migration_log: %w", serverError(err))
	}
	return m, nil
}

// no is the false of a boolean column.
func (db *DB) no() string {
	if db.Kind == Postgres {
		return "false"
	}
	return "0"
}

// Counts is what would be missed if it were gone. A kind whose table does not
// exist, in this version or not yet, is absent, which is not the same as 0.
type Counts map[string]int64

// The kinds that are counted.
const (
	Dashboards  = "dashboards"
	Folders     = "folders"
	AlertRules  = "alert rules"
	Users       = "users"
	DataSources = "data sources"
)

// Lost lists what is fewer in after than in c ("dashboards: 12, now 11"), in a
// fixed order; what is absent on either side is not compared.
func (c Counts) Lost(after Counts) []string {
	var lost []string
	for _, kind := range []string{Dashboards, Folders, AlertRules, Users, DataSources} {
		before, was := c[kind]
		now, is := after[kind]
		if was && is && now < before {
			lost = append(lost, fmt.Sprintf("%s: %d, now %d", kind, before, now))
		}
	}
	return lost
}

// Counts counts. Dashboards and folders are counted in unified storage (12.4 and
// later) once they were moved there, before that in the tables they had.
func (db *DB) Counts(ctx context.Context) (Counts, error) {
	counts := Counts{}
	user, group := quoteName(db.Kind, "user"), quoteName(db.Kind, "group")
	resource := "SELECT count(*) FROM resource WHERE " + group + " = "
	for _, q := range []struct{ kind, query string }{
		{Dashboards, "SELECT count(*) FROM dashboard WHERE is_folder = " + db.no()},
		{Folders, "SELECT count(*) FROM dashboard WHERE is_folder <> " + db.no()},
		{Folders, "SELECT count(*) FROM folder"}, // its own table since 9
		{AlertRules, "SELECT count(*) FROM alert_rule"},
		{Users, "SELECT count(*) FROM " + user},
		{DataSources, "SELECT count(*) FROM data_source"},
	} {
		n, err := scan[int64](ctx, db, q.query)
		switch {
		case err == nil:
			// The folder table of 9 to 10 is empty while folders still live as dashboards.
			counts[q.kind] = max(counts[q.kind], n)
		case !noTable(err):
			return nil, fmt.Errorf("count %s: %w", q.kind, serverError(err))
		}
	}
	for kind, where := range map[string]string{
		Dashboards: resource + "'dashboard.grafana.app' AND resource = 'dashboards'",
		Folders:    resource + "'folder.grafana.app' AND resource = 'folders'",
	} {
		n, err := scan[int64](ctx, db, where)
		switch {
		case err == nil && n > 0:
			counts[kind] = n
		case err != nil && !noTable(err):
			return nil, fmt.Errorf("count %s: %w", kind, serverError(err))
		}
	}
	return counts, nil
}
