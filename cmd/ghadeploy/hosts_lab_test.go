package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// waitBalancer waits until HAProxy says of every host what it should: "UP", or
// "out" for anything else.
func (c *labCluster) waitBalancer(t *testing.T, want map[string]string) {
	t.Helper()
	labtest.Wait(t, labTimeout, fmt.Sprintf("HAProxy to say %v", want), func() (bool, string) {
		got := c.balancer(t)
		for h, w := range want {
			if up := strings.HasPrefix(got[h], "UP"); up != (w == "UP") {
				return false, fmt.Sprint(got)
			}
		}
		return true, ""
	})
}

// members is what a host's own Alertmanager counts; empty while it does not say.
func (c *labCluster) members(host string) string {
	resp, err := http.Get("http://" + c.Host(host) + ":3000/metrics")
	if err != nil {
		return ""
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		return ""
	}
	m := regexp.MustCompile(`(?m)^(?:grafana_)?alertmanager_cluster_members(?:\{[^}]*\})? (\S+)$`).FindSubmatch(b)
	if m == nil {
		return ""
	}
	return string(m[1])
}

// wantPeers wants all hosts, and none besides, to be peers of each, and members.
func (c *labCluster) wantPeers(t *testing.T) {
	t.Helper()
	for _, h := range c.hosts {
		line := c.Sh(t, h, "grep ^ha_peers /etc/grafana/grafana.ini")
		for _, other := range c.hosts {
			if !strings.Contains(line, c.Host(other)+":") {
				t.Errorf("%s does not have %s as a peer: %s", h, other, line)
			}
		}
		if n := strings.Count(line, ":"); n != len(c.hosts) {
			t.Errorf("%s has %d peers, want %d: %s", h, n, len(c.hosts), line)
		}
		labtest.Wait(t, labTimeout, h+" to count all members", func() (bool, string) {
			n := c.members(h)
			return n == fmt.Sprint(len(c.hosts)), n
		})
	}
}

func active(t *testing.T, c *labCluster, host string) string {
	t.Helper()
	return c.Sh(t, host, "systemctl is-active grafana-server || true")
}

// Hosts are taken out of service by hand and put back, and HAProxy agrees each time.
// No run puts a host back that was drained by hand.
func TestLabHostsAreTakenOutAndPutBack(t *testing.T) {
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: with(nil)})
	c.waitBalancer(t, map[string]string{"h1": "UP", "h2": "UP", "h3": "UP"})

	c.must(t, "drain", "h2")
	if got := c.balancer(t); !strings.HasPrefix(got["h2"], "DRAIN") || !strings.HasPrefix(got["h1"], "UP") || !strings.HasPrefix(got["h3"], "UP") {
		t.Errorf("h2 was drained: %v", got)
	}
	if err := c.healthy(t.Context(), "h2"); err != nil {
		t.Errorf("draining h2 did more than drain it: %v", err)
	}
	c.theme(t, "/drained")
	c.must(t, "apply", "--yes")
	c.must(t, "plan", "--detailed-exitcode")
	if got := c.balancer(t); !strings.HasPrefix(got["h2"], "DRAIN") {
		t.Errorf("a run put h2 back, which somebody drained: %v", got)
	}
	c.must(t, "undrain", "h2")
	if got := c.balancer(t); !strings.HasPrefix(got["h2"], "UP") {
		t.Errorf("h2 was undrained: %v", got)
	}

	watch := c.watchDown(t)
	c.must(t, "stop", "h3", "--yes")
	if got := c.balancer(t); strings.HasPrefix(got["h3"], "UP") || !strings.HasPrefix(got["h1"], "UP") || !strings.HasPrefix(got["h2"], "UP") {
		t.Errorf("h3 was stopped: %v", got)
	}
	if got := active(t, c, "h3"); got != "inactive" {
		t.Errorf("h3 was stopped and is %s", got)
	}
	c.inv.Edit(t, with(map[string]any{"gate_timeout": "4s"}))
	r := c.begin(t, "restart", "h1", "--yes")
	if code := r.wait(); code != exitGate {
		t.Errorf("restarting h1 while h3 is stopped: exit %d, want %d", code, exitGate)
	}
	wantSays(t, r, "h3")
	c.inv.Edit(t, with(nil))
	c.must(t, "start", "h3", "--yes")
	watch.wantAtMost(t, 1)
	if got := c.balancer(t); !strings.HasPrefix(got["h3"], "UP") {
		t.Errorf("h3 was started: %v", got)
	}
	c.wantConverged(t)
}

// A host that is added to the inventory starts, and all others learn of it one after
// another; a host that is removed leaves the same way, and so does one that is dead.
func TestLabAClusterGrowsAndShrinks(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2", "h3", "h4", "svc")
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: func(doc map[string]any) {
		with(nil)(doc)
		doc["ssh"].(map[string]any)["connect_timeout"] = "3s"
	}})
	lab.Wipe(t, "h4")
	t.Cleanup(func() { _, _ = lab.Run(context.Background(), "h4", "systemctl disable --now grafana-server") })
	add := func() {
		c.inv.Edit(t, func(doc map[string]any) {
			doc["hosts"].(map[string]any)["h4"] = map[string]any{"address": lab.Host("h4")}
		})
	}
	drop := func() {
		c.inv.Edit(t, func(doc map[string]any) { delete(doc["hosts"].(map[string]any), "h4") })
	}

	watch := c.watchDown(t) // the three that serve
	add()
	r := c.must(t, "apply", "--yes")
	watch.wantAtMost(t, 1)
	if got := r.turns(); !slices.Equal(sizes(got), []int{1, 1, 1, 1}) || got[0][0] != "h4" {
		t.Errorf("turns %v, want the new host first, then one after another", got)
	}
	c.hosts = append(c.hosts, "h4")
	c.wantPeers(t)
	c.waitBalancer(t, map[string]string{"h1": "UP", "h2": "UP", "h3": "UP", "h4": "UP"})

	t.Run("removed", func(t *testing.T) {
		labtest.Slow(t)
		c.hosts = c.hosts[:3]
		watch = c.watchDown(t)
		c.must(t, "remove", "h4", "--yes")
		watch.wantAtMost(t, 1)
		if got := c.balancer(t); strings.HasPrefix(c.balancerOf(t, "h4"), "UP") || !strings.HasPrefix(got["h1"], "UP") {
			t.Errorf("h4 was removed: %s, %v", c.balancerOf(t, "h4"), got)
		}
		drop()
		c.wantPeers(t)
		c.wantConverged(t)
	})
	t.Run("dead", func(t *testing.T) {
		labtest.Slow(t)
		add()
		c.must(t, "apply", "--yes")
		lab.Do(t, "kill", "h4")
		defer lab.Do(t, "start", "h4")
		r := c.begin(t, "remove", "h4", "--yes")
		if code := r.wait(); code != exitUnreachable {
			t.Errorf("removing a dead host: exit %d, want %d", code, exitUnreachable)
		}
		wantSays(t, r, "h4")
		drop()
		c.must(t, "apply", "--yes")
		c.wantPeers(t)
		c.wantConverged(t)
	})
}

// balancerOf is what HAProxy says of one host, of the cluster or not.
func (c *labCluster) balancerOf(t *testing.T, host string) string {
	t.Helper()
	one := *c
	one.hosts = []string{host}
	return one.balancer(t)[host]
}
