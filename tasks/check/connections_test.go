package check

import (
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

func TestConnectionsOfAllPoolsAreCounted(t *testing.T) {
	for name, c := range map[string]struct {
		version            string
		hosts, limit, open int
		want               string // "" is no finding
		fix                string
	}{
		"one pool fits":                       {"10.3.1", 3, 100, 25, "", ""},
		"one pool is too much":                {"10.3.1", 3, 100, 50, "3 hosts x max_open_conn 50 = 150; the server allows 100", "max_open_conn to 26, or"},
		"12.4 takes twice as many":            {"12.4.0", 3, 100, 25, "3 hosts x 2 pools (Grafana 12.4.0 has one for unified storage besides) x max_open_conn 25 = 150", "max_open_conn to 13"},
		"12.4 with what was proposed":         {"12.4.0", 3, 100, 13, "", ""},
		"12.3 is bounded":                     {"12.3.0", 2, 100, 25, "", ""},
		"11.6 has a second one without limit": {"11.6.2", 3, 100, 25, "= 150, and more, since the second pool takes no notice of the limit", "max_open_conn to 13, with max_idle_conn not above it, which bounds the first pool only, or raise"},
		"11.6 on a large server says so":      {"11.6.2", 3, 500, 25, "the second pool takes no notice of the limit before 12.3; the server allows 500", ""},
		"11.2 has one":                        {"11.2.0", 3, 100, 25, "", ""},
		"no value fits many hosts":            {"12.4.0", 40, 151, 25, "40 hosts x 2 pools", "raise the server's max_connections to 2500 or more"},
		"a server that does not say":          {"12.4.0", 3, 0, 25, "", ""},
		"without a limit of ours":             {"12.4.0", 3, 100, 0, "", ""},
	} {
		t.Run(name, func(t *testing.T) {
			v, err := grafana.ParseVersion(c.version)
			if err != nil {
				t.Fatal(err)
			}
			cluster := &inventory.Cluster{Hosts: make([]*inventory.Host, c.hosts)}
			cluster.Database.MaxOpenConn, cluster.Database.MaxIdleConn = c.open, min(20, c.open)
			r := &run{Input: Input{Cluster: cluster, Version: v}}
			got := r.connectionFindings(database.Report{MaxConnections: c.limit})
			if (len(got) == 0) != (c.want == "") {
				t.Fatalf("got %+v, want %q", got, c.want)
			}
			if c.want == "" {
				return
			}
			if f := got[0]; !strings.Contains(f.What, c.want) || !strings.Contains(f.Fix, c.fix) || (f.Severity == OK) != (c.fix == "") {
				t.Errorf("got %+v", f)
			}
			// What is proposed passes.
			m := regexp.MustCompile(`max_open_conn to (\d+)`).FindStringSubmatch(got[0].Fix)
			if m == nil {
				return
			}
			cluster.Database.MaxOpenConn, _ = strconv.Atoi(m[1])
			for _, f := range r.connectionFindings(database.Report{MaxConnections: c.limit}) {
				if f.Severity != OK {
					t.Errorf("the proposed %s: %+v", m[1], f)
				}
			}
		})
	}
}
