package tasks

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// Both ways of a wrong scheme are told from a server that answers, whatever it answers.
func TestAskingTheFrontTellsTheSchemeThatIsSpoken(t *testing.T) {
	answer := http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) })
	plain, secure := httptest.NewServer(answer), httptest.NewTLSServer(answer)
	defer plain.Close()
	defer secure.Close()
	for name, tt := range map[string]struct{ url, err string }{
		"http":               {plain.URL, ""},
		"https, and http is": {strings.Replace(plain.URL, "http:", "https:", 1), "server gave HTTP response to HTTPS client"},
		"http, and https is": {strings.Replace(secure.URL, "https:", "http:", 1), check.ErrOtherScheme.Error()},
	} {
		err := askFront(t.Context(), tt.url)
		if (err != nil) != (tt.err != "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: %v, want %q", name, err, tt.err)
		}
	}
}
