package balancer

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// switches hands over from one node to the other and back, many times, under load.
func switches(t *testing.T, b Balancer, nodes []*node, url string, interval time.Duration) {
	t.Helper()
	a, z := nodes[0].host, nodes[1].host
	if err := b.Drain(t.Context(), z); err != nil {
		t.Fatal(err)
	}
	l := startLoad(t.Context(), url, interval, 200*time.Millisecond)
	for range 10 {
		a, z = z, a
		if err := b.WaitFit(t.Context(), a, 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if err := b.Switch(t.Context(), []*inventory.Host{a}, []*inventory.Host{z}); err != nil {
			t.Fatal(err)
		}
		states, err := b.State(t.Context())
		if err != nil || states[a.Name].Drained || !states[z.Name].Drained {
			t.Fatalf("after the switch from %s to %s: %+v, %v", z.Name, a.Name, states, err)
		}
		if err := b.WaitIdle(t.Context(), z, 5*time.Second); err != nil {
			t.Fatal(err)
		}
	}
	l.stop(t, 200)
}

func TestHAProxySwitchLosesNoRequest(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	switches(t, lab.balancer(t, lab.cluster(nodes)), nodes, lab.url, 5*time.Millisecond)
}

// Where clients stick to a server, none goes on to one that was taken out.
func TestHAProxySwitchLeavesNoClientBehind(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\tcookie SRV insert indirect\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	b := lab.balancer(t, lab.cluster(nodes))
	if err := b.Switch(t.Context(), []*inventory.Host{nodes[1].host}, []*inventory.Host{nodes[0].host}); err != nil {
		t.Fatal(err)
	}
	states, err := b.State(t.Context())
	if err != nil || states["h1"].Status != Maint || states["h2"].Status != Up {
		t.Errorf("%+v, %v", states, err)
	}
}

// A host that HAProxy's own check finds sick is not waited for in vain: the error says
// what it sees.
func TestHAProxyDoesNotFindASickHostFit(t *testing.T) {
	need(t, "haproxy")
	nodes := twoNodes(t)
	lab := startHAProxy(t, "backend grafana\n\toption httpchk GET /api/health\n"+serverLines(nodes))
	reachable(t, strings.Trim(lab.url, "htp:/"))
	b := lab.balancer(t, lab.cluster(nodes))
	if err := b.Drain(t.Context(), nodes[0].host); err != nil {
		t.Fatal(err)
	}
	nodes[0].stop()
	until(t, b, nodes[0].host, func(s State) bool { return strings.Contains(s.CheckedBy, "DOWN") })
	if err := b.WaitFit(t.Context(), nodes[0].host, 300*time.Millisecond); err == nil || !strings.Contains(err.Error(), "L4CON") {
		t.Errorf("error %v", err)
	}
}

func TestNginxSwitchLosesNoRequest(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	switches(t, lab.balancer, nodes, lab.url, 10*time.Millisecond)
	if text := read(t, lab.site); strings.Count(text, "drained by ghadeploy") != 1 {
		t.Errorf("the file:\n%s", text)
	}
}

// A command takes one host at a time: those that come in come first.
func TestACommandSwitchesInBeforeOut(t *testing.T) {
	dir := t.TempDir()
	note := `echo "$GHADEPLOY_ACTION $GHADEPLOY_HOST" >>` + filepath.Join(dir, "said")
	c := &inventory.Cluster{Hosts: hosts("h1", "h2", "h3"), Dir: dir, LoadBalancer: inventory.LoadBalancer{Type: "command", Drain: note, Undrain: note}}
	b, err := New(c, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := b.Switch(t.Context(), c.Hosts[:1], c.Hosts[1:]); err != nil {
		t.Fatal(err)
	}
	said, err := os.ReadFile(filepath.Join(dir, "said"))
	if lines := strings.Fields(string(said)); err != nil || len(lines) != 6 || lines[0]+lines[1] != "undrainh1" || lines[2] != "drain" || lines[4] != "drain" {
		t.Errorf("%q, %v", said, err)
	}
	if err := b.WaitFit(t.Context(), c.Hosts[0], time.Second); err != nil {
		t.Errorf("who cannot tell is taken at its word: %v", err)
	}
}

// No balancer that is away is passed over.
func TestASwitchNamesTheBalancerThatIsAway(t *testing.T) {
	c := &inventory.Cluster{Hosts: hosts("h1", "h2"), LoadBalancer: inventory.LoadBalancer{Type: "haproxy", Hosts: []*inventory.Host{{Name: "lb1"}}}}
	b, err := New(c, []fleet.Host{})
	if err != nil {
		t.Fatal(err)
	}
	err = b.Switch(t.Context(), c.Hosts[:1], c.Hosts[1:])
	if gone, ok := errors.AsType[*remote.UnreachableError](err); !ok || gone.Host != "lb1" || !strings.Contains(err.Error(), "put h1 in and take h2 out") {
		t.Errorf("error %v", err)
	}
}
