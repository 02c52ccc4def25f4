package store

import "context"

// Value reads kv_store; ErrNotFound when absent.
func (s *Store) Value(ctx context.Context, org int64, namespace, key string) (string, error) {
	var v string
	err := s.db.Row(ctx, "SELECT value FROM kv_store WHERE org_id = ? AND namespace = ? AND [key] = ?", []any{org, namespace, key}, &v)
	return v, notFound(err)
}

// SetValue writes kv_store.
func (s *Store) SetValue(ctx context.Context, org int64, namespace, key, value string) error {
	query := "INSERT INTO kv_store (org_id, namespace, [key], value, created, updated) VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (org_id, namespace, [key]) DO UPDATE SET value = excluded.value, updated = excluded.updated"
	if s.db.Type == "mysql" {
		query = "INSERT INTO kv_store (org_id, namespace, [key], value, created, updated) VALUES (?, ?, ?, ?, ?, ?) ON DUPLICATE KEY UPDATE value = VALUES(value), updated = VALUES(updated)"
	}
	_, err := s.db.Exec(ctx, query, org, namespace, key, value, now(), now())
	return err
}
