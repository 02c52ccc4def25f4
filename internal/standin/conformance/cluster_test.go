package conformance

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"
)

var performed = regexp.MustCompile(`msg="migrations completed" performed=(\d+) skipped=(\d+) duration=`)

func (s *suite) firstStart(t *testing.T) {
	for i, n := range s.nodes {
		n.start(t)
		m := performed.FindStringSubmatch(n.logs(t))
		if m == nil {
			t.Fatalf("%s logs no migrations\n%s", n.name, n.logs(t))
		}
		if first := m[1] != "0"; first != (i == 0) {
			t.Errorf("%s performed %s migrations and skipped %s", n.name, m[1], m[2])
		}
		for _, want := range []string{`msg="Starting Grafana" version=` + s.rel.version, `msg="Starting DB migrations"`, `msg="HTTP Server Listen" address=127.0.0.1:`, `msg="Waiting for gossip to settle..." interval=2s`} {
			if strings.Contains(want, "gossip") && !s.rel.atLeast(8, 2) {
				continue
			}
			if !strings.Contains(n.logs(t), want) {
				t.Errorf("%s does not log %s", n.name, want)
			}
		}
	}
}

func (s *suite) health(t *testing.T) {
	for _, n := range s.nodes {
		res, err := client(nil).Get(n.url("/api/health"))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		b, err := io.ReadAll(res.Body)
		if err != nil {
			t.Fatal(err)
		}
		var h struct{ Database, Version, Commit string }
		if err := json.Unmarshal(b, &h); err != nil || h.Database != "ok" || h.Version != s.rel.version || h.Commit == "" {
			t.Errorf("%s: /api/health says %s", n.name, b)
		}
		if !strings.Contains(string(b), `  "database": "ok"`) {
			t.Errorf("%s: /api/health is not indented: %s", n.name, b)
		}
		if got := n.get(t, "/healthz", nil); got != http.StatusOK {
			t.Errorf("%s: /healthz is %d", n.name, got)
		}
	}
}

// converged is an error until all nodes count each other and have distinct ranks.
func converged(nodes []*node) error {
	var ranks []int
	for _, n := range nodes {
		values, _, err := n.metrics()
		if err != nil {
			return err
		}
		members, rank, score := values[n.alerting("cluster_members")], values[n.alerting("peer_position")], values[n.alerting("cluster_health_score")]
		if int(members) != len(nodes) || score != 0 {
			return fmt.Errorf("%s counts %v members, health score %v", n.name, members, score)
		}
		ranks = append(ranks, int(rank))
	}
	sorted := slices.Sorted(slices.Values(ranks))
	for i, r := range sorted {
		if r != i {
			return fmt.Errorf("positions are %v", ranks)
		}
	}
	return nil
}

func (s *suite) members(t *testing.T) {
	until(t, "members and positions", patience, func() error { return converged(s.nodes) })
	for i, n := range s.nodes {
		if rank, err := n.metric(n.alerting("peer_position")); err != nil || int(rank) != i {
			t.Errorf("%s has position %v (%v), want the order of start", n.name, rank, err)
		}
	}
	until(t, "gossip settled", patience, func() error {
		if !strings.Contains(s.nodes[2].logs(t), `msg="gossip settled; proceeding" elapsed=`) {
			return fmt.Errorf("%s does not log it", s.nodes[2].name)
		}
		return nil
	})
}

func (s *suite) waitLive(t *testing.T) {
	t.Helper()
	until(t, "live nodes", patience, func() error {
		for _, n := range s.nodes {
			if v, err := n.metric("grafana_live_node_num_nodes"); err != nil || int(v) != len(s.nodes) {
				return fmt.Errorf("%s counts %v (%v)", n.name, v, err)
			}
		}
		return nil
	})
}

// liveNodes: each node subscribes to a channel of its own in Redis long before the metric
// counts it, keeps its name, and has another one after a restart.
func (s *suite) liveNodes(t *testing.T) {
	client := redis.NewClient(&redis.Options{Addr: s.redis.address(), Password: s.redis.password})
	defer client.Close()
	s.waitLive(t)
	channels, err := client.PubSubChannels(t.Context(), "gf_live.node.*").Result()
	if err != nil || len(channels) != len(s.nodes) {
		t.Errorf("Redis has %v (%v), want one of each of %d nodes", channels, err, len(s.nodes))
	}
	if n, err := client.PubSubNumSub(t.Context(), "gf_live.control").Result(); err != nil || int(n["gf_live.control"]) != len(s.nodes) {
		t.Errorf("%v listen to all (%v)", n, err)
	}
}

func (s *suite) restarted(t *testing.T) {
	n := s.nodes[0]
	n.start(t)
	until(t, "members and positions", patience, func() error { return converged(s.nodes) })
	if rank, err := n.metric(n.alerting("peer_position")); err != nil || int(rank) != len(s.nodes)-1 {
		t.Errorf("%s has position %v (%v) after its restart, want the last", n.name, rank, err)
	}
	s.waitLive(t)
}

func (s *suite) killed(t *testing.T) {
	n := s.nodes[1]
	n.signal(t, syscall.SIGKILL)
	n.waitExit(t)
	n.start(t)
	until(t, "members and positions", patience, func() error { return converged(s.nodes) })
	if v, err := s.nodes[0].metric(n.alerting("cluster_failed_peers")); err != nil || v != 1 {
		t.Errorf("failed_peers is %v (%v) after a kill, want the ghost to stay", v, err)
	}
	s.waitLive(t)
}

func (s *suite) databaseDown(t *testing.T) {
	s.pg.stop()
	s.nodes[0].waitHealth(t, http.StatusServiceUnavailable)
	s.pg.start(t)
	s.pg.wait(t)
	for _, n := range s.nodes {
		n.waitHealth(t, http.StatusOK)
	}
}

func (s *suite) redisMode(t *testing.T) {
	var nodes []*node
	s.pg.database(t, s.database+"_redis")
	for i := range 3 {
		n := newNode(t, s.rel, fmt.Sprintf("r%d", i+1), s.pg, s.database+"_redis", map[string]string{
			"unified_alerting.ha_redis_address": s.redis.address(), "unified_alerting.ha_redis_password": s.redis.password,
			"unified_alerting.ha_redis_prefix": "conformance", "unified_alerting.ha_redis_peer_name": fmt.Sprintf("r%d", 3-i),
		})
		n.start(t)
		nodes = append(nodes, n)
		if v, err := n.metric(n.alerting("peer_position")); err != nil || v != 0 {
			t.Errorf("%s has position %v (%v) before its first heartbeat, want 0", n.name, v, err)
		}
	}
	until(t, "members and positions", patience, func() error { return converged(nodes) })
	for i, n := range nodes {
		if rank, err := n.metric(n.alerting("peer_position")); err != nil || int(rank) != 2-i {
			t.Errorf("%s has position %v (%v), want the order of peer names", n.name, rank, err)
		}
		if _, names, err := n.metrics(); err != nil || names[n.alerting("cluster_failed_peers")] || !names[n.alerting("cluster_pings_failures_total")] {
			t.Errorf("%s exports the wrong metrics for Redis mode (%v)", n.name, err)
		}
	}
	nodes[1].signal(t, syscall.SIGTERM)
	if code := nodes[1].waitExit(t); code != 0 {
		t.Errorf("%s ends with %d", nodes[1].name, code)
	}
	until(t, "the key of a stopped node is gone", 15*time.Second, func() error {
		return converged([]*node{nodes[0], nodes[2]})
	})
}
