package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

type haproxyLab struct {
	dir, config, url string
	conn             *fleettest.Local
}

// startHAProxy runs HAProxy as systemd would, with a systemctl that reloads it.
func startHAProxy(t *testing.T, backend string, settings ...string) haproxyLab {
	t.Helper()
	program := need(t, "haproxy")
	dir := t.TempDir()
	lab := haproxyLab{dir: dir, config: filepath.Join(dir, "haproxy.cfg")}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	lab.url = "http://" + addr + "/"
	write(t, lab.config, "global\n\tstats socket "+dir+"/admin.sock mode 600 level admin expose-fd listeners\n"+
		"defaults\n\tmode http\n\ttimeout connect 2s\n\ttimeout client 30s\n\ttimeout server 30s\n"+strings.Join(settings, "")+
		"frontend f\n\tbind "+addr+"\n\tdefault_backend "+strings.Fields(backend)[1]+"\n"+backend, 0o640)
	cmd := run(t, program, "-W", "-db", "-f", lab.config)
	write(t, filepath.Join(dir, "systemctl"), "#!/bin/sh\n[ \"$*\" = 'reload haproxy' ] && kill -USR2 "+strconv.Itoa(cmd.Process.Pid)+"\n", 0o755)
	lab.conn = &fleettest.Local{Name: "lb1", Env: []string{"PATH=" + dir + ":" + os.Getenv("PATH") + ":/usr/sbin"}}
	// A signal before the first worker is ready would be lost; systemd waits too.
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for !strings.Contains(cmd.Stderr.(*output).String(), "Loading success") {
		if fleet.Pause(ctx, 10*time.Millisecond) != nil {
			t.Fatal("HAProxy does not start")
		}
	}
	return lab
}

func (l haproxyLab) cluster(nodes []*node) *inventory.Cluster {
	c := &inventory.Cluster{Name: "test", LoadBalancer: inventory.LoadBalancer{Type: "haproxy", Backend: "grafana", Config: l.config,
		Hosts: []*inventory.Host{{Name: "lb1", Address: "127.0.0.1"}}}}
	for _, n := range nodes {
		c.Hosts = append(c.Hosts, n.host)
	}
	return c
}

func (l haproxyLab) balancer(t *testing.T, c *inventory.Cluster) Balancer {
	t.Helper()
	b, err := New(c, []fleet.Host{{Host: c.LoadBalancer.Hosts[0], Conn: l.conn}})
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func serverLines(nodes []*node) string {
	var b strings.Builder
	for i, n := range nodes {
		// Named otherwise than the hosts: found by address.
		fmt.Fprintf(&b, "\tserver s%d %s check inter 200ms rise 2 cookie s%d\n", i, n.addr, i)
	}
	return b.String()
}

func twoNodes(t *testing.T) []*node {
	return []*node{startNode(t, "h1", "127.0.0.1:0"), startNode(t, "h2", "127.0.0.1:0")}
}

func TestHAProxyRollLosesNoRequest(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	l := startLoad(t.Context(), lab.url, 5*time.Millisecond, 5*time.Second)
	roll(t, lab.balancer(t, lab.cluster(nodes)), nodes, 10*time.Second)
	l.stop(t, 500)
}

func TestHAProxyRollLosesNoRequestOfASessionThatSticks(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\tcookie SRV insert indirect\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	// Requests of this client go to the first node as long as it is in drain.
	l := startLoad(t.Context(), lab.url, 10*time.Millisecond, 300*time.Millisecond, &http.Cookie{Name: "SRV", Value: "s0"})
	roll(t, lab.balancer(t, lab.cluster(nodes)), nodes[:1], 4*time.Second)
	l.stop(t, 100)
}

func TestHAProxyBusyAndDownAndMissing(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	c := lab.cluster(nodes)
	b := lab.balancer(t, c)
	if err := b.Drain(t.Context(), nodes[1].host); err != nil {
		t.Fatal(err)
	}
	long := make(chan error, 1)
	go func() {
		status, err := get(t.Context(), lab.url+"?for=held")
		if err == nil && status != http.StatusOK {
			err = fmt.Errorf("status %d", status)
		}
		long <- err
	}()
	busy(t, b, nodes[0].host)
	err := b.WaitIdle(t.Context(), nodes[0].host, 100*time.Millisecond)
	if left, ok := errors.AsType[*BusyError](err); !ok || left.Sessions != 1 || !strings.Contains(err.Error(), "lb1: h1 still has") {
		t.Errorf("a busy host: %v", err)
	}
	close(nodes[0].held)
	if err := b.Undrain(t.Context(), nodes[1].host); err != nil {
		t.Error(err)
	}
	if err := <-long; err != nil {
		t.Errorf("the long request: %v", err)
	}

	nodes[0].stop()
	until(t, b, nodes[0].host, func(s State) bool { return s.Status == Down && !s.Drained })
	if err := b.WaitUp(t.Context(), nodes[0].host, 2*time.Second); err == nil || !strings.Contains(err.Error(), "it is down there") {
		t.Errorf("a stopped host: %v", err)
	}
	stranger := &inventory.Host{Name: "h9", Address: "10.9.9.9"}
	if err := b.Drain(t.Context(), stranger); err == nil || !strings.Contains(err.Error(), "no server named h9 or at 10.9.9.9:3000") {
		t.Errorf("a stranger: %v", err)
	}
	c.LoadBalancer.Backend = "other"
	if _, err := lab.balancer(t, c).State(t.Context()); err == nil || !strings.Contains(err.Error(), `no backend "other"`) || !strings.Contains(err.Error(), "grafana") {
		t.Errorf("a missing backend: %v", err)
	}
}

// Where streams cannot be forwarded or the login user may not open the socket,
// a command does it.
func TestHAProxyByCommand(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	for _, tool := range []string{"socat", "perl", "python3"} {
		path, err := exec.LookPath(tool)
		if err != nil {
			continue
		}
		t.Run(tool, func(t *testing.T) {
			if tool == "python3" {
				// Not a shim of a version switcher, which needs more than itself.
				out, err := exec.Command(path, "-c", "import sys; print(sys.executable)").Output()
				if err != nil {
					t.Skip("needs python3")
				}
				path = strings.TrimSpace(string(out))
			}
			lab := startHAProxy(t, "backend grafana\n"+serverLines(nodes))
			reachable(t, strings.Trim(lab.url, "htp:/"))
			bin := t.TempDir()
			for _, p := range []string{"sh", "cat", "env", "grep"} {
				full, _ := exec.LookPath(p)
				if err := os.Symlink(full, filepath.Join(bin, p)); err != nil {
					t.Fatal(err)
				}
			}
			write(t, filepath.Join(bin, tool), "#!"+filepath.Join(bin, "sh")+"\nexec "+path+" \"$@\"\n", 0o755)
			lab.conn.Env = []string{"PATH=" + bin}
			lab.conn.DialFunc = func(context.Context, string, string) (net.Conn, error) {
				return nil, syscall.EACCES
			}
			b := lab.balancer(t, lab.cluster(nodes))
			if err := b.Drain(t.Context(), nodes[0].host); err != nil {
				t.Fatal(err)
			}
			states, err := b.State(t.Context())
			if err != nil || states["h1"].Status != Drain || states["h2"].Status != Up {
				t.Errorf("%+v, %v", states, err)
			}
		})
	}
}

func TestHAProxyManagedBackend(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend unrelated\n\tserver x 127.0.0.1:9 # keep\n", "")
	theirs := read(t, lab.config)
	c := lab.cluster(nodes)
	c.LoadBalancer.Manage = true
	c.LoadBalancer.Backend = "unrelated"
	if _, err := lab.balancer(t, c).Plan(t.Context()); err == nil || !strings.Contains(err.Error(), "defined outside") {
		t.Errorf("a backend of the user: %v", err)
	}
	c.LoadBalancer.Backend = "grafana"
	b := lab.balancer(t, c)
	changes, err := b.Plan(t.Context())
	if err != nil || len(changes) != 1 || read(t, lab.config) != theirs {
		t.Fatalf("plan %+v, %v", changes, err)
	}
	if err := b.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
	if got := read(t, lab.config); !strings.HasPrefix(got, theirs) || read(t, lab.config+".ghadeploy-backup") != theirs {
		t.Errorf("their text:\n%s", got)
	}
	for _, h := range c.Hosts {
		if err := b.WaitUp(t.Context(), h, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	if again, err := b.Plan(t.Context()); err != nil || len(again) != 0 {
		t.Errorf("a second plan: %+v, %v", again, err)
	}

}

// A reload forgets what is drained; Apply does not. What HAProxy refuses is not
// installed, nor is what was planned on another text.
func TestHAProxyManagedBackendKeepsDrainsAndRefuses(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend unrelated\n", "")
	c := lab.cluster(nodes)
	c.LoadBalancer.Manage = true
	b := lab.balancer(t, c)
	apply(t, b)
	if err := b.Drain(t.Context(), c.Hosts[1]); err != nil {
		t.Fatal(err)
	}
	c.Hosts = append(c.Hosts, &inventory.Host{Name: "h3", Address: "127.0.0.2"})
	apply(t, b)
	states, err := b.State(t.Context())
	if err != nil || !states["h2"].Drained || states["h1"].Drained {
		t.Errorf("after the reload: %+v, %v", states, err)
	}

	c.Hosts[2].Address = "not an address"
	before := read(t, lab.config)
	changes, err := b.Plan(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Apply(t.Context(), changes); err == nil || read(t, lab.config) != before {
		t.Errorf("a broken backend was installed: %v", err)
	}
	write(t, lab.config, before+"# edited\n", 0o640)
	if err := b.Apply(t.Context(), changes); err == nil || !strings.Contains(err.Error(), "plan again") {
		t.Errorf("an old plan: %v", err)
	}
}

// apply plans and applies one change.
func apply(t *testing.T, b Balancer) {
	t.Helper()
	changes, err := b.Plan(t.Context())
	if err != nil || len(changes) != 1 {
		t.Fatalf("plan %+v, %v", changes, err)
	}
	if err := b.Apply(t.Context(), changes); err != nil {
		t.Fatal(err)
	}
}
