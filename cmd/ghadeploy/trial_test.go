package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// trial is one cluster of the lab that a test deploys and looks at from outside:
// with the system's ssh and with HTTP to the hosts, never through ghadeploy.
type trial struct {
	*labtest.Lab
	inv   *labtest.Inventory
	hosts []string
}

// newTrial locks the hosts, gives them fresh disks and writes an inventory.
func newTrial(t *testing.T, o labtest.Options) *trial {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"h1", "h2", "h3"}
	}
	all := append(slices.Clone(o.Hosts), "svc")
	lab := labtest.Need(t, all...)
	if o.Balancer == "" {
		all = o.Hosts
	}
	lab.Lock(t, all...)
	lab.Wipe(t, o.Hosts...)
	t.Setenv("XDG_STATE_HOME", t.TempDir()) // where the operator's journal lies
	return &trial{Lab: lab, hosts: o.Hosts, inv: lab.Inventory(t, o)}
}

// run runs a command on the trial's inventory and wants its exit code.
func (c *trial) run(t *testing.T, code int, command string, args ...string) labtest.Ran {
	t.Helper()
	r := labtest.Ghadeploy(t, append([]string{command, c.inv.Path}, args...)...)
	if r.Code != code {
		t.Fatalf("ghadeploy %s: exit %d, want %d\n%s%s", command, r.Code, code, r.Stdout, r.Stderr)
	}
	return r
}

// each runs a script on all hosts at once and gives what each printed.
func (c *trial) each(t *testing.T, script string) map[string]string {
	t.Helper()
	out := map[string]string{}
	var failed error
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range c.hosts {
		wg.Go(func() {
			s, err := c.Run(t.Context(), h, script)
			mu.Lock()
			defer mu.Unlock()
			out[h] = strings.TrimRight(s, "\n")
			failed = errors.Join(failed, err)
		})
	}
	wg.Wait()
	if failed != nil {
		t.Fatal(failed)
	}
	return out
}

// What a run must leave alone: owned places, and on a bare host everything. The
// journals of systemd and what the test's own logins write are no work of ours.
const (
	ownedPlaces = `/opt /etc /var/lib/ghadeploy /var/lib/grafana/plugins /root /home /usr/local`
	everything  = `/`
)

// trees lists every file with type, mode, owner, size, mtime, ctime and target;
// two equal listings mean that nothing was written in between. data and logs of a
// running Grafana change by themselves and are not part of it.
func (c *trial) trees(t *testing.T, places string) map[string]string {
	t.Helper()
	return c.each(t, `find `+places+` -xdev \( -path /var/log -o -path /run -o -path /tmp -o -path /var/tmp -o -path /proc -o -path /sys -o -path /dev \
		-o -path /var/lib/grafana/png -o -path /var/lib/systemd/timers -o -path /var/lib/sudo \) -prune -o -printf '%p %y %m %U %G %s %T@ %C@ %l\n' 2>/dev/null | sort`)
}

// sameTrees fails when a listing has changed, and shows where.
func sameTrees(t *testing.T, what string, before, after map[string]string) {
	t.Helper()
	for h, b := range before {
		was, is := strings.Split(b, "\n"), strings.Split(after[h], "\n")
		if len(was) < 20 {
			t.Errorf("%s has only %d files: the listing is worth nothing", h, len(was))
		}
		if d := difference(was, is); d != "" {
			t.Errorf("%s: %s changed files:\n%s", h, what, d)
		}
	}
}

// difference is the first lines that only one of two sorted listings has.
func difference(was, is []string) string {
	had := map[string]bool{}
	for _, l := range was {
		had[l] = true
	}
	var out []string
	for _, l := range is {
		if !had[l] {
			out = append(out, "+ "+l)
		}
		delete(had, l)
	}
	for _, l := range was {
		if had[l] {
			out = append(out, "- "+l)
		}
	}
	if n := len(out); n > 20 {
		out = append(out[:20], fmt.Sprintf("... %d in all", n))
	}
	return strings.Join(out, "\n")
}

// processes gives each host's MainPID, and how often systemd restarted it.
func (c *trial) processes(t *testing.T) map[string]string {
	t.Helper()
	return c.each(t, `systemctl show grafana-server -p MainPID -p NRestarts -p ExecMainStartTimestampMonotonic`)
}

// metric reads one value from a node's own /metrics; -1 when it is not there.
func (c *trial) metric(host, name string) float64 {
	status, body, err := request("GET", c.url(host)+"/metrics", "", nil)
	if err != nil || status != http.StatusOK {
		return -1
	}
	m := regexp.MustCompile(`(?m)^(?:grafana_)?` + name + `(?:\{[^}]*\})? (\S+)$`).FindSubmatch(body)
	if m == nil {
		return -1
	}
	var v float64
	if _, err := fmt.Sscan(string(m[1]), &v); err != nil {
		return -1
	}
	return v
}

func (c *trial) url(host string) string { return "http://" + c.Host(host) + ":3000" }

// one waits until all hosts see one cluster: healthy, members and Live complete,
// positions 0, 1, 2, ... .
func (c *trial) one(t *testing.T) {
	t.Helper()
	labtest.Wait(t, 60*time.Second, "one cluster", func() (bool, string) {
		ok, saw := true, ""
		seen := map[float64]bool{}
		for _, h := range c.hosts {
			status, _, err := request("GET", c.url(h)+"/api/health", "", nil)
			members, position, live := c.metric(h, "alertmanager_cluster_members"), c.metric(h, "alertmanager_peer_position"), c.metric(h, "grafana_live_node_num_nodes")
			saw += fmt.Sprintf("%s: health %d %v, members %v, position %v, Live %v; ", h, status, err, members, position, live)
			n := float64(len(c.hosts))
			ok = ok && status == http.StatusOK && members == n && live == n && position >= 0 && position < n
			seen[position] = true
		}
		return ok && len(seen) == len(c.hosts), saw
	})
}

// session logs in on one host and gives the cookie.
func (c *trial) session(t *testing.T, base string) string {
	t.Helper()
	body, err := json.Marshal(map[string]string{"user": "admin", "password": c.inv.AdminPassword})
	if err != nil {
		t.Fatal(err)
	}
	resp, err := http.Post(base+"/login", "application/json", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	for _, cookie := range resp.Cookies() {
		if cookie.Name == "grafana_session" {
			return cookie.Name + "=" + cookie.Value
		}
	}
	t.Fatalf("POST %s/login: status %d and no session", base, resp.StatusCode)
	return ""
}

// user asks who a session belongs to; 200 means that the node accepts it.
func user(t *testing.T, base, cookie string) int {
	t.Helper()
	status, _, err := request("GET", base+"/api/user", cookie, nil)
	if err != nil {
		t.Error(err)
	}
	return status
}

// request makes one HTTP request on a connection of its own.
func request(method, url, cookie string, body io.Reader) (int, []byte, error) {
	req, err := http.NewRequest(method, url, body)
	if err != nil {
		return 0, nil, err
	}
	req.Close = true
	if cookie != "" {
		req.Header.Set("Cookie", cookie)
	}
	client := http.Client{Timeout: 5 * time.Second, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	resp, err := client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(io.LimitReader(resp.Body, 4<<20))
	return resp.StatusCode, b, err
}

// set changes one key of grafana.config.
func (c *trial) set(t *testing.T, section, key string, value any) {
	t.Helper()
	c.inv.Edit(t, func(doc map[string]any) {
		config := doc["grafana"].(map[string]any)["config"].(map[string]any)
		s, ok := config[section].(map[string]any)
		if !ok {
			s = map[string]any{}
			config[section] = s
		}
		s[key] = value
	})
}
