package store

import (
	"context"
	"encoding/json"
)

// Annotation is a mark in time; Time and TimeEnd are Unix milliseconds.
type Annotation struct {
	ID            int64
	Text          string
	Tags          []string
	Time, TimeEnd int64
}

// Annotate adds a mark and returns its id.
func (s *Store) Annotate(ctx context.Context, a Annotation) (int64, error) {
	tags, err := json.Marshal(a.Tags)
	if err != nil {
		return 0, err
	}
	return s.db.Insert(ctx, "INSERT INTO annotation (org_id, user_id, dashboard_id, panel_id, type, text, tags, epoch, epoch_end) VALUES (1, 1, 0, 0, '', ?, ?, ?, ?)",
		a.Text, string(tags), a.Time, a.TimeEnd)
}

// Annotations lists the newest marks.
func (s *Store) Annotations(ctx context.Context, limit int) ([]Annotation, error) {
	var out []Annotation
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		var a Annotation
		var tags string
		if err := scan(&a.ID, &a.Text, &tags, &a.Time, &a.TimeEnd); err != nil {
			return err
		}
		if err := json.Unmarshal([]byte(tags), &a.Tags); err != nil {
			return err
		}
		out = append(out, a)
		return nil
	}, "SELECT id, text, tags, epoch, epoch_end FROM annotation WHERE org_id = 1 ORDER BY epoch DESC LIMIT ?", limit)
	return out, err
}

// DeleteAnnotation removes a mark.
func (s *Store) DeleteAnnotation(ctx context.Context, id int64) error {
	n, err := s.db.Exec(ctx, "DELETE FROM annotation WHERE org_id = 1 AND id = ?", id)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}
