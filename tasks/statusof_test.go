package tasks

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// slowHost answers every command after a while and has no Grafana that answers.
type slowHost struct {
	fleet.Conn
	takes time.Duration
	done  chan struct{}
}

func (h *slowHost) Run(ctx context.Context, _ remote.Command) (remote.Result, error) {
	return remote.Result{Stdout: []byte(answer)}, fleet.Pause(ctx, h.takes)
}

func (h *slowHost) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New("connection refused")
}
func (h *slowHost) User() string          { return "root" }
func (h *slowHost) Done() <-chan struct{} { return h.done }
func (h *slowHost) Close() error          { return nil }

// TestDeadHostsDelayNobody: of 200 hosts 5 answer nothing until connect_timeout. The
// others' answers come as soon as they are there, and the whole takes no longer than
// the dead ones. Time is the test's own.
func TestDeadHostsDelayNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const connectTimeout = 10 * time.Second
		var names []string
		for i := range 200 {
			names = append(names, fmt.Sprintf("h%d", i+1))
		}
		c := testCluster(names...)
		dead := func(h string) bool { return strings.HasSuffix(h, "37") || h == "h200" || h == "h1" || h == "h2" }
		r := New(c, Options{Connect: func(ctx context.Context, h *inventory.Host) (fleet.Conn, error) {
			if dead(h.Name) {
				if err := fleet.Pause(ctx, connectTimeout); err != nil {
					return nil, err
				}
				return nil, &remote.UnreachableError{Host: h.Name, Cause: errors.New("i/o timeout")}
			}
			return &slowHost{takes: 300 * time.Millisecond, done: make(chan struct{})}, nil
		}})
		defer r.Close()
		start, answered := time.Now(), 0
		st, err := r.Status(t.Context(), func(h HostStatus) {
			after := time.Since(start)
			if !dead(h.Host) {
				answered++
				if after > time.Second {
					t.Errorf("%s was told after %s", h.Host, after)
				}
			}
		})
		if took := time.Since(start); took > connectTimeout+time.Second {
			t.Errorf("all took %s", took)
		}
		var gone *remote.UnreachableError
		if !errors.As(err, &gone) {
			t.Errorf("the dead hosts are not in the error: %v", err)
		}
		if answered != 195 || len(st.Hosts) != 200 || st.Hosts[0].Reachable || !st.Hosts[2].Reachable {
			t.Errorf("%d answered, %d rows", answered, len(st.Hosts))
		}
	})
}

func count(n int) *int { return &n }

// silent has host i say nothing, and the others count each other alone.
func silent(h []HostStatus, i int) {
	for n := range h {
		h[n].Members, h[n].LiveNodes = count(2), count(2)
	}
	h[i].Members, h[i].LiveNodes, h[i].Position, h[i].Database, h[i].Version = nil, nil, nil, "", ""
}

// TestVerdict: what only the hosts together show.
func TestVerdict(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	three := func(edit func(h []HostStatus)) []HostStatus {
		var hosts []HostStatus
		for i := range 3 {
			hosts = append(hosts, HostStatus{Host: fmt.Sprintf("h%d", i+1), Reachable: true, Service: "running", Database: "ok",
				Version: "10.3.1", Since: now.Add(-time.Hour), Members: count(3), Position: count(i), LiveNodes: count(3)})
		}
		edit(hosts)
		return hosts
	}
	for _, tt := range []struct {
		name    string
		edit    func(h []HostStatus)
		verdict string
		problem string // of a host, and then the cluster is not healthy
		note    string
	}{
		{"all is well", func([]HostStatus) {}, "3 of 3 hosts healthy, members 3/3, Live 3/3", "", ""},
		{"a ghost after a restart", func(h []HostStatus) { h[0].LiveNodes = count(4) }, "3 of 3 hosts healthy, members 3/3, Live 3/3", "", "counts 4 nodes of 3"},
		{"alone for some seconds after a start", func(h []HostStatus) { h[2].LiveNodes, h[2].Since = count(1), now.Add(-4*time.Second) },
			"3 of 3 hosts healthy, members 3/3, Live 1/3", "", "so soon after a start"},
		{"alone for long", func(h []HostStatus) { h[2].LiveNodes = count(1) }, "degraded: 3 of 3 serve, h3 unhealthy, members 3/3, Live 1/3", "Live sees 1 nodes", ""},
		{"a member is missing", func(h []HostStatus) { h[1].Members = count(2) }, "degraded: 3 of 3 serve, h2 unhealthy, members 2/3, Live 3/3", "alerting has 2 members", ""},
		{"two on one position", func(h []HostStatus) { h[1].Position = count(0) }, "degraded: 3 of 3 serve, h2 unhealthy, members 3/3, Live 3/3", "is h1's too: both notify", ""},
		{"not clustered", func(h []HostStatus) { h[1].Members = nil }, "degraded: 3 of 3 serve, h2 unhealthy, members 3/3, Live 3/3", "alerting is not clustered", ""},
		{"another version", func(h []HostStatus) { h[2].Version = "10.4.0" }, "degraded: 3 of 3 serve, h3 unhealthy, members 3/3, Live 3/3", "runs 10.4.0, h1 runs 10.3.1", ""},
		{"drained", func(h []HostStatus) { h[2].Drained, h[2].Balancer = "ops", "drain" }, "degraded: 2 of 3 serve, h3 drained, members 3/3, Live 3/3", "drained by hand: ops", ""},
		{"one down, and nobody else is to blame", func(h []HostStatus) { silent(h, 1); h[1].Service, h[1].Balancer = "failed", "down" },
			"degraded: 2 of 3 serve, h2 down, members 2/3, Live 2/3", "Grafana is failed", ""},
		{"one unreachable", func(h []HostStatus) { silent(h, 0); h[0].Reachable, h[0].Problems = false, []string{"unreachable"} },
			"degraded: 2 of 3 serve, h1 unreachable, members 2/3, Live 2/3", "unreachable", ""},
		{"stopped by hand", func(h []HostStatus) { silent(h, 2); h[2].Service, h[2].Stopped = "stopped", "root@vm (pid 7)" },
			"degraded: 2 of 3 serve, h3 stopped by hand, members 2/3, Live 2/3", "stopped by hand: root@vm (pid 7)", ""},
		{"in a rollout", func(h []HostStatus) {
			silent(h, 2)
			h[2].Service, h[2].AtWork = "stopped", "root@vm (pid 7) runs apply"
		},
			"degraded: 2 of 3 serve, h3 in rollout, members 2/3, Live 2/3", "in rollout: root@vm (pid 7) runs apply", ""},
		{"a rollout elsewhere", func(h []HostStatus) { h[0].AtWork = "root@vm (pid 7) runs apply" }, "3 of 3 hosts healthy, members 3/3, Live 3/3", "", ""},
		{"the database is away", func(h []HostStatus) {
			for i := range h {
				h[i].Database, h[i].Problems = "failing", []string{"database failing"}
			}
		}, "down: 0 of 3 serve, h1, h2 and h3 down, members 3/3, Live 3/3", "database failing", ""},
		{"down in the balancer alone", func(h []HostStatus) { h[0].Balancer = "down" }, "degraded: 2 of 3 serve, h1 down, members 3/3, Live 3/3", "the load balancer has it down", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCluster("h1", "h2", "h3")
			c.Live.Redis.Address = "redis:6379"
			s := &Status{Time: now, Hosts: three(tt.edit)}
			s.judge(c)
			if s.Verdict != tt.verdict || s.Healthy != (tt.problem == "") {
				t.Errorf("healthy %v: %s; want %s", s.Healthy, s.Verdict, tt.verdict)
			}
			var problems, notes []string
			for _, h := range s.Hosts {
				problems, notes = append(problems, h.Problems...), append(notes, h.Notes...)
			}
			if len(problems) > 1 && tt.name != "the database is away" {
				t.Errorf("one fact in several lines: %q", problems)
			}
			if !strings.Contains(strings.Join(problems, "\n"), tt.problem) || tt.problem == "" && len(problems) > 0 {
				t.Errorf("problems %q, want %q", problems, tt.problem)
			}
			if !strings.Contains(strings.Join(notes, "\n"), tt.note) || tt.note == "" && len(notes) > 0 {
				t.Errorf("notes %q, want %q", notes, tt.note)
			}
		})
	}
}

// What a node of 12.4 sends: alerting under its new name, two pools.
func TestStatusReadsEveryVersionsMetrics(t *testing.T) {
	for version, want := range map[string]struct{ members, position, live, open, limit int }{
		"10.4.0": {3, 1, 3, 4, 25}, "11.6.2": {3, 1, 3, 11, 0}, "12.4.0": {3, 0, 3, 10, 50},
	} {
		f, err := os.Open(filepath.Join("..", "internal", "grafana", "testdata", "metrics", version+".txt"))
		if err != nil {
			t.Fatal(err)
		}
		m, err := grafana.ParseMetrics(f)
		_ = f.Close()
		if err != nil {
			t.Fatal(err)
		}
		var s HostStatus
		s.seeGrafana(Vitals{Health: grafana.Health{Status: 200, Database: "ok"}, Metrics: m})
		for what, c := range map[string]struct {
			got  *int
			want int
		}{
			"members": {s.Members, want.members}, "position": {s.Position, want.position}, "Live nodes": {s.LiveNodes, want.live},
			"connections": {s.Connections, want.open}, "limit": {s.ConnectionsLimit, want.limit},
		} {
			if c.got == nil || *c.got != c.want {
				t.Errorf("%s: %s: got %v, want %d", version, what, c.got, c.want)
			}
		}
	}
}
