package balancer

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// All that a balancer says, or has in its files, is read by these.
func FuzzHAProxyConfig(f *testing.F) {
	for _, s := range []string{
		"global\n\tstats socket /run/haproxy/admin.sock mode 660 level admin\n", "global\n stats socket ipv4@127.0.0.1:9999 level admin\n",
		"# BEGIN ghadeploy prod\nbackend grafana\n# END ghadeploy prod\n", "backend grafana\n\tserver g1 10.0.0.1:3000 check # x\n",
		"global\n\tstats socket \"/run/a b\" level admin\n\\\n", "listen grafana\n  server-template s 1-5 x:1\n", "\x00\x1b[31m\n", "stats socket",
	} {
		f.Add(s, "prod")
	}
	f.Fuzz(func(t *testing.T, config, cluster string) {
		if socket, err := findSocket(config); err == nil && socket == "" {
			t.Error("a socket without a name")
		}
		_ = readTraits(config)
		begin, end := markers(cluster)
		if strings.ContainsAny(cluster, "\r\n") || strings.TrimSpace(cluster) != cluster || begin == end {
			return
		}
		block := begin + "\nbackend grafana\n" + end + "\n"
		after, _, err := splice(config, cluster, block)
		if err != nil {
			return
		}
		if n := strings.Count(after, block); n != 1 {
			t.Errorf("the block is there %d times", n)
		}
		again, old, err := splice(after, cluster, block)
		if err != nil || again != after || old != block {
			t.Errorf("a second time: %v\n%q\n%q", err, again, after)
		}
	})
}

func FuzzHAProxyAnswers(f *testing.F) {
	f.Add("1\n# be_id be_name srv_id srv_name srv_addr srv_op_state srv_admin_state srv_port srv_fqdn\n3 grafana 1 g1 10.0.0.1 2 0 3000 -\n", "# pxname,svname,status,scur,lastchg,check_status,check_code\ngrafana,g1,UP,3,99,L7OK,200\n")
	f.Add("1\n# srv_name\n", "#\n")
	f.Add("1\n# srv_name srv_admin_state\ng1 -1\ng1 99999999999999999999\n", "svname,scur,lastchg\ng1,-5,-99999999999\n\"g1\n")
	f.Fuzz(func(t *testing.T, servers, stats string) {
		all, err := parseServers(servers)
		if err != nil {
			return
		}
		_ = addStats(all, stats, time.Unix(1764000000, 0))
		for _, s := range all {
			if st := s.state("lb1"); st.Status == "" {
				t.Errorf("no state for %+v", s)
			}
		}
	})
}

func FuzzNginxConfig(f *testing.F) {
	for _, s := range []string{
		"upstream grafana {\n  server 10.0.0.11:3000;\n  server 10.0.0.12:3000 down;\n}\n", "upstream grafana { server \"a b\" ; server ${x}; }", "upstream grafana {",
		"# configuration file /etc/nginx/nginx.conf:\nupstream grafana { server a; }\n# configuration file /etc/x:\n", "'", "${", "upstream grafana {\\", "\x00;{}",
	} {
		f.Add(s, "grafana")
	}
	f.Fuzz(func(t *testing.T, text, upstream string) {
		servers, err := upstreamServers(text, upstream)
		for _, s := range servers {
			if err != nil || s.end < 0 || s.end > len(text) {
				t.Errorf("a server ends at %d of %d", s.end, len(text))
			}
		}
		_ = fileOfUpstream(text, upstream)
		_ = countEstablished(text, []string{upstream})
	})
}

func FuzzStatusOfACommand(f *testing.F) {
	for _, s := range []string{"up\n", `{"status":"drain","sessions":3}`, `{"status":"` + "\x1b" + `"}`, `"maint"`, "", `{"sessions":-1e99}`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, answer string) {
		switch st := readStatus(answer); st.Status {
		case Up, Drain, Maint, Down, Unknown:
		default:
			t.Errorf("%q: status %q", answer, st.Status)
		}
	})
}

// A balancer that lists very many servers costs what it sent, and not the square of it.
func TestVeryManyServersAreReadAtOnce(t *testing.T) {
	var servers, stats strings.Builder
	servers.WriteString("1\n# srv_name srv_admin_state\n")
	stats.WriteString("# svname,scur\n")
	for i := range 150_000 {
		fmt.Fprintf(&servers, "s%d 0\n", i)
		fmt.Fprintf(&stats, "s%d,%d\n", i, i)
	}
	start := time.Now()
	all, err := parseServers(servers.String())
	if err == nil {
		err = addStats(all, stats.String(), start)
	}
	if err != nil || all[149_999].sessions != 149_999 {
		t.Fatalf("%v, %d servers", err, len(all))
	}
	if took := time.Since(start); took > 5*time.Second {
		t.Errorf("it took %s", took)
	}
}
