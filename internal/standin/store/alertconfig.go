package store

import "context"

// AlertConfig is the organisation's Alertmanager configuration as JSON;
// ErrNotFound until somebody saved one.
func (s *Store) AlertConfig(ctx context.Context) (string, error) {
	var c string
	err := s.db.Row(ctx, "SELECT alertmanager_configuration FROM alert_configuration WHERE org_id = 1", nil, &c)
	return c, notFound(err)
}

// SaveAlertConfig replaces it.
func (s *Store) SaveAlertConfig(ctx context.Context, config string) error {
	n, err := s.db.Exec(ctx, "UPDATE alert_configuration SET alertmanager_configuration = ? WHERE org_id = 1", config)
	if err != nil || n > 0 {
		return err
	}
	_, err = s.db.Insert(ctx, "INSERT INTO alert_configuration (alertmanager_configuration, configuration_version, created_at, org_id) VALUES (?, 'v1', ?, 1)", config, now().Unix())
	return err
}
