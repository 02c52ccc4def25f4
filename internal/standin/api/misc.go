package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/live"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

func (s *server) miscRoutes() {
	s.mux.HandleFunc("GET /api/standin/sleep", s.sleep)
	s.signedIn("GET /api/frontend/settings", s.frontendSettings)
	s.signedIn("GET /api/plugins", func(*http.Request, store.User) (any, error) { return s.Plugins, nil })
	s.signedIn("GET /api/plugins/{id}/settings", s.plugin)
	s.signedIn("GET /api/annotations", s.annotations)
	s.signedIn("POST /api/annotations", s.annotate)
	s.signedIn("DELETE /api/annotations/{id}", s.deleteAnnotation)
	if s.Live == nil {
		return
	}
	s.mux.HandleFunc("GET /api/live/ws", func(w http.ResponseWriter, r *http.Request) {
		user, err := s.authenticate(w, r)
		if err != nil {
			s.reply(w, r, nil, err)
			return
		}
		s.Live.ServeHTTP(w, r, "user:"+strconv.FormatInt(user.ID, 10))
	})
	s.signedIn("POST /api/live/publish", s.publish)
	s.signedIn("POST /api/live/push/{stream}", s.push)
}

func (s *server) frontendSettings(*http.Request, store.User) (any, error) {
	out := map[string]any{"appUrl": s.Settings.Server.RootURL, "buildInfo": map[string]string{"version": s.Version, "commit": s.Commit, "edition": "Open Source"}}
	if s.Profile.SaysNamespace {
		out["namespace"] = "default"
	}
	return out, nil
}

// sleep answers after ?ms=, to be in flight while the node stops.
func (s *server) sleep(w http.ResponseWriter, r *http.Request) {
	d := time.Duration(number(r, "ms", 1000)) * time.Millisecond
	select {
	case <-r.Context().Done():
	case <-time.After(d):
		writeJSON(w, http.StatusOK, map[string]any{"slept": d.String(), "instance": s.Settings.InstanceName})
	}
}

func (s *server) publish(r *http.Request, _ store.User) (any, error) {
	var in struct {
		Channel string
		Data    json.RawMessage
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	err := s.Live.Publish(r.Context(), in.Channel, in.Data)
	switch {
	case errors.Is(err, live.ErrChannel):
		return nil, fail(http.StatusBadRequest, "invalid channel ID")
	case errors.Is(err, live.ErrNotFound):
		return nil, fail(http.StatusNotFound, http.StatusText(http.StatusNotFound))
	case errors.Is(err, live.ErrDenied):
		return nil, fail(http.StatusForbidden, http.StatusText(http.StatusForbidden))
	case err != nil:
		s.Log.Error("Error calling OnPublish", "error", err, "channel", in.Channel)
		return nil, fail(http.StatusInternalServerError, http.StatusText(http.StatusInternalServerError))
	}
	return map[string]any{}, nil
}

// push takes lines of measurements and sends each to stream/<id>/<measurement>.
func (s *server) push(r *http.Request, _ store.User) (any, error) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, fail(http.StatusInternalServerError, "")
	}
	if err := s.Live.Push(r.PathValue("stream"), string(body)); err != nil {
		s.Log.Error("Error converting metrics", "error", err)
		return nil, fail(http.StatusInternalServerError, "")
	}
	return map[string]any{}, nil
}

func (s *server) plugin(r *http.Request, _ store.User) (any, error) {
	for _, p := range s.Plugins {
		if p.ID == r.PathValue("id") {
			return p, nil
		}
	}
	return nil, fail(http.StatusNotFound, "Plugin not found, no installed plugin with that id")
}

func (s *server) annotations(r *http.Request, _ store.User) (any, error) {
	list, err := s.Store.Annotations(r.Context(), number(r, "limit", 100))
	out := []any{}
	for _, a := range list {
		out = append(out, map[string]any{"id": a.ID, "text": a.Text, "tags": a.Tags, "time": a.Time, "timeEnd": a.TimeEnd})
	}
	return out, err
}

func (s *server) annotate(r *http.Request, _ store.User) (any, error) {
	var in struct {
		Text          string
		Tags          []string
		Time, TimeEnd int64
	}
	if err := readJSON(r, &in); err != nil {
		return nil, err
	}
	if in.Text == "" {
		return nil, fail(http.StatusBadRequest, "Failed to save annotation")
	}
	if in.Time == 0 {
		in.Time = time.Now().UnixMilli()
	}
	id, err := s.Store.Annotate(r.Context(), store.Annotation{Text: in.Text, Tags: in.Tags, Time: in.Time, TimeEnd: max(in.TimeEnd, in.Time)})
	return map[string]any{"message": "Annotation added", "id": id}, err
}

func (s *server) deleteAnnotation(r *http.Request, _ store.User) (any, error) {
	id, err := strconv.ParseInt(r.PathValue("id"), 10, 64)
	if err != nil {
		return nil, fail(http.StatusBadRequest, "annotationId is invalid")
	}
	return map[string]string{"message": "Annotation deleted"}, s.Store.DeleteAnnotation(r.Context(), id)
}
