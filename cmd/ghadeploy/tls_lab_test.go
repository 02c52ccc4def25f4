package main_test

import (
	"maps"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// Real servers that one does not meet every day: databases and Redis that speak
// TLS only, and only to clients with a certificate; Redis Cluster; Redis Sentinel.
// With the right settings check is content and apply makes one cluster; each wrong
// one is found, with its cause and what to do.

// wrong is one setting that check has to find.
type wrong struct {
	name string
	edit func(doc map[string]any)
	want finding
}

// checked wants no fault in the inventory, and the one that each variant has, on
// every host.
func checked(t *testing.T, inv *labtest.Inventory, hosts []string, variants []wrong) {
	t.Helper()
	must(t, "check", inv.Path)
	for _, w := range variants {
		t.Run(w.name, func(t *testing.T) {
			r := labtest.Ghadeploy(t, "check", inv.Variant(t, w.edit), "-o", "json")
			if r.Code != 7 {
				t.Errorf("exit %d, want 7\n%s", r.Code, r.Stderr)
			}
			w.want.hosts = hosts
			expect(t, r, []finding{w.want})
		})
	}
}

// set changes keys of a section, nil removes one.
func set(section string, keys map[string]any) func(map[string]any) {
	return func(doc map[string]any) {
		at := doc
		for _, name := range strings.Split(section, ".") {
			at = at[name].(map[string]any)
		}
		maps.Copy(at, keys)
		maps.DeleteFunc(at, func(_ string, v any) bool { return v == nil })
	}
}

var two = []string{"h1", "h2"}

func twoHosts(t *testing.T) *labtest.Lab {
	t.Helper()
	lab := labtest.Need(t, append(two, "svc")...)
	lab.Lock(t, two...)
	lab.Wipe(t, two...)
	return lab
}

// ownDoor makes root_url the first host's own: behind the lab's balancer are hosts
// of other tests too.
func ownDoor(lab *labtest.Lab, doc map[string]any, host string) {
	unsettled(doc)
	doc["grafana"].(map[string]any)["root_url"] = "http://" + lab.Host(host) + ":3000/"
}

func TestLabPostgresAndRedisWithTLS(t *testing.T) {
	lab := twoHosts(t)
	ca, stranger := labtest.NewCA(t, "lab"), labtest.NewCA(t, "stranger")
	client := ca.Issue(t, "grafana")
	inv := lab.Inventory(t, labtest.Options{Hosts: two, Version: labtest.V1160, Alerting: "redis", Edit: func(doc map[string]any) { ownDoor(lab, doc, "h1") }})
	address := lab.PostgresTLS(t, ca, inv.Database)
	inv.Edit(t, func(doc map[string]any) {
		set("database", map[string]any{"host": address, "ssl_mode": "verify-full",
			"ca_cert": ca.File, "client_cert": client.Cert, "client_key": client.Key})(doc)
		set("alerting.redis", map[string]any{"address": lab.RedisTLS(t, ca),
			"tls": map[string]any{"ca_cert": ca.File, "cert": client.Cert, "key": client.Key}})(doc)
	})
	checked(t, inv, two, []wrong{
		{"a stranger's CA", set("database", map[string]any{"ca_cert": stranger.File}),
			finding{"database", nil, []string{"unknown authority", "database.ca_cert"}}},
		{"no client certificate", set("database", map[string]any{"client_cert": nil, "client_key": nil}),
			finding{"database", nil, []string{"database.client_cert"}}},
		{"a name that is not in the certificate", set("database", map[string]any{"host": strings.Replace(address, lab.Host("svc"), "svc", 1)}),
			finding{"database", nil, []string{"svc", "database.host"}}},
		{"no TLS", set("database", map[string]any{"ssl_mode": "disable", "ca_cert": nil, "client_cert": nil, "client_key": nil}),
			finding{"database", nil, []string{"no encryption", "ssl_mode to verify-full"}}},
		{"a stranger's CA for Redis", set("alerting.redis.tls", map[string]any{"ca_cert": stranger.File}),
			finding{"redis-alerting", nil, []string{"unknown authority", "tls.ca_cert"}}},
		{"no client certificate for Redis", set("alerting.redis.tls", map[string]any{"cert": nil, "key": nil}),
			finding{"redis-alerting", nil, []string{"tls.cert and tls.key"}}},
		{"no TLS for Redis", set("alerting.redis", map[string]any{"tls": nil}),
			finding{"redis-alerting", nil, []string{"closes the connection", "tls:"}}},
	})
	apply(t, inv)
	whole(t, inv, "the deploy", 2)
	must(t, "verify", inv.Path)
	if got := lab.Sh(t, "h1", "cd /etc/grafana/tls && stat -c '%n %a %U' *.key"); got != "alerting-redis.key 600 grafana\ndatabase.key 600 grafana" {
		t.Errorf("keys on the host: %s", got)
	}
}

func TestLabMariaDBWithTLSAndRedisCluster(t *testing.T) {
	lab := twoHosts(t)
	ca, stranger := labtest.NewCA(t, "lab"), labtest.NewCA(t, "stranger")
	client := ca.Issue(t, "grafana")
	inv := lab.Inventory(t, labtest.Options{Hosts: two, Version: labtest.V1160, Database: "mysql", Alerting: "redis", Edit: func(doc map[string]any) { ownDoor(lab, doc, "h1") }})
	inv.Edit(t, func(doc map[string]any) {
		set("database", map[string]any{"host": lab.MariaDBTLS(t, ca, inv.Database), "ssl_mode": "true",
			"ca_cert": ca.File, "client_cert": client.Cert, "client_key": client.Key})(doc)
		set("alerting.redis", map[string]any{"address": lab.RedisCluster(t, 1), "cluster": true})(doc)
	})
	three := lab.RedisCluster(t, 3)
	r := must(t, "check", inv.Variant(t, set("alerting.redis", map[string]any{"address": three, "prefix": "plain"})))
	for _, w := range []string{"has 3 masters", "CROSSSLOT", "{plain}"} {
		if !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), w) {
			t.Errorf("no word of %s:\n%s", w, r.Stdout)
		}
	}
	first, _, _ := strings.Cut(three, ",")
	checked(t, inv, two, []wrong{
		{"a stranger's CA", set("database", map[string]any{"ca_cert": stranger.File}),
			finding{"database", nil, []string{"unknown authority", "database.ca_cert"}}},
		{"a name that is not in the certificate", set("database", map[string]any{"server_name": "db.example.com"}),
			finding{"database", nil, []string{"db.example.com", "database.server_name"}}},
		{"no client certificate", set("database", map[string]any{"client_cert": nil, "client_key": nil}),
			finding{"database", nil, []string{"Access denied", "database.client_cert", "REQUIRE X509"}}},
		{"no TLS", set("database", map[string]any{"ssl_mode": "false", "ca_cert": nil, "client_cert": nil, "client_key": nil}),
			finding{"database", nil, []string{"Access denied", "REQUIRE SSL", "database.ssl_mode"}}},
		{"no word of the cluster", set("alerting.redis", map[string]any{"address": first, "cluster": nil}),
			finding{"redis-alerting", nil, []string{"is a node of a Redis Cluster", "cluster: true"}}},
		{"no cluster", set("alerting.redis", map[string]any{"address": inv.Redis}),
			finding{"redis-alerting", nil, []string{"is no Redis Cluster", "remove cluster: true"}}},
	})
	apply(t, inv)
	whole(t, inv, "the deploy", 2)
}

func TestLabRedisSentinel(t *testing.T) {
	lab := twoHosts(t)
	const version = "12.3.1"
	inv := lab.Inventory(t, labtest.Options{Hosts: two, Version: version, Alerting: "redis", NoLive: true, Edit: func(doc map[string]any) {
		ownDoor(lab, doc, "h1")
		set("alerting", map[string]any{"redis": map[string]any{"address": lab.Host("svc") + ":26379", "sentinel": map[string]any{"master": "mymaster"}}})(doc)
	}})
	checked(t, inv, two, []wrong{
		{"another master", set("alerting.redis.sentinel", map[string]any{"master": "nobody"}),
			finding{"redis-alerting", nil, []string{`know no master "nobody"`, "sentinel masters"}}},
		{"no Sentinel there", set("alerting.redis", map[string]any{"address": lab.Host("svc") + ":26399"}),
			finding{"redis-alerting", nil, []string{"the Sentinels at " + lab.Host("svc") + ":26399", "lists the Sentinels"}}},
		{"Redis in place of Sentinel", set("alerting.redis", map[string]any{"address": inv.Redis}),
			finding{"redis-alerting", nil, []string{"the Sentinels at " + inv.Redis, "not Redis itself"}}},
	})
	apply(t, inv)
	members(t, inv, 2)
}

// members waits until all hosts count n members, each at a position of its own.
func members(t *testing.T, inv *labtest.Inventory, n int) {
	t.Helper()
	labtest.Wait(t, labWait, "one alerting cluster", func() (bool, string) {
		s := status(t, inv)
		positions := map[int]bool{}
		for _, h := range s.Hosts {
			if h.Members == nil || *h.Members != n || h.Position == nil {
				return false, s.Verdict
			}
			positions[*h.Position] = true
		}
		return s.Healthy && len(positions) == n, s.Verdict
	})
}
