package store

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/prometheus/common/model"
)

// Rule is an alert rule, in the JSON of the provisioning API.
type Rule struct {
	ID           int64             `json:"id"`
	UID          string            `json:"uid"`
	OrgID        int64             `json:"orgID"`
	FolderUID    string            `json:"folderUID"`
	Group        string            `json:"ruleGroup"`
	Title        string            `json:"title"`
	Condition    string            `json:"condition"`
	Data         json.RawMessage   `json:"data"`
	Updated      time.Time         `json:"updated"`
	NoDataState  string            `json:"noDataState"`
	ExecErrState string            `json:"execErrState"`
	For          Duration          `json:"for"`
	Annotations  map[string]string `json:"annotations,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Provenance   string            `json:"provenance,omitempty"`
	IsPaused     bool              `json:"isPaused"`
	// Interval is that of the rule's group.
	Interval time.Duration `json:"-"`
}

// Duration is a time span that is text like "5m" in JSON.
type Duration time.Duration

// MarshalJSON writes "5m".
func (d Duration) MarshalJSON() ([]byte, error) { return json.Marshal(model.Duration(d).String()) }

// UnmarshalJSON reads "5m" or a number of nanoseconds.
func (d *Duration) UnmarshalJSON(b []byte) error {
	var v any
	if err := json.Unmarshal(b, &v); err != nil {
		return err
	}
	switch v := v.(type) {
	case float64:
		*d = Duration(v)
	case string:
		parsed, err := model.ParseDuration(v)
		if err != nil {
			return err
		}
		*d = Duration(parsed)
	default:
		return fmt.Errorf("%s is no duration", b)
	}
	return nil
}

// DefaultInterval is a new group's.
const DefaultInterval = time.Minute

const ruleColumns = "SELECT id, uid, org_id, namespace_uid, rule_group, title, [condition], data, no_data_state, exec_err_state, [for], annotations, labels, provenance, is_paused, interval_seconds FROM alert_rule"

func scanRule(scan func(...any) error) (r Rule, err error) {
	var data, annotations, labels string
	var pending, interval int64
	if err := scan(&r.ID, &r.UID, &r.OrgID, &r.FolderUID, &r.Group, &r.Title, &r.Condition, &data, &r.NoDataState, &r.ExecErrState,
		&pending, &annotations, &labels, &r.Provenance, &r.IsPaused, &interval); err != nil {
		return r, err
	}
	r.Data, r.For, r.Interval = json.RawMessage(data), Duration(pending), time.Duration(interval)*time.Second
	if err := json.Unmarshal([]byte(annotations), &r.Annotations); err != nil {
		return r, err
	}
	return r, json.Unmarshal([]byte(labels), &r.Labels)
}

// Rules lists all.
func (s *Store) Rules(ctx context.Context) ([]Rule, error) {
	out := []Rule{}
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		r, err := scanRule(scan)
		out = append(out, r)
		return err
	}, ruleColumns+" ORDER BY id")
	return out, err
}

// Rule finds one by uid.
func (s *Store) Rule(ctx context.Context, uid string) (Rule, error) {
	r, err := scanRule(s.db.QueryRowContext(ctx, s.db.SQL(ruleColumns+" WHERE org_id = 1 AND uid = ?"), uid).Scan)
	return r, notFound(err)
}

// SaveRule inserts a rule or, with the uid of one that is there, replaces it.
func (s *Store) SaveRule(ctx context.Context, r Rule) (Rule, error) {
	r.OrgID, r.Updated = 1, now()
	annotations, err := json.Marshal(r.Annotations)
	if err != nil {
		return r, err
	}
	labels, err := json.Marshal(r.Labels)
	if err != nil {
		return r, err
	}
	if r.UID == "" {
		r.UID = NewUID()
	}
	values := []any{r.FolderUID, r.Group, r.Title, r.Condition, string(r.Data), r.NoDataState, r.ExecErrState, int64(r.For), string(annotations), string(labels), r.Provenance, r.IsPaused, r.Updated}
	if old, err := s.Rule(ctx, r.UID); err == nil {
		r.ID, r.Interval = old.ID, old.Interval
		_, err := s.db.Exec(ctx, "UPDATE alert_rule SET namespace_uid = ?, rule_group = ?, title = ?, [condition] = ?, data = ?, no_data_state = ?, exec_err_state = ?, [for] = ?, annotations = ?, labels = ?, provenance = ?, is_paused = ?, updated = ?, version = version + 1 WHERE id = ?",
			append(values, r.ID)...)
		return r, err
	}
	if r.Interval, err = s.groupInterval(ctx, r.FolderUID, r.Group); err != nil {
		return r, err
	}
	r.ID, err = s.db.Insert(ctx, "INSERT INTO alert_rule (namespace_uid, rule_group, title, [condition], data, no_data_state, exec_err_state, [for], annotations, labels, provenance, is_paused, updated, org_id, uid, version, interval_seconds) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 1, ?, 1, ?)",
		append(values, r.UID, int64(r.Interval.Seconds()))...)
	return r, err
}

func (s *Store) groupInterval(ctx context.Context, folder, group string) (time.Duration, error) {
	var seconds *int64
	err := s.db.Row(ctx, "SELECT max(interval_seconds) FROM alert_rule WHERE namespace_uid = ? AND rule_group = ?", []any{folder, group}, &seconds)
	if err != nil || seconds == nil {
		return DefaultInterval, err
	}
	return time.Duration(*seconds) * time.Second, nil
}

// SetGroupInterval changes how often a group is evaluated; ErrNotFound for an empty group.
func (s *Store) SetGroupInterval(ctx context.Context, folder, group string, interval time.Duration) error {
	n, err := s.db.Exec(ctx, "UPDATE alert_rule SET interval_seconds = ? WHERE namespace_uid = ? AND rule_group = ?", int64(interval.Seconds()), folder, group)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}

// DeleteRule removes one by uid; none is no error, as in Grafana.
func (s *Store) DeleteRule(ctx context.Context, uid string) error {
	if _, err := s.db.Exec(ctx, "DELETE FROM alert_instance WHERE rule_uid = ?", uid); err != nil {
		return err
	}
	_, err := s.db.Exec(ctx, "DELETE FROM alert_rule WHERE org_id = 1 AND uid = ?", uid)
	return err
}

// Instance is the last state of a rule, so that a restart keeps it.
type Instance struct {
	RuleUID string
	State   string
	Since   time.Time
}

// Instances lists all.
func (s *Store) Instances(ctx context.Context) ([]Instance, error) {
	var out []Instance
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		var i Instance
		var since int64
		err := scan(&i.RuleUID, &i.State, &since)
		i.Since = time.Unix(since, 0)
		out = append(out, i)
		return err
	}, "SELECT rule_uid, current_state, current_state_since FROM alert_instance")
	return out, err
}

// SaveInstance keeps a rule's state; every node writes its own view, the last one stays.
func (s *Store) SaveInstance(ctx context.Context, i Instance) error {
	n, err := s.db.Exec(ctx, "UPDATE alert_instance SET current_state = ?, current_state_since = ?, last_eval_time = ? WHERE rule_uid = ?", i.State, i.Since.Unix(), time.Now().Unix(), i.RuleUID)
	if err != nil || n > 0 {
		return err
	}
	_, err = s.db.Insert(ctx, "INSERT INTO alert_instance (rule_org_id, rule_uid, labels, labels_hash, current_state, current_state_since, last_eval_time, current_state_end) VALUES (1, ?, '{}', '', ?, ?, ?, 0)", i.RuleUID, i.State, i.Since.Unix(), time.Now().Unix())
	return err
}
