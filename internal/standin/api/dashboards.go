package api

import (
	"encoding/json"
	"errors"
	"net/http"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) dashboardRoutes() {
	s.signedIn("POST /api/dashboards/db", s.saveDashboard)
	s.signedIn("GET /api/dashboards/uid/{uid}", s.dashboard)
	s.signedIn("DELETE /api/dashboards/uid/{uid}", s.deleteDashboard)
	s.signedIn("GET /api/dashboards/home", func(*http.Request, store.User) (any, error) {
		return map[string]any{"meta": map[string]any{"isHome": true}, "dashboard": map[string]any{"title": "Home"}}, nil
	})
	s.signedIn("GET /api/search", s.search)
	s.signedIn("GET /api/folders", s.folders)
	s.signedIn("POST /api/folders", s.createFolder)
	s.signedIn("GET /api/folders/{uid}", s.folder)
	s.signedIn("DELETE /api/folders/{uid}", s.deleteFolder)
}

func (s *server) saveDashboard(r *http.Request, _ store.User) (any, error) {
	var in struct {
		Dashboard json.RawMessage
		FolderUID string `json:"folderUid"`
		Overwrite bool
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	var head struct {
		UID, Title string
		Version    int64
	}
	if err := json.Unmarshal(in.Dashboard, &head); err != nil || head.Title == "" {
		return nil, fail(http.StatusBadRequest, "Dashboard title cannot be empty")
	}
	if in.FolderUID != "" {
		if _, err := s.Store.Dashboard(r.Context(), in.FolderUID, true); err != nil {
			return nil, fail(http.StatusBadRequest, "folder not found")
		}
	}
	d, err := s.Store.SaveDashboard(r.Context(), store.Dashboard{UID: head.UID, Title: head.Title, Version: head.Version, FolderUID: in.FolderUID, Data: in.Dashboard}, in.Overwrite)
	if errors.Is(err, store.ErrConflict) {
		return with{http.StatusPreconditionFailed, map[string]string{"message": "The dashboard has been changed by someone else", "status": "version-mismatch"}}, nil
	}
	if err == nil && s.Live != nil {
		err = s.Live.DashboardChanged(d.UID, "saved")
	}
	return map[string]any{"id": d.ID, "uid": d.UID, "folderUid": d.FolderUID, "slug": d.Slug, "status": "success", "url": s.url(d), "version": d.Version}, err
}

func (s *server) url(d store.Dashboard) string {
	kind := "/d/"
	if d.IsFolder {
		kind = "/dashboards/f/"
	}
	return s.Settings.Server.SubPath + kind + d.UID + "/" + d.Slug
}

func (s *server) dashboard(r *http.Request, _ store.User) (any, error) {
	d, err := s.Store.Dashboard(r.Context(), r.PathValue("uid"), false)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "Dashboard not found")
	}
	return map[string]any{"meta": map[string]any{"type": "db", "slug": d.Slug, "url": s.url(d), "version": d.Version, "folderUid": d.FolderUID, "canSave": true}, "dashboard": d.Data}, err
}

func (s *server) deleteDashboard(r *http.Request, _ store.User) (any, error) {
	d, err := s.Store.Dashboard(r.Context(), r.PathValue("uid"), false)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "Dashboard not found")
	}
	if err == nil {
		err = s.Store.DeleteDashboard(r.Context(), d.UID, false)
	}
	if err == nil && s.Live != nil {
		err = s.Live.DashboardChanged(d.UID, "deleted")
	}
	return map[string]any{"id": d.ID, "title": d.Title, "message": "Dashboard " + d.Title + " deleted"}, err
}

func (s *server) search(r *http.Request, _ store.User) (any, error) {
	q := r.URL.Query()
	list, err := s.Store.Dashboards(r.Context(), q.Get("query"))
	if err != nil {
		return nil, err
	}
	out := []map[string]any{}
	for _, d := range list {
		kind := "dash-db"
		if d.IsFolder {
			kind = "dash-folder"
		}
		if t := q.Get("type"); t != "" && t != kind {
			continue
		}
		out = append(out, map[string]any{"id": d.ID, "uid": d.UID, "title": d.Title, "uri": "db/" + d.Slug, "url": s.url(d), "slug": "", "type": kind, "tags": []string{}, "isStarred": false, "folderUid": d.FolderUID})
	}
	return paginate(out, number(r, "limit", 1000), number(r, "page", 1)), nil
}

func paginate[T any](list []T, limit, page int) []T {
	from := min(max(limit, 1)*(max(page, 1)-1), len(list))
	return list[from:min(from+max(limit, 1), len(list))]
}

func (s *server) folderView(d store.Dashboard) map[string]any {
	return map[string]any{"id": d.ID, "uid": d.UID, "title": d.Title, "url": s.url(d), "version": d.Version, "canSave": true, "canEdit": true, "canAdmin": true, "canDelete": true}
}

func (s *server) folders(r *http.Request, _ store.User) (any, error) {
	list, err := s.Store.Dashboards(r.Context(), "")
	out := []map[string]any{}
	for _, d := range list {
		if d.IsFolder {
			out = append(out, map[string]any{"id": d.ID, "uid": d.UID, "title": d.Title})
		}
	}
	return paginate(out, number(r, "limit", 1000), number(r, "page", 1)), err
}

func (s *server) createFolder(r *http.Request, _ store.User) (any, error) {
	var in struct{ UID, Title string }
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Title == "" {
		return nil, fail(http.StatusBadRequest, "folder title cannot be empty")
	}
	if in.UID != "" {
		if _, err := s.Store.Dashboard(r.Context(), in.UID, true); err == nil {
			return nil, fail(http.StatusConflict, "a folder with that uid already exists")
		}
	}
	d, err := s.Store.SaveDashboard(r.Context(), store.Dashboard{UID: in.UID, Title: in.Title, IsFolder: true}, false)
	return s.folderView(d), err
}

func (s *server) folder(r *http.Request, _ store.User) (any, error) {
	d, err := s.Store.Dashboard(r.Context(), r.PathValue("uid"), true)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "folder not found")
	}
	return s.folderView(d), err
}

func (s *server) deleteFolder(r *http.Request, _ store.User) (any, error) {
	if r.URL.Query().Get("forceDeleteRules") != "true" {
		rules, err := s.Store.Rules(r.Context())
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(rules, func(rule store.Rule) bool { return rule.FolderUID == r.PathValue("uid") }) {
			return nil, fail(http.StatusBadRequest, "folder cannot be deleted: folder is not empty")
		}
	}
	err := s.Store.DeleteDashboard(r.Context(), r.PathValue("uid"), true)
	if errors.Is(err, store.ErrNotFound) {
		return nil, fail(http.StatusNotFound, "folder not found")
	}
	return map[string]any{"message": "Folder deleted"}, err
}
