package verify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// homeEnv names an unpacked Grafana 10.3; without it these tests skip.
const homeEnv = "GHADEPLOY_GRAFANA_HOME"

// lab is three real Grafanas on this machine with a PostgreSQL and a Redis of
// their own, behind a small balancer.
type lab struct {
	dir, home string
	pgPort    int
	redisPort int
	nodes     []*labNode
	cluster   *inventory.Cluster
	balancer  *fakeBalancer
	hooks     sharedListen
}

type labNode struct {
	name         string
	port, gossip int
	// What this node has otherwise than the others.
	secretKey, database string
	noLive, noGossip    bool
	cmd                 *exec.Cmd
}

func program(t *testing.T, name string, folders ...string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts " + name)
	}
	for _, f := range append([]string{""}, folders...) {
		if path, err := exec.LookPath(filepath.Join(f, name)); err == nil {
			return path
		}
	}
	t.Skipf("needs %s", name)
	return ""
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// start runs a program until the test ends; as says as whom.
func start(t *testing.T, dir string, as *syscall.Credential, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Dir = dir
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Credential: as}
	out, err := os.OpenFile(filepath.Join(dir, filepath.Base(program)+".log"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		t.Fatal(err)
	}
	defer out.Close()
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { kill(cmd) })
	return cmd
}

func kill(cmd *exec.Cmd) {
	if cmd.ProcessState == nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
	}
}

func newLab(t *testing.T, change func(*lab)) *lab {
	t.Helper()
	home := os.Getenv(homeEnv)
	if home == "" {
		t.Skip("needs " + homeEnv + "=folder of an unpacked Grafana 10.3, PostgreSQL and Redis")
	}
	dir, err := os.MkdirTemp("", "ghadeploy-verify")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	l := &lab{dir: dir, home: home, pgPort: freePort(t), redisPort: freePort(t)}
	l.startPostgres(t)
	start(t, dir, nil, program(t, "redis-server"), "--port", strconv.Itoa(l.redisPort), "--bind", "127.0.0.1", "--save", "")
	for _, name := range []string{"h1", "h2", "h3"} {
		l.nodes = append(l.nodes, &labNode{name: name, port: freePort(t), gossip: freePort(t), secretKey: "a secret key of the lab", database: "grafana"})
	}
	l.cluster = &inventory.Cluster{Name: "lab", File: "lab.yaml",
		Grafana:  inventory.Grafana{Version: "10.3.1", Admin: inventory.Admin{User: "admin", Password: inventory.NewSecret("lab password", "literal")}},
		Alerting: inventory.Alerting{HA: "gossip", Port: 9094}, Live: inventory.Live{Redis: inventory.Redis{Address: "127.0.0.1:" + strconv.Itoa(l.redisPort)}},
		LoadBalancer: inventory.LoadBalancer{Type: "haproxy"}}
	for _, n := range l.nodes {
		l.cluster.Hosts = append(l.cluster.Hosts, &inventory.Host{Name: n.name, Address: "127.0.0.1", Config: inventory.Config{
			{Name: "server", Keys: []inventory.Key{{Name: "http_port", Value: inventory.PlainValue(strconv.Itoa(n.port))}}}}})
	}
	l.balancer = newFakeBalancer(t, l)
	l.cluster.LoadBalancer.URL = l.balancer.url
	if change != nil {
		change(l)
	}
	for _, n := range l.nodes {
		l.startNode(t, n)
		l.healthy(t, n)
	}
	return l
}

func (l *lab) startPostgres(t *testing.T) {
	t.Helper()
	folders, _ := filepath.Glob("/usr/lib/postgresql/*/bin")
	initdb, postgres := program(t, "initdb", folders...), program(t, "postgres", folders...)
	data := filepath.Join(l.dir, "pg")
	if err := os.Mkdir(data, 0o700); err != nil {
		t.Fatal(err)
	}
	var as *syscall.Credential
	if os.Getuid() == 0 {
		nobody, err := user.Lookup("nobody")
		if err != nil {
			t.Fatal(err)
		}
		uid, _ := strconv.Atoi(nobody.Uid)
		gid, _ := strconv.Atoi(nobody.Gid)
		as = &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}
		if err := errors.Join(os.Chmod(l.dir, 0o755), os.Chown(data, uid, gid)); err != nil {
			t.Fatal(err)
		}
	}
	initialise := exec.Command(initdb, "-D", data, "-U", "grafana", "--auth=trust", "--no-sync")
	initialise.SysProcAttr = &syscall.SysProcAttr{Credential: as}
	initialise.Dir = data
	if out, err := initialise.CombinedOutput(); err != nil {
		t.Fatalf("initdb: %v\n%s", err, out)
	}
	start(t, l.dir, as, postgres, "-D", data, "-k", data, "-c", "listen_addresses=127.0.0.1", "-p", strconv.Itoa(l.pgPort), "-c", "fsync=off")
	psql := program(t, "psql", folders...)
	err := until(t.Context(), time.Minute, 200*time.Millisecond, func(ctx context.Context) error {
		out, err := exec.CommandContext(ctx, psql, "-h", "127.0.0.1", "-p", strconv.Itoa(l.pgPort), "-U", "grafana", "-d", "postgres",
			"-c", "create database grafana", "-c", "create database other").CombinedOutput()
		if err != nil && !bytes.Contains(out, []byte("already exists")) {
			return fmt.Errorf("psql: %w: %s", err, out)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (l *lab) startNode(t *testing.T, n *labNode) {
	t.Helper()
	var peers []string
	for _, o := range l.nodes {
		if !o.noGossip {
			peers = append(peers, fmt.Sprintf("127.0.0.1:%d", o.gossip))
		}
	}
	live := fmt.Sprintf("ha_engine = redis\nha_engine_address = 127.0.0.1:%d\n", l.redisPort)
	if n.noLive {
		live = ""
	}
	if n.noGossip {
		peers = []string{fmt.Sprintf("127.0.0.1:%d", n.gossip)}
	}
	dir := filepath.Join(l.dir, n.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	ini := fmt.Sprintf(`[paths]
data = %[1]s/data
logs = %[1]s/log
plugins = %[1]s/plugins
[server]
http_addr = 127.0.0.1
http_port = %[2]d
root_url = %[3]s/
[security]
secret_key = %[4]s
admin_password = lab password
[database]
type = postgres
host = 127.0.0.1:%[5]d
name = %[6]s
user = grafana
ssl_mode = disable
[unified_alerting]
enabled = true
ha_listen_address = 127.0.0.1:%[7]d
ha_advertise_address = 127.0.0.1:%[7]d
ha_peers = %[8]s
[live]
%[9]s
[analytics]
reporting_enabled = false
check_for_updates = false
check_for_plugin_updates = false
[news]
news_feed_enabled = false
[plugins]
public_key_retrieval_disabled = true
allow_loading_unsigned_plugins = lab-panel
`, dir, n.port, l.balancer.url, n.secretKey, l.pgPort, n.database, n.gossip, strings.Join(peers, ","), live)
	if err := os.WriteFile(filepath.Join(dir, "grafana.ini"), []byte(ini), 0o600); err != nil {
		t.Fatal(err)
	}
	n.cmd = start(t, dir, nil, filepath.Join(l.home, "bin", "grafana"), "server", "--homepath="+l.home, "--config="+filepath.Join(dir, "grafana.ini"))
}

func (l *lab) healthy(t *testing.T, n *labNode) {
	t.Helper()
	err := until(t.Context(), 2*time.Minute, 200*time.Millisecond, func(ctx context.Context) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, fmt.Sprintf("http://127.0.0.1:%d/api/health", n.port), nil)
		if err != nil {
			return err
		}
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			return err
		}
		return resp.Body.Close()
	})
	if err != nil {
		log, _ := os.ReadFile(filepath.Join(l.dir, n.name, "grafana.log"))
		t.Fatalf("%s: %v\n%s", n.name, err, log[max(0, len(log)-3000):])
	}
}

// input is what Run gets, with connections that stay on this machine.
func (l *lab) input(t *testing.T) Input {
	in := Input{Cluster: l.cluster, Balancer: l.balancer}
	for _, h := range l.cluster.Hosts {
		in.Hosts = append(in.Hosts, fleet.Host{Host: h, Conn: &labConn{Local: fleettest.Local{Name: h.Name, OwnListener: true}, hooks: &l.hooks}})
	}
	in.Sink = func(e event.Event) {
		if e.Message != "" {
			t.Logf("%s %s", e.Kind, e.Message)
		}
	}
	return in
}

// labConn is a host of the lab. All of them are this machine, so the second
// that wants to listen on a port shares the listener of the first.
type labConn struct {
	fleettest.Local
	hooks *sharedListen
}

type sharedListen struct {
	mu   sync.Mutex
	open map[string]bool
}

func (c *labConn) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	c.hooks.mu.Lock()
	defer c.hooks.mu.Unlock()
	if c.hooks.open[address] {
		return (&net.ListenConfig{}).Listen(ctx, network, "127.0.0.1:0")
	}
	ln, err := c.Local.Listen(ctx, network, address)
	if err == nil {
		if c.hooks.open == nil {
			c.hooks.open = map[string]bool{}
		}
		c.hooks.open[ln.Addr().String()] = true
	}
	return ln, err
}

// fakeBalancer is round robin over the nodes that answer and are not drained.
type fakeBalancer struct {
	balancer.Balancer
	url     string
	lab     *lab
	next    atomic.Int64
	mu      sync.Mutex
	drained map[string]bool
}

func newFakeBalancer(t *testing.T, l *lab) *fakeBalancer {
	b := &fakeBalancer{lab: l, drained: map[string]bool{}}
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(&url.URL{Scheme: "http", Host: "node"})
		},
		Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			var d net.Dialer
			var err error
			for range l.nodes {
				n := l.nodes[int(b.next.Add(1))%len(l.nodes)]
				var c net.Conn
				if c, err = d.DialContext(ctx, network, fmt.Sprintf("127.0.0.1:%d", n.port)); err == nil {
					return c, nil
				}
			}
			return nil, err
		}},
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: proxy}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
	b.url = "http://" + ln.Addr().String()
	return b
}

func (b *fakeBalancer) Describe() string { return "the lab's balancer" }

func (b *fakeBalancer) WaitUp(context.Context, *inventory.Host, time.Duration) error { return nil }

func (b *fakeBalancer) State(context.Context) (map[string]balancer.State, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	states := map[string]balancer.State{}
	for _, n := range b.lab.nodes {
		states[n.name] = balancer.State{Status: balancer.Up}
		if b.drained[n.name] {
			states[n.name] = balancer.State{Status: balancer.Drain, Drained: true, CheckedBy: "lb1: DRAIN"}
		}
	}
	return states, nil
}
