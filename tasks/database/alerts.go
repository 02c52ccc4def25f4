package database

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Alerts is what the database tells of alerts that may not have been told yet.
type Alerts struct {
	// Known is false where this version keeps no states, or keeps them in another form.
	Known bool
	// Resolved is how long ago an alert resolved last; -1: none that is known of.
	Resolved time.Duration
	// GroupInterval is the longest of all notification policies.
	GroupInterval time.Duration
}

// groupInterval is Grafana's when the root policy has none (dispatch.DefaultRouteOpts).
const groupInterval = 5 * time.Minute

// Alerts reads alert_instance and alert_configuration. A state that a rule has had ever
// since somebody wrote the rule is no resolution.
func (db *DB) Alerts(ctx context.Context) (Alerts, error) {
	a := Alerts{Resolved: -1}
	now, written := "CAST(EXTRACT(EPOCH FROM now()) AS BIGINT)", "CAST(EXTRACT(EPOCH FROM r.updated) AS BIGINT)"
	if db.Kind != Postgres {
		// Grafana writes UTC; UNIX_TIMESTAMP would take it for the session's own zone.
		now, written = "UNIX_TIMESTAMP()", "TIMESTAMPDIFF(SECOND, '1970-01-01', r.updated)"
	}
	var states, rules, at, today int64
	err := db.QueryRowContext(ctx, `SELECT (SELECT count(*) FROM alert_instance), (SELECT count(*) FROM alert_rule), `+now+`,
  COALESCE((SELECT max(i.current_state_since) FROM alert_instance i JOIN alert_rule r ON r.org_id = i.rule_org_id AND r.uid = i.rule_uid
    WHERE i.current_state = 'Normal' AND i.current_state_since > `+written+` + 2 * r.interval_seconds), 0)`).
		Scan(&states, &rules, &today, &at)
	switch {
	case noTable(err):
		return a, nil
	case err != nil:
		return a, fmt.Errorf("read alert_instance: %w", serverError(err))
	}
	a.Known = states > 0 || rules == 0
	if at > 0 {
		a.Resolved = max(time.Duration(today-at)*time.Second, 0)
	}
	a.GroupInterval, err = db.groupInterval(ctx)
	return a, err
}

// groupInterval is the longest of all organizations' notification policies.
func (db *DB) groupInterval(ctx context.Context) (time.Duration, error) {
	// Grafana 8 keeps earlier configurations in the same table.
	rows, err := db.QueryContext(ctx,
		"SELECT alertmanager_configuration FROM alert_configuration WHERE id IN (SELECT max(id) FROM alert_configuration GROUP BY org_id)")
	if err != nil {
		return 0, fmt.Errorf("read alert_configuration: %w", serverError(err))
	}
	defer func() { _ = rows.Close() }()
	var longest time.Duration
	for rows.Next() {
		var text []byte
		if err := rows.Scan(&text); err != nil {
			return 0, fmt.Errorf("read alert_configuration: %w", serverError(err))
		}
		d, err := longestInterval(text)
		if err != nil {
			return 0, err
		}
		longest = max(longest, d)
	}
	return cmp.Or(longest, groupInterval), rows.Err()
}

// policy is a notification policy, as far as it is of use here.
type policy struct {
	GroupInterval string   `json:"group_interval"`
	Routes        []policy `json:"routes"`
}

// longestInterval reads a configuration of the Alertmanager. Its contact points are
// never part of an error.
func longestInterval(configuration []byte) (time.Duration, error) {
	var c struct {
		Alertmanager struct {
			Route policy `json:"route"`
		} `json:"alertmanager_config"`
	}
	if json.Unmarshal(configuration, &c) != nil {
		return 0, fmt.Errorf("alert_configuration holds no configuration of an Alertmanager")
	}
	return c.Alertmanager.Route.longest(groupInterval), nil
}

// longest is that of a policy, which inherits what it does not set, and of those below.
func (p policy) longest(inherited time.Duration) time.Duration {
	own := inherited
	if d, err := model.ParseDuration(p.GroupInterval); err == nil {
		own = time.Duration(d)
	}
	longest := own
	for _, r := range p.Routes {
		longest = max(longest, r.longest(own))
	}
	return longest
}
