package verify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// counting is a Grafana from 8.2 on; with legacy alerting it has no page of rules.
func counting(rules string) http.Handler {
	mux := http.NewServeMux()
	for path, body := range map[string]string{"/api/admin/stats": `{"dashboards": 3}`, "/api/folders": "[]", "/api/ruler/grafana/api/v1/rules": rules} {
		if body == "" {
			continue
		}
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, body) })
	}
	return mux
}

// A cluster with legacy alerting has no rules to count, and that is no fault of it
// (8.5.15 answers 404); one of whose hosts alone has rules has a fault.
func TestHostsWithLegacyAlertingCountTheSame(t *testing.T) {
	const one = `{"f": [{"rules": [{}]}]}`
	for _, tt := range []struct{ first, second, says string }{
		{"", "", ""},
		{one, one, ""},
		{"", one, "rules: h1 0, h2 1"},
		{one, "", "rules: h1 1, h2 0"},
	} {
		p := proofOn(t, counting(tt.first))
		srv := httptest.NewServer(counting(tt.second))
		defer srv.Close()
		p.nodes[1].base = srv.URL
		tallies := make([]tally, 2)
		for i, n := range p.nodes {
			n.version = version(t, "8.5.15")
			var err error
			if tallies[i], err = n.tally(t.Context()); err != nil {
				t.Fatalf("%q, %q: %v", tt.first, tt.second, err)
			}
		}
		err := p.compare(t.Context(), tallies)
		if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%q, %q: %v, want %q", tt.first, tt.second, err, tt.says)
		}
	}
}
