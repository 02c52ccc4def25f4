package api

import (
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// healthTTL is how long Grafana trusts its last look at the database.
const healthTTL = 5 * time.Second

type healthCache struct {
	mu sync.Mutex
	at time.Time
	ok bool
}

func (s *server) databaseHealthy(ctx context.Context) bool {
	c := &s.health
	c.mu.Lock()
	if time.Since(c.at) < healthTTL {
		defer c.mu.Unlock()
		return c.ok
	}
	c.mu.Unlock()
	ok := s.Store.Ping(ctx) == nil
	c.mu.Lock()
	defer c.mu.Unlock()
	c.at, c.ok = time.Now(), ok
	return ok
}

// health is what /api/health says, in the order of newer versions.
type health struct {
	Database string `json:"database"`
	Version  string `json:"version,omitempty"`
	Commit   string `json:"commit,omitempty"`
}

func (s *server) apiHealth(w http.ResponseWriter, r *http.Request) {
	out := health{Database: "ok"}
	if !s.Settings.HideVersion {
		out.Version, out.Commit = s.Version, s.Commit
	}
	status := http.StatusOK
	if s.Faults.Unhealthy || !s.databaseHealthy(r.Context()) {
		out.Database, status = "failing", http.StatusServiceUnavailable
	}
	w.Header().Set("Content-Type", "application/json; charset=UTF-8")
	w.WriteHeader(status)
	b, _ := json.MarshalIndent(out, "", "  ") // strings always encode
	if s.Profile.HealthSorted {
		b, _ = json.MarshalIndent(out.sorted(), "", "  ")
	}
	_, _ = w.Write(b)
}

func (h health) sorted() map[string]string {
	out := map[string]string{"database": h.Database}
	if h.Version != "" {
		out["version"], out["commit"] = h.Version, h.Commit
	}
	return out
}
