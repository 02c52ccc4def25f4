package store

import (
	"context"
	"encoding/json"
)

// DataSource is a row of data_source. Secure values are encrypted one by one.
type DataSource struct {
	ID        int64
	UID       string
	Name      string
	Type      string
	Access    string
	URL       string
	User      string
	Database  string
	IsDefault bool
	ReadOnly  bool
	JSON      json.RawMessage
	Secure    map[string]string
}

const dataSourceColumns = "SELECT id, uid, name, type, access, url, [user], [database], is_default, read_only, json_data, secure_json_data FROM data_source"

func scanDataSource(scan func(...any) error) (d DataSource, err error) {
	var plain, secure string
	if err := scan(&d.ID, &d.UID, &d.Name, &d.Type, &d.Access, &d.URL, &d.User, &d.Database, &d.IsDefault, &d.ReadOnly, &plain, &secure); err != nil {
		return d, err
	}
	d.JSON = json.RawMessage(plain)
	return d, json.Unmarshal([]byte(secure), &d.Secure)
}

// DataSources lists all.
func (s *Store) DataSources(ctx context.Context) ([]DataSource, error) {
	var out []DataSource
	err := s.db.Each(ctx, func(scan func(...any) error) error {
		d, err := scanDataSource(scan)
		out = append(out, d)
		return err
	}, dataSourceColumns+" WHERE org_id = 1 ORDER BY name")
	return out, err
}

// DataSource finds one by uid or, when that fails, by name.
func (s *Store) DataSource(ctx context.Context, uid string) (DataSource, error) {
	d, err := scanDataSource(s.db.QueryRowContext(ctx, s.db.SQL(dataSourceColumns+" WHERE org_id = 1 AND (uid = ? OR name = ?)"), uid, uid).Scan)
	return d, notFound(err)
}

// AddDataSource inserts one, sealing its secure values; ErrExists when the name is taken.
func (s *Store) AddDataSource(ctx context.Context, d DataSource) (DataSource, error) {
	if _, err := s.DataSource(ctx, d.Name); err == nil {
		return d, ErrExists
	}
	if d.UID == "" {
		d.UID = NewUID()
	}
	if len(d.JSON) == 0 {
		d.JSON = json.RawMessage("{}")
	}
	sealed := map[string]string{}
	for k, v := range d.Secure {
		var err error
		if sealed[k], err = s.Encrypt(ctx, v); err != nil {
			return d, err
		}
	}
	secure, err := json.Marshal(sealed)
	if err != nil {
		return d, err
	}
	d.Secure = sealed
	d.ID, err = s.db.Insert(ctx, "INSERT INTO data_source (org_id, version, type, name, access, url, [user], [database], is_default, json_data, secure_json_data, read_only, uid, created, updated) VALUES (1, 1, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
		d.Type, d.Name, d.Access, d.URL, d.User, d.Database, d.IsDefault, string(d.JSON), string(secure), d.ReadOnly, d.UID, now(), now())
	return d, err
}

// DeleteDataSource removes one by uid.
func (s *Store) DeleteDataSource(ctx context.Context, uid string) error {
	n, err := s.db.Exec(ctx, "DELETE FROM data_source WHERE org_id = 1 AND uid = ?", uid)
	if err == nil && n == 0 {
		return ErrNotFound
	}
	return err
}
