package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// A count of Live nodes that stays too high is no old process of a restarted host:
// another cluster is on the same Redis, and what keeps it apart depends on the version.
func TestStatusNamesAnotherClusterOnOneRedis(t *testing.T) {
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	for _, tt := range []struct {
		name, version  string
		ago            time.Duration
		words, missing []string
	}{
		{"a host was started just now", "10.3.1", 10 * time.Second, []string{"4 nodes of 2", "old process", "20 s more"}, []string{"another cluster"}},
		{"before prefixes", "10.3.1", time.Hour, []string{"4 nodes of 2", "another cluster uses the Redis at redis:6379", "no live.ha_prefix", "11.3.0", "a Redis of its own"}, []string{"old process"}},
		{"with a prefix", "11.6.0", time.Hour, []string{"4 nodes of 2", "another cluster uses the prefix prod", "live.redis.prefix"}, []string{"old process", "11.3"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCluster("h1", "h2")
			c.Live.Redis.Address, c.Live.Redis.Prefix = "redis:6379", "prod"
			s := &Status{Time: now}
			for i, since := range []time.Duration{tt.ago, time.Hour} {
				s.Hosts = append(s.Hosts, HostStatus{Host: c.Hosts[i].Name, Reachable: true, Service: "running", Database: "ok",
					Version: tt.version, Since: now.Add(-since), Members: count(2), Position: count(i), LiveNodes: count(4)})
			}
			s.judge(c)
			for _, h := range s.Hosts {
				notes := strings.Join(h.Notes, "\n")
				for _, w := range tt.words {
					if !strings.Contains(notes, w) {
						t.Errorf("%s: no %q in %q", h.Host, w, notes)
					}
				}
				for _, w := range tt.missing {
					if strings.Contains(notes, w) {
						t.Errorf("%s: %q in %q", h.Host, w, notes)
					}
				}
			}
		})
	}
}

func TestStatusNamesAnotherClusterInAlerting(t *testing.T) {
	for ha, want := range map[string]string{"gossip": "same alerting.label", "redis": "same alerting.redis.prefix"} {
		c := testCluster("h1", "h2")
		c.Alerting.HA = ha
		s := &Status{}
		for i, h := range c.Hosts {
			s.Hosts = append(s.Hosts, HostStatus{Host: h.Name, Reachable: true, Service: "running", Database: "ok", Members: count(4), Position: count(i)})
		}
		s.judge(c)
		if text := strings.Join(append(s.Hosts[0].Problems, s.Hosts[0].Notes...), "\n"); !strings.Contains(text, want) {
			t.Errorf("%s: no %q in %q", ha, want, text)
		}
		// On Redis the key of a killed host counts for some minutes: no problem by itself.
		if s.Healthy != (ha == "redis") {
			t.Errorf("%s: healthy is %v", ha, s.Healthy)
		}
	}
}

// The operator's own label is the one that is written.
func TestLabelIsTheInventorys(t *testing.T) {
	c := testCluster("h1", "h2")
	c.Alerting.Label = "ours"
	v, err := grafana.ParseVersion(c.Grafana.Version)
	if err != nil {
		t.Fatal(err)
	}
	if got := desired.Node(c, c.Hosts[0], v, map[string]string{}, nil).Alerting.Label; got != "ours" {
		t.Errorf("ha_label is %q", got)
	}
}
