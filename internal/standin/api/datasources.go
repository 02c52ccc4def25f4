package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) datasourceRoutes() {
	s.signedIn("GET /api/datasources", s.datasources)
	s.admin("POST /api/datasources", s.addDatasource)
	s.signedIn("GET /api/datasources/uid/{uid}", s.datasource)
	s.signedIn("GET /api/datasources/name/{uid}", s.datasource)
	s.admin("DELETE /api/datasources/uid/{uid}", s.deleteDatasource)
	s.signedIn("GET /api/datasources/uid/{uid}/health", s.datasourceHealth)
}

func datasourceView(d store.DataSource) map[string]any {
	fields := map[string]bool{}
	for k := range d.Secure {
		fields[k] = true
	}
	return map[string]any{
		"id": d.ID, "uid": d.UID, "orgId": 1, "name": d.Name, "type": d.Type, "typeName": d.Type, "access": d.Access, "url": d.URL, "user": d.User,
		"database": d.Database, "basicAuth": false, "isDefault": d.IsDefault, "jsonData": d.JSON, "secureJsonFields": fields, "readOnly": d.ReadOnly,
	}
}

func (s *server) datasources(r *http.Request, _ store.User) (any, error) {
	list, err := s.Store.DataSources(r.Context())
	out := []any{}
	for _, d := range list {
		out = append(out, datasourceView(d))
	}
	return out, err
}

func (s *server) addDatasource(r *http.Request, _ store.User) (any, error) {
	var in struct {
		UID, Name, Type, Access, URL, User, Database string
		IsDefault                                    bool
		JSONData                                     json.RawMessage
		SecureJSONData                               map[string]string
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Name == "" || in.Type == "" || in.Access == "" {
		return nil, fail(http.StatusBadRequest, "bad request data")
	}
	d, err := s.Store.AddDataSource(r.Context(), store.DataSource{
		UID: in.UID, Name: in.Name, Type: in.Type, Access: in.Access, URL: in.URL, User: in.User, Database: in.Database,
		IsDefault: in.IsDefault, JSON: in.JSONData, Secure: in.SecureJSONData,
	})
	if errors.Is(err, store.ErrExists) {
		return nil, fail(http.StatusConflict, "data source with the same name already exists")
	}
	return map[string]any{"id": d.ID, "name": d.Name, "message": "Datasource added", "datasource": datasourceView(d)}, err
}

func (s *server) datasource(r *http.Request, _ store.User) (any, error) {
	d, err := s.Store.DataSource(r.Context(), r.PathValue("uid"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "Data source not found")
	}
	return datasourceView(d), err
}

func (s *server) deleteDatasource(r *http.Request, _ store.User) (any, error) {
	err := s.Store.DeleteDataSource(r.Context(), r.PathValue("uid"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "Data source not found")
	}
	return map[string]string{"message": "Data source deleted"}, err
}

// datasourceHealth decrypts what the data source keeps secret: the one thing
// that tells a wrong secret_key from outside.
func (s *server) datasourceHealth(r *http.Request, _ store.User) (any, error) {
	d, err := s.Store.DataSource(r.Context(), r.PathValue("uid"))
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "Data source not found")
	}
	if err != nil {
		return nil, err
	}
	for _, sealed := range d.Secure {
		if _, err := s.Store.Decrypt(r.Context(), sealed); err != nil {
			s.Log.Error("Failed to decrypt secret", "datasource", d.Name, "error", err)
			return nil, fail(http.StatusInternalServerError, "Failed to decrypt secret")
		}
	}
	return map[string]string{"status": "OK", "message": "Data source is working"}, nil
}
