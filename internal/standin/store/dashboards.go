package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
)

// Dashboard is a dashboard or, with IsFolder, a folder.
type Dashboard struct {
	ID        int64
	UID       string
	Title     string
	Slug      string
	Version   int64
	FolderUID string
	IsFolder  bool
	Data      json.RawMessage
}

const dashboardColumns = "SELECT id, uid, title, slug, version, folder_uid, is_folder, data FROM dashboard"

func scanDashboard(scan func(...any) error) (d Dashboard, err error) {
	var data string
	err = scan(&d.ID, &d.UID, &d.Title, &d.Slug, &d.Version, &d.FolderUID, &d.IsFolder, &data)
	d.Data = json.RawMessage(data)
	return d, err
}

// Dashboard finds a dashboard or folder by uid.
func (s *Store) Dashboard(ctx context.Context, uid string, folder bool) (Dashboard, error) {
	d, err := scanDashboard(s.db.QueryRowContext(ctx, s.db.SQL(dashboardColumns+" WHERE org_id = 1 AND uid = ? AND is_folder = ?"), uid, folder).Scan)
	return d, notFound(err)
}

// Dashboards lists dashboards and folders whose title contains query, dashboards first.
func (s *Store) Dashboards(ctx context.Context, query string) ([]Dashboard, error) {
	var out []Dashboard
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		d, err := scanDashboard(scan)
		out = append(out, d)
		return err
	}, dashboardColumns+" WHERE org_id = 1 AND lower(title) LIKE ? ORDER BY is_folder DESC, title", "%"+strings.ToLower(query)+"%")
	return out, err
}

// SaveDashboard inserts or updates by uid. ErrConflict when the stored version
// is not d.Version and overwrite is false.
func (s *Store) SaveDashboard(ctx context.Context, d Dashboard, overwrite bool) (Dashboard, error) {
	if d.UID == "" {
		d.UID = NewUID()
	}
	d.Slug = slug(d.Title)
	old, err := s.Dashboard(ctx, d.UID, d.IsFolder)
	if err == ErrNotFound {
		d.Version = 1
		if d.Data, err = stamp(d); err != nil {
			return d, err
		}
		d.ID, err = s.db.Insert(ctx, "INSERT INTO dashboard (version, slug, title, data, org_id, created, updated, created_by, updated_by, folder_id, is_folder, uid, folder_uid) VALUES (?, ?, ?, ?, 1, ?, ?, 1, 1, 0, ?, ?, ?)",
			d.Version, d.Slug, d.Title, string(d.Data), now(), now(), d.IsFolder, d.UID, d.FolderUID)
		return d, err
	}
	if err != nil {
		return d, err
	}
	if old.Version != d.Version && !overwrite {
		return d, ErrConflict
	}
	d.ID, d.Version = old.ID, old.Version+1
	if d.Data, err = stamp(d); err != nil {
		return d, err
	}
	_, err = s.db.Exec(ctx, "UPDATE dashboard SET version = ?, slug = ?, title = ?, data = ?, updated = ?, folder_uid = ? WHERE id = ?",
		d.Version, d.Slug, d.Title, string(d.Data), now(), d.FolderUID, d.ID)
	return d, err
}

// stamp writes uid and version into the JSON, as Grafana stores it.
func stamp(d Dashboard) (json.RawMessage, error) {
	m := map[string]any{}
	if len(d.Data) > 0 {
		if err := json.Unmarshal(d.Data, &m); err != nil {
			return nil, fmt.Errorf("reading dashboard: %w", err)
		}
	}
	m["uid"], m["version"], m["title"] = d.UID, d.Version, d.Title
	return json.Marshal(m)
}

// DeleteDashboard removes a dashboard, or a folder with what is in it.
func (s *Store) DeleteDashboard(ctx context.Context, uid string, folder bool) error {
	n, err := s.db.Exec(ctx, "DELETE FROM dashboard WHERE org_id = 1 AND uid = ? AND is_folder = ?", uid, folder)
	if err != nil {
		return err
	}
	if n == 0 {
		return ErrNotFound
	}
	if !folder {
		return nil
	}
	for _, q := range []string{"DELETE FROM dashboard WHERE org_id = 1 AND folder_uid = ?", "DELETE FROM alert_rule WHERE org_id = 1 AND namespace_uid = ?"} {
		if _, err := s.db.Exec(ctx, q, uid); err != nil {
			return err
		}
	}
	return nil
}

func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(title) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			b.WriteRune(r)
		} else if s := b.String(); s != "" && !strings.HasSuffix(s, "-") {
			b.WriteByte('-')
		}
	}
	return strings.TrimSuffix(b.String(), "-")
}
