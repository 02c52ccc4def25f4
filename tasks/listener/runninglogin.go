package listener

import (
	"context"
	_ "embed" // runninglogin.sh
	"net/http"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed runninglogin.sh
var runningLoginScript string

// MetricsTransport is HTTP to the Grafana on a host, with the login that its /metrics wants.
// That is a matter of what runs: where the inventory's login is refused, or it has none, the
// host is asked for the one that its running generation has. So a host whose login is being
// changed or taken away is read before its turn as after it.
type MetricsTransport struct {
	// Next is for all requests; with a login it must be a [Transport].
	Next http.RoundTripper
	Host fleet.Host
	// Root is paths.root there, Service Grafana's unit.
	Root, Service string
	// User and Password are the inventory's; empty: none.
	User, Password string

	mu      sync.Mutex
	running *grafana.MetricsLogin
}

// RoundTrip implements [http.RoundTripper].
func (t *MetricsTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if !strings.HasSuffix(r.URL.Path, "/metrics") {
		return t.Next.RoundTrip(r)
	}
	if t.User != "" {
		own := grafana.MetricsLogin{Next: t.Next, User: t.User, Password: t.Password}
		resp, err := own.RoundTrip(r)
		if err != nil || resp.StatusCode != http.StatusUnauthorized {
			return resp, err
		}
		return t.retried(r, resp)
	}
	resp, err := t.Next.RoundTrip(r)
	if err != nil || resp.StatusCode != http.StatusUnauthorized {
		return resp, err
	}
	return t.retried(r, resp)
}

// retried asks again with what the host's running generation has; refused is the answer
// where that has nothing either.
func (t *MetricsTransport) retried(r *http.Request, refused *http.Response) (*http.Response, error) {
	t.mu.Lock()
	login := t.running
	t.mu.Unlock()
	for range 2 {
		known := login != nil
		if !known {
			var err error
			if login, err = t.ask(r.Context()); err != nil || login.User == "" {
				return refused, nil // its status says what is wrong
			}
		}
		resp, err := login.RoundTrip(r)
		if err != nil {
			_ = refused.Body.Close()
			return nil, err
		}
		if resp.StatusCode != http.StatusUnauthorized || !known {
			_ = refused.Body.Close()
			t.mu.Lock()
			t.running = login
			t.mu.Unlock()
			return resp, nil
		}
		_ = resp.Body.Close()
		login = nil // of a generation that no longer runs
	}
	return refused, nil
}

// ask reads the login of what runs. It goes to the unit's own process only.
func (t *MetricsTransport) ask(ctx context.Context) (*grafana.MetricsLogin, error) {
	res, err := t.Host.Run(ctx, remote.Command{
		Step: "read the login of /metrics", Script: runningLoginScript, Args: []string{t.Root, t.Service}, Become: true, Timeout: askWithin,
		Output: 16 << 10,
	})
	if err != nil {
		return nil, err
	}
	user, password, _ := strings.Cut(string(res.Stdout), "\n")
	return &grafana.MetricsLogin{Next: Transport(t.Service, t.Host), User: plain(user), Password: plain(strings.TrimSuffix(password, "\n"))},
		nil
}

// plain takes the quotes of an ini value off.
func plain(v string) string {
	v = strings.TrimRight(v, "\r")
	for _, q := range []string{"`", `"`} {
		if len(v) > 1 && strings.HasPrefix(v, q) && strings.HasSuffix(v, q) {
			return v[1 : len(v)-1]
		}
	}
	return v
}
