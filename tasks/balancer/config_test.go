package balancer

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

func TestFindSocket(t *testing.T) {
	for _, tc := range []struct{ config, want, fails string }{
		{"global\n\tstats socket /run/haproxy/admin.sock mode 660 level admin\n", "/run/haproxy/admin.sock", ""},
		{"stats socket /ro level operator\nstats socket ipv4@*:9999 level admin expose-fd listeners\n", "127.0.0.1:9999", ""},
		{"#stats socket /a level admin\nstats socket unix@/b level admin # ours\n", "/b", ""},
		{"stats socket /ro\n", "", "level admin"},
		{"stats socket fd@3 level admin\n", "", "no stats socket"},
		{"", "", "no stats socket"},
	} {
		got, err := findSocket(tc.config)
		if got != tc.want || (err == nil) != (tc.fails == "") || (err != nil && !strings.Contains(err.Error(), tc.fails)) {
			t.Errorf("%q: %q, %v", tc.config, got, err)
		}
	}
}

func TestReadTraits(t *testing.T) {
	for config, want := range map[string]traits{
		"backend g\n server a 1:1 check\n":                                     {},
		"backend g\n cookie SRV insert\n":                                      {persistent: true},
		"backend g\n stick on src\n":                                           {persistent: true},
		"defaults\n option prefer-last-server\n":                               {persistent: true},
		"# cookie x\n":                                                         {},
		"backend g\n default-server inter 1s on-marked-down shutdown-sessions": {cuts: true},
	} {
		if got := readTraits(config); got != want {
			t.Errorf("%q: %+v, want %+v", config, got, want)
		}
	}
}

func managedCluster() *inventory.Cluster {
	return &inventory.Cluster{Name: "prod", Hosts: hosts("h1", "h2"), LoadBalancer: inventory.LoadBalancer{Type: "haproxy", Manage: true, Backend: "grafana"}}
}

func TestPlanConfigTouchesNothingElse(t *testing.T) {
	c := managedCluster()
	const theirs = "global\n\tdaemon\nfrontend f\n\tdefault_backend grafana # ours: # BEGIN ghadeploy prod\n"
	change, err := planConfig(c, nil, theirs)
	if err != nil || !strings.Contains(change.Diff, "+\tserver h2 10.0.0.12:3000 check") {
		t.Fatalf("%+v, %v", change, err)
	}
	after, _, err := splice(theirs, c.Name, change.block)
	if err != nil || !strings.HasPrefix(after, theirs) {
		t.Fatalf("their text is not kept:\n%s\n%v", after, err)
	}
	if again, err := planConfig(c, nil, after); err != nil || again.Diff != "" {
		t.Errorf("a second plan is not empty: %s %v", again.Diff, err)
	}
	// Text behind the block stays, and a host more changes one line.
	c.Hosts = hosts("h1", "h2", "h3")
	change, err = planConfig(c, nil, after+"listen x\n")
	if err != nil || strings.Count(change.Diff, "\n+\t") != 1 || strings.Contains(change.Diff, "listen x") {
		t.Fatalf("diff:\n%s\n%v", change.Diff, err)
	}
	if after, _, _ = splice(after+"listen x\n", c.Name, change.block); !strings.HasSuffix(after, "# END ghadeploy prod\nlisten x\n") {
		t.Errorf("what follows the block is lost:\n%s", after)
	}
}

func TestPlanConfigRefuses(t *testing.T) {
	c := managedCluster()
	for config, why := range map[string]string{
		"backend grafana\n server a 1.1.1.1:1\n":                       "defined outside",
		"# BEGIN ghadeploy prod\nbackend grafana\n":                    "repair the markers",
		"# END ghadeploy prod\n# BEGIN ghadeploy prod\n":               "not one pair",
		"# BEGIN ghadeploy prod\n# END ghadeploy prod\nlisten grafana": "defined outside",
	} {
		if _, err := planConfig(c, nil, config); err == nil || !strings.Contains(err.Error(), why) {
			t.Errorf("%q: %v", config, err)
		}
	}
}

const nginxText = `# server 10.0.0.11:3000; in a comment
http {
    upstream other { server 10.0.0.11:3000; }
    upstream "grafana" {
        least_conn;
        server 10.0.0.11:3000 max_fails=2; # keep me
        server 10.0.0.12:3000; server 10.0.0.13:3000 down;   # one line, two servers
        keepalive 8;
    }
    server { location / { proxy_pass http://grafana; set $a "${b};}"; } }
}
`

func TestUpstreamDrainAndUndrainRestoreEveryByte(t *testing.T) {
	servers, err := upstreamServers(nginxText, "grafana")
	if err != nil || len(servers) != 3 {
		t.Fatalf("%+v, %v", servers, err)
	}
	if !servers[2].down || servers[2].ours || servers[0].down {
		t.Errorf("down is misread: %+v", servers)
	}
	for i := range 2 {
		drained := servers[i].markDown(nginxText)
		now, err := upstreamServers(drained, "grafana")
		if err != nil || len(now) != 3 || !now[i].down || !now[i].ours || now[1-i].down {
			t.Fatalf("server %d drained: %+v, %v\n%s", i, now, err, drained)
		}
		if got := now[i].unmark(drained); got != nginxText {
			t.Errorf("server %d: not restored:\n%s", i, got)
		}
	}
	if got := servers[2].unmark(nginxText); got != nginxText {
		t.Error("someone else's down was touched")
	}
	if _, err := upstreamServers(nginxText, "missing"); err == nil {
		t.Error("a missing upstream was found")
	}
}

func TestFileOfUpstream(t *testing.T) {
	dump := "# configuration file /etc/nginx/nginx.conf:\nhttp { include conf.d/*; }\n\n" +
		"# configuration file /etc/nginx/conf.d/a.conf:\nupstream a { server 1.1.1.1; }\n\n" +
		"# configuration file /etc/nginx/conf.d/g.conf:\nupstream grafana { server 1.1.1.2; }\n"
	if got := fileOfUpstream(dump, "grafana"); got != "/etc/nginx/conf.d/g.conf" {
		t.Errorf("got %q", got)
	}
	if got := fileOfUpstream(dump, "a"); got != "/etc/nginx/conf.d/a.conf" {
		t.Errorf("got %q", got)
	}
	if got := fileOfUpstream(dump, "b"); got != "" {
		t.Errorf("got %q", got)
	}
}

func TestCountEstablished(t *testing.T) {
	table := `  sl  local_address rem_address   st
   0: 0A004D0A:D431 0B004D0A:0BB8 01 0
   1: 0A004D0A:D432 0B004D0A:0BB8 06 0
   2: 0A004D0A:D433 0C004D0A:0BB8 01 0
   3: 0000000000000000FFFF00000A004D0A:D434 0000000000000000FFFF00000B004D0A:0BB8 01 0
`
	if got := countEstablished(table, []string{"10.77.0.11:3000"}); got != 2 {
		t.Errorf("got %d, want the established ones over IPv4 and mapped IPv6", got)
	}
}
