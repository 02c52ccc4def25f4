package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// withContent is a cluster of two hosts with dashboards, and a data source that has a secret.
func withContent(t *testing.T) *labCluster {
	t.Helper()
	c := labDeployed(t, labtest.Options{Hosts: []string{"h1", "h2"}, Balancer: "haproxy", Edit: rollout(map[string]any{"settle": "0s"})})
	for i := range 3 {
		c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": fmt.Sprint("d", i), "uid": fmt.Sprint("d", i)}})
	}
	c.post(t, "/api/datasources", map[string]any{"uid": "s", "name": "s", "type": "prometheus", "access": "proxy", "url": "http://127.0.0.1:1", "secureJsonData": map[string]string{"httpHeaderValue1": "x"}})
	return c
}

// pids are what runs, to see that nothing was restarted.
func (c *labCluster) pids(t *testing.T) (out string) {
	t.Helper()
	for _, h := range c.hosts {
		out += c.Sh(t, h, "systemctl show -p MainPID grafana-server") + " "
	}
	return out
}

// refusedBy wants a command refused with exit code 7, all words said, and nothing restarted.
func (c *labCluster) refusedBy(t *testing.T, args []string, words ...string) {
	t.Helper()
	before := c.pids(t)
	r := c.begin(t, args...)
	if code := r.wait(); code != 7 {
		t.Errorf("%v: exit %d, want 7\n%s", args, code, r.story())
	}
	for _, w := range words {
		if !strings.Contains(r.message(), w) {
			t.Errorf("%v does not say %q: %s", args, w, r.message())
		}
	}
	if after := c.pids(t); after != before {
		t.Errorf("%v has restarted something: %s, before %s", args, after, before)
	}
}

// sqlIn asks PostgreSQL on the services host.
func (c *labCluster) sqlIn(t *testing.T, database, query string) string {
	t.Helper()
	return c.Sh(t, "svc", "PGPASSWORD=grafana psql -h 127.0.0.1 -U grafana -d "+database+" -Atc \""+query+"\"")
}

// databases watches which databases Grafana is on, until stop: ours log in by a name of their own.
func (c *labCluster) databases(t *testing.T, names ...string) (stop func() (together int)) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	query := "SELECT count(DISTINCT datname) FROM pg_stat_activity WHERE datname IN ('" + strings.Join(names, "','") + "') AND application_name NOT IN ('ghadeploy', 'psql')"
	most, ended := 0, make(chan struct{})
	go func() {
		defer close(ended)
		for ctx.Err() == nil {
			out, _ := c.Run(ctx, "svc", "PGPASSWORD=grafana psql -h 127.0.0.1 -U grafana -d postgres -Atc \""+query+"\"")
			n := 0
			_, _ = fmt.Sscan(out, &n)
			most = max(most, n)
			select {
			case <-ctx.Done():
			case <-time.After(100 * time.Millisecond):
			}
		}
	}()
	return func() int { cancel(); <-ended; return most }
}

// target changes what the inventory names as its database.
func (c *labCluster) target(t *testing.T, name string) {
	t.Helper()
	c.inv.Edit(t, func(doc map[string]any) { doc["database"].(map[string]any)["name"] = name })
}

// Trap A: nobody lands on another database by mistake, and nobody on two.
func TestLabAnotherDatabaseIsRefusedAndNeverRolled(t *testing.T) {
	c := withContent(t)
	first, empty, copied := c.inv.Database, c.inv.Database+"_empty", c.inv.Database+"_copy"
	c.Do(t, "db", empty)
	c.Do(t, "db", copied)
	c.target(t, empty)
	c.refusedBy(t, []string{"apply", "--yes"}, "3 dashboards", "the new one is empty", "--allow-database", "nothing was touched")
	plan := labtest.Ghadeploy(t, "plan", c.inv.Path)
	for _, w := range []string{"apply refuses it", "OUTAGE", "3 dashboards", "--allow-database"} {
		if !strings.Contains(strings.Join(strings.Fields(plan.Stdout), " "), w) {
			t.Errorf("the plan does not say %q:\n%s", w, plan.Stdout)
		}
	}
	// The same database by another name is no alarm.
	for _, h := range c.hosts {
		c.Sh(t, h, "echo "+c.Host("svc")+" db-alias >>/etc/hosts")
	}
	host := ""
	c.inv.Edit(t, func(doc map[string]any) {
		db := doc["database"].(map[string]any)
		host = db["host"].(string)
		db["name"], db["host"] = first, "db-alias:5432"
	})
	if r := labtest.Ghadeploy(t, "plan", c.inv.Path); !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), "the same database by another name") || strings.Contains(r.Stdout, "OUTAGE") {
		t.Errorf("an alias: %s", r.Stdout)
	}
	c.inv.Edit(t, func(doc map[string]any) { doc["database"].(map[string]any)["host"] = host })
	// A copy goes without a flag, one stop and one start.
	c.Sh(t, "svc", "export PGPASSWORD=grafana; pg_dump -h 127.0.0.1 -U grafana --no-owner "+first+" | psql -q -h 127.0.0.1 -U grafana -d "+copied+" >/dev/null")
	c.target(t, copied)
	stop := c.databases(t, first, copied)
	c.must(t, "apply", "--yes")
	if n := stop(); n != 1 {
		t.Errorf("Grafana was on %d databases at once", n)
	}
	c.wantConverged(t)
	if n := c.sqlIn(t, copied, "SELECT count(*) FROM dashboard"); n != "3" {
		t.Errorf("%s dashboards on the copy", n)
	}
	// What was written since makes the two differ: the way back is meant, or refused.
	c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": "new", "uid": "new"}})
	c.target(t, first)
	c.refusedBy(t, []string{"apply", "--yes"}, "dashboards: 4, there 3", "--allow-database")
	c.refusedBy(t, []string{"rollback", "--yes"}, "dashboards: 4, there 3")
	stop = c.databases(t, first, copied)
	c.must(t, "apply", "--yes", "--allow-database")
	if n := stop(); n != 1 {
		t.Errorf("Grafana was on %d databases at once on the way back", n)
	}
	c.wantConverged(t)
}

// Trap B: what becomes unreadable is counted, and it is not rolled.
func TestLabAnotherSecretKeyIsRefusedWithWhatIsLost(t *testing.T) {
	c := withContent(t)
	c.login(t)
	c.inv.Edit(t, func(doc map[string]any) {
		doc["grafana"].(map[string]any)["secret_key"] = "another-canary-key-of-32-letters"
	})
	c.refusedBy(t, []string{"apply", "--yes"}, "1 data source with secrets", "session", "--allow-secret-key", "Rotate secret_key")
	down := c.watchDown(t)
	c.must(t, "apply", "--yes", "--allow-secret-key")
	down.wantAtMost(t, 2) // all are stopped: no two keys at once
	c.wantConverged(t)
}

// Old and new Alertmanagers that do not meet would both notify: one host only is new until it
// takes over from all others, and no request is lost for it.
func TestLabAnotherGossipPortIsHandedOver(t *testing.T) {
	c := labDeployed(t, labtest.Options{Hosts: []string{"h1", "h2", "h3"}, Balancer: "haproxy"})
	c.inv.Edit(t, func(doc map[string]any) { doc["alerting"].(map[string]any)["port"] = 9194 })
	r := labtest.Ghadeploy(t, "plan", c.inv.Path)
	for _, w := range []string{"gossip port: 9094 -> 9194", "--allow-twice", "handover", "each notifies"} {
		if !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), w) {
			t.Errorf("the plan does not say %q:\n%s", w, r.Stdout)
		}
	}
	begun, l := time.Now(), c.load(t, c.login(t), "/api/user", 10*time.Millisecond)
	c.must(t, "apply", "--yes")
	n, failed, p99, gap := sums(l.end(), begun, time.Now())
	t.Logf("another gossip port: %d requests, %d failed, p99 %s, longest gap %s", n, len(failed), p99, gap)
	if len(failed) > 0 || n < 100 {
		t.Errorf("%d of %d requests failed: %v", len(failed), n, failed[:min(len(failed), 5)])
	}
	c.wantConverged(t)
}
