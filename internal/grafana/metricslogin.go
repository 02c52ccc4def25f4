package grafana

import (
	"net/http"
	"strings"
)

// MetricsLogin adds [metrics] basic_auth_username and basic_auth_password to
// requests for /metrics, and to no others: everywhere else Grafana would take
// them for a user's login.
type MetricsLogin struct {
	Next           http.RoundTripper
	User, Password string
}

// RoundTrip implements [http.RoundTripper].
func (l MetricsLogin) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.HasSuffix(r.URL.Path, "/metrics") { // below the sub path, if there is one
		r = r.Clone(r.Context())
		r.SetBasicAuth(l.User, l.Password)
	}
	return l.Next.RoundTrip(r)
}
