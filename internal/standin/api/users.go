package api

import (
	"net/http"
	"strconv"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) userRoutes() {
	s.signedIn("GET /api/user", func(_ *http.Request, u store.User) (any, error) { return userView(u), nil })
	s.signedIn("GET /api/user/orgs", func(*http.Request, store.User) (any, error) {
		return []any{map[string]any{"orgId": 1, "name": "Main Org.", "role": "Admin"}}, nil
	})
	s.signedIn("GET /api/org", func(*http.Request, store.User) (any, error) {
		return map[string]any{"id": 1, "name": "Main Org.", "address": map[string]string{}}, nil
	})
	s.admin("GET /api/orgs", func(*http.Request, store.User) (any, error) {
		return []any{map[string]any{"id": 1, "name": "Main Org."}}, nil
	})
	s.admin("GET /api/org/users", s.orgUsers)
	s.admin("GET /api/users", s.users)
	s.admin("GET /api/users/search", s.searchUsers)
	s.admin("GET /api/users/lookup", s.lookupUser)
	s.admin("POST /api/admin/users", s.createUser)
	s.admin("DELETE /api/admin/users/{id}", s.deleteUser)
	s.admin("GET /api/admin/stats", s.stats)
}

func userView(u store.User) map[string]any {
	return map[string]any{
		"id": u.ID, "email": u.Email, "name": u.Name, "login": u.Login, "theme": "", "orgId": u.OrgID, "isGrafanaAdmin": u.IsAdmin,
		"isAdmin": u.IsAdmin, "isDisabled": false, "isExternal": false, "authLabels": []string{},
	}
}

func (s *server) users(r *http.Request, _ store.User) (any, error) {
	list, err := s.Store.Users(r.Context())
	out := []any{}
	for _, u := range list {
		out = append(out, userView(u))
	}
	return out, err
}

func (s *server) orgUsers(r *http.Request, _ store.User) (any, error) {
	list, err := s.Store.Users(r.Context())
	out := []any{}
	for _, u := range list {
		role := "Viewer"
		if u.IsAdmin {
			role = "Admin"
		}
		out = append(out, map[string]any{"orgId": u.OrgID, "userId": u.ID, "email": u.Email, "name": u.Name, "login": u.Login, "role": role})
	}
	return out, err
}

func (s *server) searchUsers(r *http.Request, u store.User) (any, error) {
	list, err := s.users(r, u)
	if err != nil {
		return nil, err
	}
	views, _ := list.([]any)
	return map[string]any{"totalCount": len(views), "users": views, "page": 1, "perPage": 1000}, nil
}

func (s *server) lookupUser(r *http.Request, _ store.User) (any, error) {
	u, err := s.Store.UserByLogin(r.Context(), r.URL.Query().Get("loginOrEmail"))
	return userView(u), err
}

func (s *server) createUser(r *http.Request, _ store.User) (any, error) {
	var in struct{ Name, Email, Login, Password string }
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Login == "" {
		in.Login = in.Email
	}
	if in.Login == "" || len(in.Password) < 4 {
		return nil, fail(http.StatusBadRequest, "Password is missing or too short")
	}
	u, err := s.Store.CreateUser(r.Context(), store.User{Login: in.Login, Email: in.Email, Name: in.Name, OrgID: 1}, in.Password, "Viewer")
	if err == store.ErrExists {
		return nil, fail(http.StatusPreconditionFailed, "User with email '"+in.Email+"' or username '"+in.Login+"' already exists")
	}
	return map[string]any{"id": u.ID, "message": "User created"}, err
}

func (s *server) deleteUser(r *http.Request, _ store.User) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "id is invalid")
	}
	return map[string]string{"message": "User deleted"}, s.Store.DeleteUser(r.Context(), id)
}

func (s *server) stats(r *http.Request, _ store.User) (any, error) {
	out := map[string]int{"orgs": 1, "snapshots": 0, "tags": 0, "playlists": 0, "stars": 0, "admins": 0, "editors": 0, "viewers": 0}
	for _, c := range []struct{ name, table, where string }{
		{"dashboards", "dashboard", "NOT is_folder"}, {"folders", "dashboard", "is_folder"}, {"datasources", "data_source", ""},
		{"alerts", "alert_rule", ""}, {"users", "user", ""}, {"activeSessions", "user_auth_token", ""},
		{"admins", "org_user", "role = 'Admin'"}, {"viewers", "org_user", "role = 'Viewer'"},
	} {
		n, err := s.Store.Count(r.Context(), c.table, c.where)
		if err != nil {
			return nil, err
		}
		out[c.name] = n
	}
	return out, nil
}
