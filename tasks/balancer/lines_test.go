package balancer

import (
	"context"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// text is a balancer's host whose configuration says this.
type text string

func (t text) Run(_ context.Context, cmd remote.Command) (remote.Result, error) {
	if cmd.Args[0] == "nginx" {
		return remote.Result{Stdout: []byte("# configuration file /etc/nginx/conf.d/g.conf:\n" + string(t))}, nil
	}
	return remote.Result{Stdout: []byte(t)}, nil
}
func (text) Put(context.Context, remote.Upload) (remote.UploadResult, error) {
	return remote.UploadResult{}, io.ErrClosedPipe
}
func (text) Dial(context.Context, string, string) (net.Conn, error) { return nil, io.ErrClosedPipe }
func (text) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, io.ErrClosedPipe
}
func (text) User() string          { return "root" }
func (text) Done() <-chan struct{} { return nil }
func (text) Close() error          { return nil }

const foreignHAProxy = `global
defaults
backend other
	server g1 10.0.0.11:3000
backend grafana
	option httpchk
	# server g1 10.0.0.11:3000 of old
	server first 10.0.0.11:3000 check weight 2 # ours
	server g2 g2.example.com:3000 check ssl verify none
listen stats
	server g3 10.0.0.13:3000
`

const foreignNginx = `upstream grafana {
	least_conn;
	server 10.0.0.11:3000 weight=2;
	server 10.0.0.12:3000
		max_fails=2;
}
`

// An administrator is told file and line, and what to write beside it.
func TestLinesOfAForeignConfigurationAreNamed(t *testing.T) {
	hosts := []*inventory.Host{{Name: "g1", Address: "10.0.0.11"}, {Name: "g2", Address: "10.0.0.12"}, {Name: "g3", Address: "fd81::13"}}
	for _, tt := range []struct {
		kind, config, scheme, addr string
		want                       []string
	}{
		{"haproxy", foreignHAProxy, "http", "", []string{
			"lb1: /etc/haproxy/haproxy.cfg:8 `server first 10.0.0.11:3000 check weight 2`: add `server g1-new 10.0.0.11:3001 check weight 2`",
			"lb1: /etc/haproxy/haproxy.cfg:9 `server g2 g2.example.com:3000 check ssl verify none`: add `server g2-new 10.0.0.12:3001 check verify none`",
			"lb1: /etc/haproxy/haproxy.cfg does not name g3: add `server g3-new [fd81::13]:3001 check`"}},
		{"haproxy", foreignHAProxy, "https", "10.0.0.99", []string{
			"haproxy.cfg:8 `server first 10.0.0.11:3000 check weight 2`: add `server g1-new 10.0.0.99:3001 check weight 2 ssl verify none`"}},
		{"nginx", foreignNginx, "https", "", []string{
			"lb1: /etc/nginx/conf.d/g.conf:3 `server 10.0.0.11:3000 weight=2;`: add `server 10.0.0.11:3001;` and, once all hosts answer so, `proxy_pass https://grafana;`",
			"lb1: /etc/nginx/conf.d/g.conf:5 `max_fails=2;`"}},
	} {
		c := &inventory.Cluster{Hosts: hosts, LoadBalancer: inventory.LoadBalancer{Type: tt.kind, Backend: "grafana", Hosts: []*inventory.Host{{Name: "lb1", Address: "10.0.0.5"}}}}
		b, err := New(c, []fleet.Host{{Host: c.LoadBalancer.Hosts[0], Conn: text(tt.config)}})
		if err != nil {
			t.Fatal(err)
		}
		to := map[string]grafana.Listen{}
		for _, h := range hosts {
			to[h.Name], _ = grafana.ParseListen(tt.scheme, tt.addr, "3001")
		}
		lines, err := b.(Liner).Lines(t.Context(), to)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, l := range lines {
			all = append(all, l.String())
		}
		said := strings.Join(all, "\n")
		for _, w := range tt.want {
			if !strings.Contains(said, w) {
				t.Errorf("%s %s: no %q in\n%s", tt.kind, tt.scheme, w, said)
			}
		}
	}
}

// While a host moves, the server of its new place stands beside the one of its name.
func TestTheServerWhereAHostAnswersGoesBeforeTheOneOfItsName(t *testing.T) {
	h := &inventory.Host{Name: "g1", Address: "10.0.0.11"}
	servers := []serverState{{name: "g1", address: "10.0.0.11:3000"}, {name: "g1-new", address: "10.0.0.11:3001"}}
	at := &places{}
	for _, tt := range []struct{ port, want string }{{"3000", "g1"}, {"3001", "g1-new"}, {"3002", "g1"}} {
		l, _ := grafana.ParseListen("http", "", tt.port)
		at.set(h, l)
		if s, ok := find(t.Context(), servers, h, at); !ok || s.name != tt.want {
			t.Errorf("port %s: %v %v, want %s", tt.port, s, ok, tt.want)
		}
	}
}
