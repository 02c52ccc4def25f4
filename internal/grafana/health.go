package grafana

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Health is the answer of /api/health. It speaks of the database only (a
// `SELECT 1`, up to 5 s old), not of alerting, Redis or plugins.
type Health struct {
	// Status is the HTTP status: 200, or 503 with the database gone.
	Status int `json:"status"`
	// Database is "ok" or "failing".
	Database string `json:"database"`
	// Version is zero where anonymous access hides it; [Metrics.Version] has it then.
	Version Version `json:"version"`
	Commit  string  `json:"commit,omitempty"`
}

// OK says whether the node answers and reaches its database.
func (h Health) OK() bool { return h.Status == http.StatusOK && h.Database == "ok" }

// ErrNotGrafana is an answer that no Grafana gives.
var ErrNotGrafana = errors.New("this is not Grafana's answer")

const (
	maxHealth  = 64 << 10
	maxMetrics = 8 << 20
)

// GetHealth reads /api/health below baseURL ("http://10.0.0.11:3000"; with the
// sub path, where Grafana serves from one). A 503 is an answer, not an error.
// Errors: the transport's, ErrNotGrafana.
func GetHealth(ctx context.Context, client *http.Client, baseURL string) (Health, error) {
	status, body, err := get(ctx, client, baseURL, "/api/health", maxHealth)
	if err != nil {
		return Health{}, err
	}
	var answer struct{ Database, Version, Commit string }
	if err := json.Unmarshal(body, &answer); err != nil || answer.Database == "" {
		return Health{}, fmt.Errorf("reading /api/health (status %d): %w", status, ErrNotGrafana)
	}
	h := Health{Status: status, Database: answer.Database, Commit: answer.Commit}
	if answer.Version != "" {
		if h.Version, err = ParseVersion(answer.Version); err != nil {
			return Health{}, fmt.Errorf("reading /api/health: %w", err)
		}
	}
	return h, nil
}

// get reads one page, at most limit bytes of it.
func get(ctx context.Context, client *http.Client, baseURL, page string, limit int64) (int, []byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(baseURL, "/")+page, nil)
	if err != nil {
		return 0, nil, fmt.Errorf("reading %s: %w", page, err)
	}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, fmt.Errorf("reading %s: %w", page, err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, limit+1))
	if err := errors.Join(err, resp.Body.Close()); err != nil {
		return 0, nil, fmt.Errorf("reading %s: %w", page, err)
	}
	if int64(len(body)) > limit {
		return 0, nil, fmt.Errorf("reading %s: more than %d bytes: %w", page, limit, ErrNotGrafana)
	}
	return resp.StatusCode, body, nil
}
