package store

import (
	"context"
	"errors"
)

// LiveMessage is the last message of a broadcast channel; nil when there is none.
func (s *Store) LiveMessage(ctx context.Context, channel string) ([]byte, error) {
	var data string
	err := s.db.Row(ctx, "SELECT data FROM live_message WHERE org_id = 1 AND channel = ?", []any{channel}, &data)
	if errors.Is(notFound(err), ErrNotFound) {
		return nil, nil
	}
	return []byte(data), err
}

// SaveLiveMessage replaces the last message of a broadcast channel.
func (s *Store) SaveLiveMessage(ctx context.Context, channel string, data []byte) error {
	n, err := s.db.Exec(ctx, "UPDATE live_message SET data = ?, published = ? WHERE org_id = 1 AND channel = ?", string(data), now(), channel)
	if err != nil || n > 0 {
		return err
	}
	_, err = s.db.Insert(ctx, "INSERT INTO live_message (org_id, channel, data, published, created_by) VALUES (1, ?, ?, ?, 1)", channel, string(data), now())
	return err
}

// HasDashboard reports whether there is a dashboard with this uid.
func (s *Store) HasDashboard(ctx context.Context, uid string) (bool, error) {
	_, err := s.Dashboard(ctx, uid, false)
	if errors.Is(err, ErrNotFound) {
		return false, nil
	}
	return err == nil, err
}
