package verify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

// callTimeout bounds one request to a node.
const callTimeout = 15 * time.Second

// maxAnswer bounds an answer of the API.
const maxAnswer = 8 << 20

// node is Grafana on one host, asked on its own port.
type node struct {
	host   fleet.Host
	base   string // "http://127.0.0.1:3000", with the sub path
	client *http.Client
	dial   func(ctx context.Context, network, address string) (net.Conn, error)

	mu      sync.Mutex
	cookies cookies
	orgID   int64
	version grafana.Version
}

// cookies by name, sent whatever Secure says: through the tunnel plain HTTP is
// spoken to a host whose users come by HTTPS.
type cookies map[string]string

func (c cookies) header() string {
	var parts []string
	for name, value := range c {
		parts = append(parts, name+"="+value)
	}
	return strings.Join(parts, "; ")
}

func (c cookies) take(resp *http.Response) {
	for _, set := range resp.Cookies() {
		if set.MaxAge < 0 || set.Value == "" {
			delete(c, set.Name)
		} else {
			c[set.Name] = set.Value
		}
	}
}

func newNode(c *inventory.Cluster, h fleet.Host) *node {
	sub := ""
	if v, ok := h.Config.Get("server", "serve_from_sub_path"); ok && v.Reveal() == "true" {
		if u, err := url.Parse(c.Grafana.RootURL); err == nil {
			sub = strings.TrimSuffix(u.Path, "/")
		}
	}
	n := &node{host: h, base: desired.Listens(h.Host).LocalURL() + sub, cookies: cookies{}}
	t := listener.Transport(c.Paths.Service, h)
	n.dial = t.DialContext
	login := &listener.MetricsTransport{Next: t, Host: h, Root: c.Paths.Root, Service: c.Paths.Service}
	n.client = &http.Client{Timeout: callTimeout, CheckRedirect: noRedirect, Transport: t}
	if user, ok := h.Config.Get("metrics", "basic_auth_username"); ok {
		password, _ := h.Config.Get("metrics", "basic_auth_password")
		login.User, login.Password = user.Reveal(), password.Reveal()
	}
	n.client.Transport = login
	return n
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (n *node) name() string { return n.host.Name }

// apiError is an answer other than 2xx.
type apiError struct {
	Host, Method, Path string
	Status             int
	Message            string
}

func (e *apiError) Error() string {
	s := fmt.Sprintf("%s: %s %s: status %d", e.Host, e.Method, e.Path, e.Status)
	if e.Message != "" {
		s += ": " + e.Message
	}
	return s
}

// status is the HTTP status behind err; 0 when there is none.
func status(err error) int {
	if e, ok := errors.AsType[*apiError](err); ok {
		return e.Status
	}
	return 0
}

// refused is whether err says that this Grafana does not have what was asked for
// (403 is what releases answer that take "grafana" for a data source's uid).
func refused(err error) bool {
	switch status(err) {
	case http.StatusForbidden, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusGone, http.StatusNotImplemented:
		return true
	}
	return false
}

// call asks this node in its own session; out may be nil. edit changes the
// request before it is sent.
func (n *node) call(ctx context.Context, method, path string, body, out any, edit ...func(*http.Request)) error {
	err := n.once(ctx, method, path, body, out, edit...)
	if status(err) == http.StatusUnauthorized && strings.Contains(err.Error(), "rotat") {
		// Sessions older than 10 minutes have to be rotated first.
		if err := n.once(ctx, http.MethodPost, "/api/user/auth-tokens/rotate", nil, nil); err != nil {
			return err
		}
		return n.once(ctx, method, path, body, out, edit...)
	}
	return err
}

func (n *node) once(ctx context.Context, method, path string, body, out any, edit ...func(*http.Request)) error {
	n.mu.Lock()
	header := n.cookies.header()
	n.mu.Unlock()
	resp, answer, err := n.send(ctx, method, path, header, body, edit...)
	if err != nil {
		return err
	}
	if header != "" {
		n.mu.Lock()
		n.cookies.take(resp)
		n.mu.Unlock()
	}
	if resp.StatusCode/100 != 2 {
		return &apiError{Host: n.name(), Method: method, Path: path, Status: resp.StatusCode, Message: message(answer)}
	}
	if out == nil || len(answer) == 0 {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: %s %s: %w", n.name(), method, path, err)
	}
	return nil
}

// send does one request with the given cookies.
func (n *node) send(
	ctx context.Context, method, path, cookie string, body any, edit ...func(*http.Request),
) (*http.Response, []byte, error) {
	req, err := request(ctx, method, n.base+path, cookie, body)
	if err != nil {
		return nil, nil, err
	}
	for _, change := range edit {
		change(req)
	}
	resp, answer, err := do(n.client, req)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %s %s: %w", n.name(), method, path, err)
	}
	return resp, answer, nil
}

func request(ctx context.Context, method, url, cookie string, body any) (*http.Request, error) {
	var payload io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(raw)
	}
	req, err := http.NewRequestWithContext(ctx, method, url, payload)
	if err != nil {
		return nil, err
	}
	if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	req.Header.Set("Accept", "application/json")
	req.Header.Set("User-Agent", "ghadeploy-verify")
	return req, nil
}

func do(client *http.Client, req *http.Request) (*http.Response, []byte, error) {
	resp, err := client.Do(req)
	if err != nil {
		// The URL in the error is our own end of a tunnel; it tells nobody anything.
		if u, ok := errors.AsType[*url.Error](err); ok {
			err = u.Err
		}
		return nil, nil, err
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, maxAnswer+1))
	if len(answer) > maxAnswer {
		err = fmt.Errorf("the answer has more than %d MiB", maxAnswer>>20)
	}
	return resp, answer, errors.Join(err, resp.Body.Close())
}

// message is what the API says of an error, in a line.
func message(answer []byte) string {
	var said struct {
		Message   string `json:"message"`
		MessageID string `json:"messageId"`
		Error     any    `json:"error"`
	}
	if json.Unmarshal(answer, &said) != nil {
		return ""
	}
	s := said.Message
	if said.MessageID != "" {
		s += " (" + said.MessageID + ")"
	}
	if e, ok := said.Error.(string); ok && e != "" {
		s += ": " + e
	}
	if len(s) > 300 {
		s = s[:300]
	}
	return s
}

// login opens a session as the administrator of the inventory.
func (n *node) login(ctx context.Context, admin inventory.Admin) error {
	resp, answer, err := n.send(ctx, http.MethodPost, "/login", "", map[string]string{"user": admin.User, "password": admin.Password.Reveal()})
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return &apiError{Host: n.name(), Method: http.MethodPost, Path: "/login", Status: resp.StatusCode, Message: message(answer)}
	}
	n.mu.Lock()
	n.cookies.take(resp)
	n.mu.Unlock()
	var user struct {
		OrgID int64 `json:"orgId"`
	}
	if err := n.call(ctx, http.MethodGet, "/api/user", nil, &user); err != nil {
		return fmt.Errorf("the session is not even valid where it was made: %w", err)
	}
	n.orgID = user.OrgID
	return nil
}

// session is the node's cookies as a header.
func (n *node) session() string {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.cookies.header()
}

func (n *node) metrics(ctx context.Context) (grafana.Metrics, error) {
	m, err := grafana.GetMetrics(ctx, n.client, n.base)
	if err != nil {
		return m, fmt.Errorf("%s: %w", n.name(), err)
	}
	return m, nil
}
