package main_test

import (
	"context"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// A cluster of which all is IPv6 is like any other: however an address is written, probes,
// peers and balancer agree on one form of it.
func TestLabAClusterOnIPv6(t *testing.T) {
	labtest.Slow(t)
	c := newTrial(t, labtest.Options{NoLive: true, Balancer: "haproxy"})
	at := map[string]string{}
	for _, h := range c.hosts {
		at[h] = c.Host6(t, h)
	}
	c.Sh(t, "svc", "cp -p /etc/haproxy/haproxy.cfg /root/haproxy.cfg.v4")
	t.Cleanup(func() {
		_, _ = c.Run(context.Background(), "svc", "cat /root/haproxy.cfg.v4 >/etc/haproxy/haproxy.cfg; rm -f /etc/haproxy/haproxy.cfg.ghadeploy-backup; systemctl reload haproxy")
	})
	c.inv.Edit(t, func(doc map[string]any) {
		hosts := doc["hosts"].(map[string]any)
		for name, addr := range map[string]string{"h1": at["h1"], "h2": "[" + at["h2"] + "]", "h3": ""} {
			h := hosts[name].(map[string]any)
			h["address"] = at[name]
			if addr != "" {
				h["config"] = map[string]any{"server": map[string]any{"http_addr": addr}}
			}
		}
		doc["load_balancer"] = map[string]any{"type": "haproxy", "backend": "six", "manage": true,
			"hosts": map[string]any{"svc": map[string]any{"address": c.Host6(t, "svc"), "ssh": map[string]any{"user": "root"}}}}
	})
	c.run(t, 0, "check")
	c.run(t, 0, "apply", "--yes")
	c.run(t, 0, "plan", "--detailed-exitcode")
	for _, h := range c.hosts {
		ini := c.Sh(t, h, "grep -E '^(ha_|http_addr)' /etc/grafana/grafana.ini")
		for _, other := range c.hosts {
			if !strings.Contains(ini, "["+at[other]+"]:9094") {
				t.Errorf("%s does not have %s as a peer: %s", h, other, ini)
			}
		}
		for _, w := range []string{"ha_listen_address = [::]:9094", "ha_advertise_address = [" + at[h] + "]:9094"} {
			if !strings.Contains(ini, w) {
				t.Errorf("%s: no %q in %s", h, w, ini)
			}
		}
	}
	haproxy := c.Sh(t, "svc", "cat /etc/haproxy/haproxy.cfg")
	for _, h := range c.hosts {
		if !strings.Contains(haproxy, "server "+h+" ["+at[h]+"]:3000 check") {
			t.Errorf("HAProxy does not look for %s at [%s]:3000", h, at[h])
		}
	}
	c.run(t, 0, "status")
	c.run(t, 0, "verify")
	c.run(t, 0, "restart", "--yes")
	c.run(t, 0, "drain", "h2")
	c.run(t, 0, "undrain", "h2")
	c.run(t, 0, "status")
	// bare where it stood in brackets, and the other way round: the same address
	c.inv.Edit(t, func(doc map[string]any) {
		for name, addr := range map[string]string{"h1": "[" + at["h1"] + "]", "h2": at["h2"]} {
			doc["hosts"].(map[string]any)[name].(map[string]any)["config"] = map[string]any{"server": map[string]any{"http_addr": addr}}
		}
	})
	c.run(t, 0, "plan", "--detailed-exitcode")
	// and back to all addresses: a host is looked at where it runs until its turn
	c.inv.Edit(t, func(doc map[string]any) {
		for _, name := range []string{"h1", "h2"} {
			delete(doc["hosts"].(map[string]any)[name].(map[string]any), "config")
		}
	})
	c.run(t, 0, "status")
	c.run(t, 0, "apply", "--yes")
	c.run(t, 0, "status")
}
