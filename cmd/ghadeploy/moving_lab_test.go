package main

import (
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// A running cluster that is told to listen elsewhere is looked at where it runs, host by
// host, and a managed balancer follows: nobody notices.
func TestLabAClusterThatListensElsewhereLosesNoRequest(t *testing.T) {
	c := labDeployed(t, labtest.Options{NoLive: true, Alerting: "none", Edit: func(doc map[string]any) {
		doc["alerting"] = map[string]any{"ha": "gossip"}
	}})
	c.Sh(t, "svc", "cp -p /etc/haproxy/haproxy.cfg /root/haproxy.cfg.before")
	t.Cleanup(func() {
		c.Sh(t, "svc", "cat /root/haproxy.cfg.before >/etc/haproxy/haproxy.cfg; rm -f /etc/haproxy/haproxy.cfg.ghadeploy-backup; systemctl reload haproxy")
	})
	c.inv.Edit(t, func(doc map[string]any) {
		doc["load_balancer"] = map[string]any{"type": "haproxy", "backend": "moving", "manage": true,
			"hosts": map[string]any{"svc": map[string]any{"address": c.Host("svc"), "ssh": map[string]any{"user": "root"}}}}
	})
	c.must(t, "apply", "--yes")
	c.Sh(t, "svc", "sed -i 's/default_backend lab_grafana/default_backend moving/' /etc/haproxy/haproxy.cfg && systemctl reload haproxy")
	ca := labtest.NewCA(t, "lab")
	pair := ca.Issue(t, "grafana", "localhost")
	config := func(doc map[string]any) map[string]any {
		return doc["grafana"].(map[string]any)["config"].(map[string]any)
	}
	listen := func(doc map[string]any, addr func(host string) string) {
		for name, h := range doc["hosts"].(map[string]any) {
			h.(map[string]any)["config"] = map[string]any{"server": map[string]any{"http_addr": addr(name)}}
		}
	}
	for _, step := range []struct {
		name string
		slow bool
		edit func(doc map[string]any)
	}{
		{"another port", false, func(doc map[string]any) { config(doc)["server"] = map[string]any{"http_port": 3001} }},
		{"https", false, func(doc map[string]any) {
			doc["grafana"].(map[string]any)["tls"] = map[string]any{"cert": pair.Cert, "key": pair.Key}
		}},
		{"an IPv6 address", true, func(doc map[string]any) { listen(doc, func(h string) string { return c.Host6(t, h) }) }},
		{"an IPv4 address", true, func(doc map[string]any) { listen(doc, c.Host) }},
	} {
		t.Run(step.name, func(t *testing.T) {
			if step.slow {
				labtest.Slow(t)
			}
			cookies := c.login(t)
			l := c.load(t, cookies, "/api/user", 10*time.Millisecond)
			from := time.Now()
			c.inv.Edit(t, step.edit)
			c.wantStatus(t) // what is not applied yet is no fault of the hosts
			c.must(t, "apply", "--yes")
			n, failed, p99, gap := sums(l.end(), from, time.Now())
			t.Logf("%d requests, %d failed, p99 %s, longest gap %s", n, len(failed), p99, gap)
			if n < 500 || len(failed) > 0 {
				t.Errorf("%d of %d requests failed: %.5v", len(failed), n, failed)
			}
			r := c.begin(t, "plan", "--detailed-exitcode")
			if code := r.wait(); code != 0 {
				t.Errorf("plan ends with %d, want 0: nothing to do\n%s", code, r.story())
			}
			c.wantStatus(t)
		})
	}
}

// wantStatus wants the hosts healthy, wherever they answer.
func (c *labCluster) wantStatus(t *testing.T) {
	t.Helper()
	if r := labtest.Ghadeploy(t, "status", c.inv.Path); r.Code != 0 {
		t.Errorf("status: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
	}
}
