package check

import (
	"context"
	"errors"
	"net"
	"net/url"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// root_url is asked as a user would; the fix names the key.
func TestRootURLIsAskedAsAUserWould(t *testing.T) {
	for name, tt := range map[string]struct {
		url      string
		err      error
		severity Severity
		says     string
	}{
		"answers":            {"https://g.example.com/", nil, OK, "answers"},
		"https, and http is": {"https://g.example.com/", &url.Error{Err: errors.New("http: server gave HTTP response to HTTPS client")}, Fail, "speaks http"},
		"http, and https is": {"http://g.example.com/", ErrOtherScheme, Fail, "speaks https"},
		"nobody":             {"http://g.example.com/", &url.Error{Err: &net.OpError{Op: "dial", Err: errors.New("connection refused")}}, Warning, "connection refused"},
	} {
		c := &inventory.Cluster{}
		c.Grafana.RootURL = tt.url
		r := &run{Input: Input{Cluster: c, Front: func(context.Context, string) error { return tt.err }}}
		got := frontFindings(t.Context(), r)
		if len(got) != 1 || got[0].Severity != tt.severity || !strings.Contains(got[0].What, tt.says) {
			t.Errorf("%s: %+v", name, got)
			continue
		}
		if tt.severity != OK && !strings.Contains(got[0].Fix, "grafana.root_url") {
			t.Errorf("%s: the fix %q does not name the key", name, got[0].Fix)
		}
	}
}
