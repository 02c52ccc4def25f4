package database

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/jackc/pgx/v5/pgconn"
)

// Stakes are counts of what a change of settings may take from users. What a version has no
// table for is left out, as in [Counts].
type Stakes struct {
	Counts
	// Sessions are those that were used within the last week, which is how long Grafana
	// lets one rest (login_maximum_inactive_lifetime_duration).
	Sessions, SourceSecrets, OtherSecrets int64
	// Users by the module that they log in with, and data sources and dashboards by the
	// id of a plugin: of those that were asked for.
	Users, Sources, Dashboards map[string]int64
}

// StakesAsked says what is counted besides the content.
type StakesAsked struct {
	Modules []string // as user_auth names them: "oauth_github", "ldap"
	Plugins []string // ids
}

// pluginID is what an id looks like; nothing else is searched for.
var pluginID = regexp.MustCompile(`^[A-Za-z0-9._-]{1,100}$`)

// sessionRest is Grafana's default of login_maximum_inactive_lifetime_duration.
const sessionRest = 7 * 24 * time.Hour

// Stakes counts. ctx bounds it: dashboards are searched by their text.
func (db *DB) Stakes(ctx context.Context, asked StakesAsked) (s Stakes, err error) {
	s.Users, s.Sources, s.Dashboards = map[string]int64{}, map[string]int64{}, map[string]int64{}
	if s.Counts, err = db.Counts(ctx); err != nil {
		return s, err
	}
	since := time.Now().Add(-sessionRest).Unix()
	for into, queries := range map[*int64][]string{
		&s.Sessions: {fmt.Sprintf("SELECT count(*) FROM user_auth_token WHERE rotated_at > %d", since)},
		&s.SourceSecrets: {"SELECT count(*) FROM data_source WHERE " + filled("secure_json_data") + " OR " + filled("password") + " OR " +
			filled("basic_auth_password"), "SELECT count(*) FROM data_source WHERE " + filled("secure_json_data")},
	} {
		if *into, err = db.firstOf(ctx, queries...); err != nil {
			return s, err
		}
	}
	for _, q := range otherSecrets {
		n, err := db.firstOf(ctx, q)
		if err != nil {
			return s, err
		}
		s.OtherSecrets += n
	}
	return s, db.stakesOf(ctx, asked, s)
}

// otherSecrets are encrypted with secret_key, or with a data key that is, and stay behind
// when it changes: what plugins and contact points log in with, single sign-on, what
// Grafana keeps of OAuth providers' tokens.
var otherSecrets = []string{
	"SELECT count(*) FROM plugin_setting WHERE " + filled("secure_json_data"),
	"SELECT count(*) FROM alert_configuration WHERE alertmanager_configuration LIKE '%\"secureSettings\":{\"%'",
	"SELECT count(*) FROM alert_notification WHERE " + filled("secure_settings"),
	"SELECT count(*) FROM sso_setting WHERE settings LIKE '%client_secret%'",
	"SELECT count(*) FROM user_auth WHERE " + filled("o_auth_access_token"),
	"SELECT count(*) FROM secrets WHERE type <> 'datasource'",
}

// filled tells in SQL whether a column of text holds more than an empty object.
func filled(column string) string {
	return column + " IS NOT NULL AND " + column + " NOT IN ('', '{}', 'null', '[]')"
}

func (db *DB) stakesOf(ctx context.Context, asked StakesAsked, s Stakes) error {
	p := db.placeholder()
	for _, m := range asked.Modules {
		n, err := db.counted(ctx, "SELECT count(DISTINCT user_id) FROM user_auth WHERE auth_module = "+p, m)
		if err != nil {
			return err
		}
		s.Users[m] = n
	}
	for _, id := range asked.Plugins {
		if !pluginID.MatchString(id) {
			continue
		}
		var err error
		if s.Sources[id], err = db.counted(ctx, "SELECT count(*) FROM data_source WHERE type = "+p, id); err != nil {
			return err
		}
		like := `%"type":"` + id + `"%`
		n, err := db.counted(ctx, "SELECT count(*) FROM dashboard WHERE data LIKE "+p, like)
		if err != nil {
			return err
		}
		moved, err := db.counted(ctx, "SELECT count(*) FROM resource WHERE resource = 'dashboards' AND value LIKE "+p, like)
		if err != nil {
			return err
		}
		s.Dashboards[id] = max(n, moved)
	}
	return nil
}

// placeholder is the first parameter of a statement.
func (db *DB) placeholder() string {
	if db.Kind == Postgres {
		return "$1"
	}
	return "?"
}

// counted is a count; 0 where there is no such table or column, or it holds no text.
func (db *DB) counted(ctx context.Context, query string, args ...any) (int64, error) {
	n, err := scan[int64](ctx, db, query, args...)
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok && pg.Code == "42883" {
		return 0, nil
	}
	if err != nil && !noTable(err) {
		return 0, fmt.Errorf("count what is at stake: %w", serverError(err))
	}
	return n, nil
}

// firstOf is the count of the first query for which this version has the columns.
func (db *DB) firstOf(ctx context.Context, queries ...string) (int64, error) {
	for _, q := range queries {
		n, err := scan[int64](ctx, db, q)
		if err == nil {
			return n, nil
		}
		if !noTable(err) {
			return 0, fmt.Errorf("count what is at stake: %w", serverError(err))
		}
	}
	return 0, nil
}
