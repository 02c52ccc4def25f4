// Package api is the HTTP surface: the part of Grafana's API that a deployer,
// a balancer or a verification touches, with its paths, codes and fields.
package api

import (
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/ghadeploy/ghadeploy/internal/standin/alerting"
	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
	"github.com/ghadeploy/ghadeploy/internal/standin/live"
	"github.com/ghadeploy/ghadeploy/internal/standin/plugins"
	"github.com/ghadeploy/ghadeploy/internal/standin/profile"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// Options are what the API stands on. Alerting and Live are nil on versions
// that have none.
type Options struct {
	Settings *settings.Settings
	Store    *store.Store
	Live     *live.Live
	Alerting *alerting.Service
	Plugins  []plugins.Plugin
	Gatherer prometheus.Gatherer
	Log      *slog.Logger
	Faults   faults.Faults
	// Version is the text of VERSION, Commit what the build says.
	Version, Commit string
	Profile         profile.Profile
}

type server struct {
	Options
	mux    *http.ServeMux
	health healthCache
}

// New returns the handler of everything that the server answers.
func New(o Options) http.Handler {
	s := &server{Options: o, mux: http.NewServeMux()}
	s.mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("Ok")) })
	s.mux.HandleFunc("GET /api/health", s.apiHealth)
	s.mux.HandleFunc("GET /metrics", s.metrics)
	s.mux.HandleFunc("GET /robots.txt", func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write([]byte("User-agent: *\nDisallow: /\n")) })
	s.sessionRoutes()
	s.userRoutes()
	s.dashboardRoutes()
	s.datasourceRoutes()
	s.miscRoutes()
	if s.Alerting != nil {
		s.alertingRoutes()
	}
	return s.subPath(s.mux)
}

// subPath serves below root_url's path when serve_from_sub_path is on, and
// sends requests for another host away when enforce_domain is.
func (s *server) subPath(next http.Handler) http.Handler {
	prefix := s.Settings.Server.SubPath
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if host, _, _ := strings.Cut(r.Host, ":"); s.Settings.Server.EnforceDomain && !strings.EqualFold(host, s.Settings.Server.Domain) &&
			r.URL.Path != "/api/health" && r.URL.Path != "/healthz" && r.URL.Path != "/metrics" {
			http.Redirect(w, r, s.Settings.Server.RootURL, http.StatusMovedPermanently)
			return
		}
		if s.Settings.Server.ServeFromSubPath && prefix != "" {
			if p, ok := strings.CutPrefix(r.URL.Path, prefix); ok {
				r2 := r.Clone(r.Context())
				r2.URL = &url.URL{Path: "/" + strings.TrimPrefix(p, "/"), RawQuery: r.URL.RawQuery}
				next.ServeHTTP(w, r2)
				return
			}
		}
		next.ServeHTTP(w, r)
	})
}

func (s *server) metrics(w http.ResponseWriter, r *http.Request) {
	m := s.Settings.Metrics
	if !m.Enabled {
		http.NotFound(w, r)
		return
	}
	if m.User != "" {
		user, password, ok := r.BasicAuth()
		if !ok || user != m.User || password != m.Password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	promhttp.HandlerFor(s.Gatherer, promhttp.HandlerOpts{EnableOpenMetrics: true}).ServeHTTP(w, r)
}

// handler answers a signed-in user's request with a value or an error.
type handler func(r *http.Request, user store.User) (any, error)

// failure is an error with a status of its own.
type failure struct {
	status  int
	message string
}

func (f failure) Error() string { return f.message }

func fail(status int, message string) error { return failure{status, message} }

// with is a value with a status that is not 200.
type with struct {
	status int
	body   any
}

// signedIn registers a route for any user, admin one for administrators.
func (s *server) signedIn(pattern string, h handler) { s.route(pattern, h, false) }
func (s *server) admin(pattern string, h handler)    { s.route(pattern, h, true) }

func (s *server) route(pattern string, h handler, admin bool) {
	s.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
		user, err := s.authenticate(w, r)
		if err == nil && admin && !user.IsAdmin {
			err = fail(http.StatusForbidden, "You'll need additional permissions to perform this action.")
		}
		var body any
		if err == nil {
			body, err = h(r, user)
		}
		s.reply(w, r, body, err)
	})
}

func (s *server) reply(w http.ResponseWriter, r *http.Request, body any, err error) {
	if err == nil {
		if b, ok := body.(with); ok {
			writeJSON(w, b.status, b.body)
			return
		}
		writeJSON(w, http.StatusOK, body)
		return
	}
	var f failure
	switch {
	case errors.As(err, &f):
	case errors.Is(err, store.ErrNotFound):
		f = failure{http.StatusNotFound, "Not found"}
	case errors.Is(err, store.ErrExists):
		f = failure{http.StatusConflict, "already exists"}
	case errors.Is(err, store.ErrConflict):
		f = failure{http.StatusPreconditionFailed, "The dashboard has been changed by someone else"}
	default:
		s.Log.Error("Request error", "method", r.Method, "path", r.URL.Path, "error", err)
		f = failure{http.StatusInternalServerError, "Internal server error"}
	}
	out := map[string]any{"message": f.message}
	if f.message == needsRotation {
		out = map[string]any{"message": "Unauthorized", "messageId": needsRotation, "statusCode": f.status}
	}
	writeJSON(w, f.status, out)
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	if status == http.StatusNoContent {
		w.WriteHeader(status)
		return
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.Header().Set("Cache-Control", "no-store")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client is gone when this fails
}

const maxBody = 10 << 20

func readJSON(r *http.Request, v any) error {
	if err := json.NewDecoder(http.MaxBytesReader(nil, r.Body, maxBody)).Decode(v); err != nil {
		return fail(http.StatusBadRequest, "bad request data")
	}
	return nil
}

func number(r *http.Request, name string, fallback int) int {
	n, err := strconv.Atoi(r.URL.Query().Get(name))
	if err != nil {
		return fallback
	}
	return n
}
