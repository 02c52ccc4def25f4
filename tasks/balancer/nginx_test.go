package balancer

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

type nginxLab struct {
	url, site, bin string // bin: the folder of the nginx that the tool finds
	cluster        *inventory.Cluster
	balancer       Balancer
}

// startNginx runs nginx with the upstream in an included file, and puts an
// `nginx` in front of PATH that speaks to this one.
func startNginx(t *testing.T, nodes []*node) nginxLab {
	t.Helper()
	program := need(t, "nginx")
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "sites"), 0o755); err != nil {
		t.Fatal(err)
	}
	addr := net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
	lab := nginxLab{url: "http://" + addr + "/", site: filepath.Join(dir, "sites", "grafana.conf")}
	var servers strings.Builder
	for _, n := range nodes {
		fmt.Fprintf(&servers, "  server %s max_fails=0; # rack %s\n", n.addr, n.host.Name)
	}
	temp := ""
	for _, kind := range []string{"client_body", "proxy", "fastcgi", "uwsgi", "scgi"} {
		temp += kind + "_temp_path " + dir + "/" + kind + ";\n"
	}
	conf := filepath.Join(dir, "nginx.conf")
	write(t, conf, "worker_processes 2;\ndaemon off;\npid "+dir+"/pid;\nerror_log "+dir+"/error.log;\nevents {}\n"+
		"http {\naccess_log off;\n"+temp+"include "+dir+"/sites/*;\n}\n", 0o644)
	write(t, lab.site, "upstream grafana {\n"+servers.String()+"  keepalive 4;\n}\nserver {\n  listen "+addr+
		";\n  location / { proxy_pass http://grafana; proxy_http_version 1.1; proxy_set_header Connection \"\"; proxy_next_upstream off; }\n}\n", 0o640)
	run(t, program, "-p", dir, "-c", conf)
	reachable(t, addr)
	bin := t.TempDir()
	lab.bin = bin
	write(t, filepath.Join(bin, "nginx"), "#!/bin/sh\nexec "+program+" -p "+dir+" -c "+conf+" \"$@\"\n", 0o755)
	write(t, filepath.Join(bin, "systemctl"), "#!/bin/sh\nexit 1\n", 0o755)
	lab.cluster = &inventory.Cluster{Name: "test", LoadBalancer: inventory.LoadBalancer{Type: "nginx", Hosts: []*inventory.Host{{Name: "lb1"}}}}
	for _, n := range nodes {
		lab.cluster.Hosts = append(lab.cluster.Hosts, n.host)
	}
	b, err := New(lab.cluster, []fleet.Host{{Host: lab.cluster.LoadBalancer.Hosts[0],
		Conn: &fleettest.Local{Name: "lb1", Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}}})
	if err != nil {
		t.Fatal(err)
	}
	lab.balancer = b
	return lab
}

func TestNginxRollLosesNoRequestAndRestoresTheFile(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	before := read(t, lab.site)
	l := startLoad(t.Context(), lab.url, 5*time.Millisecond, 2*time.Second)
	roll(t, lab.balancer, nodes, 15*time.Second)
	l.stop(t, 200)
	if got := read(t, lab.site); got != before {
		t.Errorf("the file is not as it was:\n%s", got)
	}
	entries, err := os.ReadDir(filepath.Dir(lab.site))
	if err != nil || len(entries) != 1 {
		t.Errorf("left behind: %v, %v", entries, err)
	}
}

// A reload returns at once, and nginx lets its old workers accept connections beside the
// new ones for a while.
func TestNginxSendsNothingToAHostThatIsDrained(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	for range 3 {
		if err := lab.balancer.Drain(t.Context(), nodes[1].host); err != nil {
			t.Fatal(err)
		}
		before := nodes[1].got.Load()
		for range 100 {
			if status, err := get(t.Context(), lab.url); err != nil || status != http.StatusOK {
				t.Fatalf("%d, %v", status, err)
			}
		}
		if n := nodes[1].got.Load() - before; n != 0 {
			t.Errorf("%d of 100 requests went to the drained host", n)
		}
		if err := lab.balancer.Undrain(t.Context(), nodes[1].host); err != nil {
			t.Fatal(err)
		}
	}
}

func TestNginxThatReadsNothingNewIsToldOf(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	command := filepath.Join(lab.bin, "nginx")
	write(t, command, "#!/bin/sh\n[ \"$1\" != -s ] || exit 0\n"+strings.TrimPrefix(read(t, command), "#!/bin/sh\n"), 0o755)
	err := lab.balancer.Drain(t.Context(), nodes[1].host)
	if err == nil || !strings.Contains(err.Error(), "still accept connections") || !strings.Contains(err.Error(), "error log") {
		t.Errorf("%v", err)
	}
}

func TestNginxStatesAndRefusals(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	b, h1, h2 := lab.balancer, nodes[0].host, nodes[1].host

	// Someone's own `down` is not ours to remove.
	theirs := strings.Replace(read(t, lab.site), "max_fails=0; # rack h2", "down; # rack h2", 1)
	write(t, lab.site, theirs, 0o640)
	states, err := b.State(t.Context())
	if err != nil || states["h1"].Status != Up || states["h2"].Status != Maint {
		t.Errorf("%+v, %v", states, err)
	}
	if err := b.Undrain(t.Context(), h2); err == nil || !strings.Contains(err.Error(), "by someone's hand") {
		t.Errorf("%v", err)
	}
	if err := b.Drain(t.Context(), h2); err != nil || read(t, lab.site) != theirs {
		t.Errorf("draining what is down already: %v\n%s", err, read(t, lab.site))
	}

	// Twice is once.
	for range 2 {
		if err := b.Drain(t.Context(), h1); err != nil {
			t.Fatal(err)
		}
	}
	if states, err = b.State(t.Context()); err != nil || states["h1"].Status != Drain || strings.Count(read(t, lab.site), "drained by ghadeploy") != 1 {
		t.Errorf("%+v, %v", states, err)
	}
	for range 2 {
		if err := b.Undrain(t.Context(), h1); err != nil {
			t.Fatal(err)
		}
	}
	if read(t, lab.site) != theirs {
		t.Errorf("not restored:\n%s", read(t, lab.site))
	}
	info, err := os.Stat(lab.site)
	if err != nil || info.Mode().Perm() != 0o640 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}

	// A configuration that nginx refuses for another reason is left as it was.
	broken := theirs + "nonsense on;\n"
	write(t, lab.site, broken, 0o640)
	if err := b.Drain(t.Context(), h1); err == nil || read(t, lab.site) != broken {
		t.Errorf("%v\n%s", err, read(t, lab.site))
	}
}

func TestNginxBusy(t *testing.T) {
	need(t, "nginx")
	nodes := twoNodes(t)
	lab := startNginx(t, nodes)
	if err := lab.balancer.Drain(t.Context(), nodes[1].host); err != nil {
		t.Fatal(err)
	}
	long := make(chan error, 1)
	go func() {
		_, err := get(t.Context(), lab.url+"?for=held")
		long <- err
	}()
	busy(t, lab.balancer, nodes[0].host)
	if err := lab.balancer.Drain(t.Context(), nodes[0].host); err != nil {
		t.Fatal(err)
	}
	err := lab.balancer.WaitIdle(t.Context(), nodes[0].host, 100*time.Millisecond)
	if left, ok := errors.AsType[*BusyError](err); !ok || left.Host != "h1" || left.Sessions < 1 {
		t.Errorf("%v", err)
	}
	close(nodes[0].held)
	if err := <-long; err != nil {
		t.Errorf("the long request: %v", err)
	}
	if err := lab.balancer.WaitIdle(t.Context(), nodes[0].host, 20*time.Second); err != nil {
		t.Error(err)
	}
}
