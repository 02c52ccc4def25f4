package conformance

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"
)

// node is one Grafana on 127.0.0.1.
type node struct {
	name, host   string
	rel          unpacked
	dir          string
	http, gossip int
	ini          map[string]string // "section.key" -> value
	cmd          *exec.Cmd
	exited       chan struct{}
	notify       *net.UnixConn
	// owner is the test that the node lives as long as; it may be restarted in
	// a subtest.
	owner *testing.T
}

// newNode prepares a node on a database. more overrides settings.
func newNode(t *testing.T, rel unpacked, name string, pg *postgres, database string, more map[string]string) *node {
	t.Helper()
	n := &node{name: name, host: "127.0.0.1", rel: rel, dir: t.TempDir(), http: freePort(t), gossip: freePort(t), owner: t}
	n.ini = map[string]string{
		"DEFAULT.instance_name": name,
		"server.http_addr":      "127.0.0.1", "server.http_port": fmt.Sprint(n.http),
		"paths.data": n.dir + "/data", "paths.logs": n.dir + "/log", "paths.plugins": n.dir + "/plugins", "paths.provisioning": n.dir + "/provisioning",
		"database.type": "postgres", "database.host": fmt.Sprintf("127.0.0.1:%d", pg.port), "database.user": "postgres", "database.name": database,
		"security.secret_key": "the same on all nodes", "security.admin_password": "adminpw",
		"feature_toggles.enable":             "migrationLocking",
		"analytics.reporting_enabled":        "false",
		"analytics.check_for_updates":        "false",
		"analytics.check_for_plugin_updates": "false", "news.news_feed_enabled": "false", "plugins.public_key_retrieval_disabled": "true",
		"unified_alerting.alertmanager_config_poll_interval": "10s",
		"unified_alerting.ha_peer_timeout":                   "5s",
	}
	maps.Copy(n.ini, more)
	return n
}

// cluster makes nodes that gossip and share Live over redis.
func cluster(t *testing.T, rel unpacked, pg *postgres, redis *redisServer, database string, size int) []*node {
	t.Helper()
	var nodes []*node
	var peers []string
	for i := range size {
		n := newNode(t, rel, fmt.Sprintf("n%d", i+1), pg, database, map[string]string{
			"live.ha_engine": "redis", "live.ha_engine_address": redis.address(), "live.ha_engine_password": redis.password,
		})
		nodes = append(nodes, n)
		peers = append(peers, n.peer())
	}
	for _, n := range nodes {
		n.join(peers)
	}
	return nodes
}

func (n *node) peer() string { return fmt.Sprintf("127.0.0.1:%d", n.gossip) }

func (n *node) join(peers []string) {
	n.ini["unified_alerting.ha_listen_address"], n.ini["unified_alerting.ha_advertise_address"] = n.peer(), n.peer()
	n.ini["unified_alerting.ha_peers"] = strings.Join(peers, ",")
}

func (n *node) writeIni(t *testing.T) string {
	t.Helper()
	sections := map[string][]string{}
	for _, name := range slices.Sorted(maps.Keys(n.ini)) {
		section, key, _ := strings.Cut(name, ".")
		sections[section] = append(sections[section], key+" = "+n.ini[name])
	}
	var b strings.Builder
	for _, s := range slices.Sorted(maps.Keys(sections)) {
		b.WriteString("[" + s + "]\n" + strings.Join(sections[s], "\n") + "\n")
	}
	path := filepath.Join(n.dir, "grafana.ini")
	if err := os.WriteFile(path, []byte(b.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// launch starts the process as systemd with Type=notify would.
func (n *node) launch(t *testing.T) {
	t.Helper()
	if n.notify == nil {
		conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(n.dir, "notify"), Net: "unixgram"})
		if err != nil {
			t.Fatal(err)
		}
		n.notify = conn
		n.owner.Cleanup(func() { _ = conn.Close() })
	}
	log, err := os.OpenFile(n.logFile(), os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	n.cmd = exec.Command(n.rel.command[0], append(n.rel.command[1:], "--homepath="+n.rel.home, "--config="+n.writeIni(t))...)
	n.cmd.Stdout, n.cmd.Stderr = log, log
	n.cmd.Env = []string{"PATH=/usr/bin:/bin", "NOTIFY_SOCKET=" + filepath.Join(n.dir, "notify")}
	n.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited, cmd := make(chan struct{}), n.cmd
	n.exited = exited
	go func() {
		_ = cmd.Wait() // what it says is in ProcessState
		close(exited)
	}()
	n.owner.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
	})
}

func (n *node) logFile() string { return filepath.Join(n.dir, "out") }

func (n *node) logs(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile(n.logFile())
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// start launches and waits for READY=1 and health.
func (n *node) start(t *testing.T) {
	t.Helper()
	n.launch(t)
	if err := n.notify.SetReadDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	buf := make([]byte, 100)
	k, err := n.notify.Read(buf)
	if err != nil || string(buf[:k]) != "READY=1" {
		t.Fatalf("%s: systemd was told %q (%v)\n%s", n.name, buf[:k], err, n.logs(t))
	}
	n.waitHealth(t, http.StatusOK)
}

func (n *node) waitHealth(t *testing.T, want int) {
	t.Helper()
	until(t, fmt.Sprintf("%s: /api/health %d", n.name, want), patience, func() error {
		select {
		case <-n.exited:
			t.Fatalf("%s has ended: %s\n%s", n.name, n.cmd.ProcessState, n.logs(t))
		default:
		}
		res, err := client(nil).Get(n.url("/api/health"))
		if err != nil {
			return err
		}
		defer res.Body.Close()
		if res.StatusCode != want {
			return fmt.Errorf("answers %d", res.StatusCode)
		}
		return nil
	})
}

// waitExit returns the exit code.
func (n *node) waitExit(t *testing.T) int {
	t.Helper()
	select {
	case <-n.exited:
		return n.cmd.ProcessState.ExitCode()
	case <-time.After(patience):
		t.Fatalf("%s does not end\n%s", n.name, n.logs(t))
		return -1
	}
}

// stop ends the node as systemd would.
func (n *node) stop(t *testing.T) {
	t.Helper()
	n.signal(t, syscall.SIGTERM)
	if code := n.waitExit(t); code != 0 {
		t.Errorf("%s ends with %d", n.name, code)
	}
}

func (n *node) signal(t *testing.T, sig syscall.Signal) {
	t.Helper()
	if err := n.cmd.Process.Signal(sig); err != nil {
		t.Fatal(err)
	}
}

func (n *node) url(path string) string { return fmt.Sprintf("http://%s:%d%s", n.host, n.http, path) }

// client never follows redirects and reuses no connection, like a balancer's check.
func client(jar http.CookieJar) *http.Client {
	return &http.Client{Jar: jar, Timeout: 20 * time.Second, Transport: &http.Transport{DisableKeepAlives: true},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
}

// call is an API request as admin; out may be nil.
func (n *node) call(t *testing.T, method, path string, in, out any) int {
	t.Helper()
	status, err := n.try(method, path, in, out)
	if err != nil {
		t.Fatalf("%s: %s %s: %v", n.name, method, path, err)
	}
	return status
}

func (n *node) try(method, path string, in, out any) (int, error) {
	body, err := json.Marshal(in)
	if err != nil {
		return 0, err
	}
	req, err := http.NewRequest(method, n.url(path), bytes.NewReader(body))
	if err != nil {
		return 0, err
	}
	req.SetBasicAuth("admin", "adminpw")
	req.Header.Set("Content-Type", "application/json")
	res, err := client(nil).Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err == nil && out != nil {
		if err = json.Unmarshal(b, out); err != nil {
			err = fmt.Errorf("%w in %s", err, b)
		}
	}
	return res.StatusCode, err
}

// login returns the cookies of a new session and the status.
func (n *node) login(t *testing.T, password string) (http.CookieJar, int) {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client(jar).Post(n.url("/login"), "application/json", strings.NewReader(`{"user":"admin","password":"`+password+`"}`))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return jar, res.StatusCode
}

// get returns the status of a GET with cookies.
func (n *node) get(t *testing.T, path string, jar http.CookieJar) int {
	t.Helper()
	res, err := client(jar).Get(n.url(path))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	return res.StatusCode
}

var errNoMetric = errors.New("no such metric")

// metrics returns the samples without labels, and the set of all names.
func (n *node) metrics() (map[string]float64, map[string]bool, error) {
	res, err := client(nil).Get(n.url("/metrics"))
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, nil, err
	}
	values, names := map[string]float64{}, map[string]bool{}
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		end := strings.IndexAny(line, "{ ")
		if end < 0 {
			continue
		}
		names[line[:end]] = true
		var v float64
		if _, err := fmt.Sscanf(line[end:], " %g", &v); err == nil {
			values[line[:end]] = v
		}
	}
	return values, names, nil
}

func (n *node) metric(name string) (float64, error) {
	values, _, err := n.metrics()
	if err != nil {
		return 0, err
	}
	v, ok := values[name]
	if !ok {
		return 0, fmt.Errorf("%s: %s: %w", n.name, name, errNoMetric)
	}
	return v, nil
}

// alerting is the name of one of the alerting cluster's metrics.
func (n *node) alerting(name string) string {
	if n.rel.atLeast(12, 4) {
		return "grafana_alertmanager_" + name
	}
	return "alertmanager_" + name
}
