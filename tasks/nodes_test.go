package tasks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// node is a host whose systemd and Grafana are a few lines of this test: it stops, flips
// and starts as turn.sh does, and answers /api/health with its version.
type node struct {
	fleet.Conn
	name string
	c    *nodes
	srv  *httptest.Server

	version  string // of what is current
	running  bool
	restarts int
	sick     map[string]bool // versions that answer, and are not healthy
	lost     map[verb]bool   // verbs in which the host is lost
	refuses  map[verb]error  // verbs that fail, and change nothing
	password string          // of the admin; empty: none is right
	signedIn []string        // pages that were asked for with a login before the balancer had it
}

// nodes are the hosts of a test, and their load balancer.
type nodes struct {
	t         *testing.T
	mu        sync.Mutex
	all       map[string]*node
	in        map[string]bool // by the balancer
	refuses   error           // of the balancer's switch
	starting  int
	together  int // most starts at one moment
	said      []string
	migration int
}

var versionOfGeneration = map[string]string{"old": "10.3.1", "new": "11.6.2"}

func (n *node) Run(_ context.Context, cmd remote.Command) (remote.Result, error) {
	switch cmd.Step {
	case "read the service's state":
		n.c.mu.Lock()
		defer n.c.mu.Unlock()
		state := "inactive"
		if n.running {
			state = "active"
		}
		return remote.Result{Stdout: fmt.Appendf(nil, "ActiveState=%s\nSubState=running\nMainPID=7\nNRestarts=%d\nBoot=b\n", state, n.restarts)}, nil
	case "see who listens":
		return remote.Result{Stdout: []byte("main 7\nown 0A 0100007F:0BB8 12\nend\n")}, nil
	case string(verbFlip), string(verbStop), string(verbStart), string(verbRestart):
		return remote.Result{}, n.turn(verb(cmd.Step), cmd.Args[len(cmd.Args)-1])
	}
	return remote.Result{}, nil
}

func (n *node) turn(v verb, generation string) error {
	n.c.mu.Lock()
	if n.lost[v] {
		n.c.mu.Unlock()
		return &remote.UnreachableError{Host: n.name, Cause: errors.New("cable unplugged")}
	}
	if err := n.refuses[v]; err != nil {
		n.c.mu.Unlock()
		return err
	}
	n.c.say("%s %s %s", v, n.name, versionOfGeneration[generation])
	n.running = false
	if v == verbStop {
		n.c.check()
		n.c.mu.Unlock()
		return nil
	}
	if v == verbFlip {
		n.version = versionOfGeneration[generation]
	}
	n.c.starting++
	n.c.together = max(n.c.together, n.c.starting)
	n.c.mu.Unlock()
	time.Sleep(5 * time.Millisecond) // long enough for another start to be under way
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	n.c.starting--
	n.running = true
	n.c.check()
	return nil
}

func (n *node) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	n.c.mu.Lock()
	defer n.c.mu.Unlock()
	if _, password, ok := r.BasicAuth(); ok {
		if !n.c.in[n.name] {
			n.signedIn = append(n.signedIn, r.URL.Path)
		}
		if password != n.password {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
	}
	if n.sick[n.version] {
		w.WriteHeader(http.StatusServiceUnavailable)
	}
	fmt.Fprintf(w, `{"database": "ok", "version": %q}`, n.version)
}

func (n *node) Dial(ctx context.Context, _, _ string) (net.Conn, error) {
	n.c.mu.Lock()
	running := n.running
	n.c.mu.Unlock()
	if !running {
		return nil, errors.New("connection refused")
	}
	var d net.Dialer
	return d.DialContext(ctx, "tcp", n.srv.Listener.Addr().String())
}

func (*node) Done() <-chan struct{} { return nil }

func (c *nodes) say(format string, a ...any) { c.said = append(c.said, fmt.Sprintf(format, a...)) }

// check wants at every moment that somebody serves, and that all who do have one version.
func (c *nodes) check() {
	serve := map[string][]string{}
	for name, n := range c.all {
		if c.in[name] && n.running {
			serve[n.version] = append(serve[n.version], name)
		}
	}
	if len(serve) != 1 {
		c.t.Errorf("these serve at one moment: %v, after %s", serve, strings.Join(c.said, ", "))
	}
}

// lb is the load balancer of nodes.
type lb struct {
	balancer.Balancer
	c *nodes
}

func (b lb) put(in bool, hosts ...*inventory.Host) {
	for _, h := range hosts {
		b.c.in[h.Name] = in
	}
}

func (b lb) Drain(_ context.Context, h *inventory.Host) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.say("drain %s", h.Name)
	b.put(false, h)
	b.c.check()
	return nil
}

func (b lb) Undrain(_ context.Context, h *inventory.Host) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	if !b.c.in[h.Name] {
		b.c.say("undrain %s", h.Name)
	}
	b.put(true, h)
	b.c.check()
	return nil
}

func (b lb) Switch(_ context.Context, in, out []*inventory.Host) error {
	b.c.mu.Lock()
	defer b.c.mu.Unlock()
	b.c.say("switch")
	if b.c.refuses != nil {
		return b.c.refuses
	}
	b.put(true, in...)
	b.put(false, out...)
	b.c.check()
	return nil
}

func (lb) WaitIdle(context.Context, *inventory.Host, time.Duration) error { return nil }
func (lb) WaitUp(context.Context, *inventory.Host, time.Duration) error   { return nil }
func (lb) WaitFit(context.Context, *inventory.Host, time.Duration) error  { return nil }

// startNodes has hosts that run "old" or "new" as have says, and a rollout to "new".
func startNodes(t *testing.T, have ...string) (*nodes, *rollout) {
	t.Helper()
	names := []string{"h1", "h2", "h3", "h4"}[:len(have)]
	c := &nodes{t: t, all: map[string]*node{}, in: map[string]bool{}}
	cluster := testCluster(names...)
	cluster.Alerting, cluster.Live = inventory.Alerting{HA: "none"}, inventory.Live{}
	cluster.Rollout.GateTimeout, cluster.Rollout.StartTimeout, cluster.Rollout.SettleAuto = time.Second, time.Second, false
	r := &rollout{
		cluster: cluster, plan: &Plan{Cluster: "prod", Command: "upgrade"}, desired: map[string]*desired.Host{}, hosts: map[string]fleet.Host{},
		balancer: lb{c: c}, lock: &lock.Lock{}, run: "r",
		up: map[string]bool{}, deployed: map[string]bool{}, probes: map[string]*Probe{}, outcomes: map[string]HostOutcome{}, byHand: map[string]string{},
	}
	r.migrations = func(context.Context) (int, error) {
		c.mu.Lock()
		defer c.mu.Unlock()
		return c.migration, nil
	}
	old, now := Deployed{Version: "10.3.1", Generation: "old"}, Deployed{Version: "11.6.2", Generation: "new"}
	for i, h := range cluster.Hosts {
		n := &node{name: h.Name, c: c, version: versionOfGeneration[have[i]], running: true, sick: map[string]bool{}, lost: map[verb]bool{}}
		n.srv = httptest.NewServer(n)
		t.Cleanup(n.srv.Close)
		c.all[h.Name], c.in[h.Name] = n, have[i] == "old"
		r.hosts[h.Name] = fleet.Host{Host: h, Conn: n}
		r.up[h.Name], r.deployed[h.Name] = true, true
		r.desired[h.Name] = &desired.Host{Host: h.Name, Generation: &desired.Generation{ID: "new", Version: "11.6.2"}}
		hp := HostPlan{Host: h.Name, From: old, To: now, Restart: true}
		if have[i] == "new" {
			hp.From, hp.Restart = now, false
		}
		r.plan.Hosts = append(r.plan.Hosts, hp)
	}
	return c, r
}
