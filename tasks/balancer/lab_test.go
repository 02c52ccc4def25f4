package balancer

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// labHAProxy runs a HAProxy of its own on the lab's svc, before servers here.
func labHAProxy(t *testing.T, lab *labtest.Lab, nodes []*node) (config, url string) {
	t.Helper()
	dir := strings.TrimSpace(lab.Sh(t, "svc", "mktemp -d /run/balancer-test.XXXXXX"))
	port := strings.TrimSpace(lab.Sh(t, "svc", `p=20000; while ss -Hltn "sport = :$p" | grep -q .; do p=$((p+1)); done; echo $p`))
	config = dir + "/haproxy.cfg"
	text := fmt.Sprintf("global\n\tstats socket %s/admin.sock mode 600 level admin\ndefaults\n\tmode http\n\ttimeout connect 2s\n\ttimeout client 30s\n\ttimeout server 30s\n"+
		"frontend f\n\tbind :%s\n\tdefault_backend grafana\nbackend grafana\n\toption httpchk GET /api/health\n%s", dir, port, serverLines(nodes))
	lab.Sh(t, "svc", "cat >"+config+" <<'EOT'\n"+text+"EOT\nhaproxy -D -p "+dir+"/pid -f "+config)
	t.Cleanup(func() { lab.Sh(t, "svc", "kill $(cat "+dir+"/pid); rm -rf "+dir) })
	return config, "http://" + net.JoinHostPort(lab.Host("svc"), port) + "/"
}

func TestLabHAProxyOverSSH(t *testing.T) {
	lab := labtest.Need(t, "svc")
	control := lab.Host("svc")[:strings.LastIndex(lab.Host("svc"), ".")] + ".1"
	nodes := []*node{startNode(t, "h1", control+":0"), startNode(t, "h2", control+":0")}
	for _, n := range nodes {
		n.host.Address = control
	}
	config, url := labHAProxy(t, lab, nodes)
	reachable(t, strings.Trim(url, "htp:/"))
	dialer := &remote.Dialer{ConfigFiles: []string{lab.SSHConfig}}
	for _, user := range []string{"root", "ops", "opspw", "plain"} {
		t.Run(user, func(t *testing.T) {
			target := remote.Target{Name: "svc", Address: "svc", User: user}
			if user == "opspw" {
				target.Password, target.Become.Password = "lab", "lab"
			}
			conn, err := dialer.Dial(t.Context(), target)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			c := &inventory.Cluster{Name: "lab", Hosts: []*inventory.Host{nodes[0].host, nodes[1].host},
				LoadBalancer: inventory.LoadBalancer{Type: "haproxy", Config: config, Hosts: []*inventory.Host{{Name: "svc"}}}}
			b, err := New(c, []fleet.Host{{Host: c.LoadBalancer.Hosts[0], Conn: conn}})
			if err != nil {
				t.Fatal(err)
			}
			if user == "plain" {
				if err := b.Drain(t.Context(), nodes[0].host); err == nil {
					t.Error("a user without sudo drained a host")
				} else {
					t.Log(err)
				}
				return
			}
			l := startLoad(t.Context(), url, 5*time.Millisecond, time.Second)
			roll(t, b, nodes, 10*time.Second)
			l.stop(t, 200)
		})
	}
}
