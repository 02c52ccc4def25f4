package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// svcSQL is PostgreSQL's administrator on the services host.
func (c *labCluster) svcSQL(t *testing.T, query string) string {
	t.Helper()
	return c.Sh(t, "svc", "PGPASSWORD=labadmin psql -h 127.0.0.1 -U labadmin -d postgres -v ON_ERROR_STOP=1 -Atc \""+query+"\"")
}

// role makes a role of its own that may do what grafana may, as docs/day-two.md has it.
func (c *labCluster) role(t *testing.T, name, password string) {
	t.Helper()
	c.svcSQL(t, "CREATE ROLE "+name+" LOGIN PASSWORD '"+password+"' IN ROLE grafana")
	c.svcSQL(t, "ALTER ROLE "+name+" SET role grafana")
	t.Cleanup(func() {
		c.Sh(t, "svc", "PGPASSWORD=labadmin psql -h 127.0.0.1 -U labadmin -d postgres -qAtc 'DROP ROLE IF EXISTS "+name+"' || true")
	})
}

// dbLogin writes another login into the inventory.
func (c *labCluster) dbLogin(t *testing.T, user, password string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.inv.Dir, "db_password"), []byte(password+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.inv.Edit(t, func(doc map[string]any) { doc["database"].(map[string]any)["user"] = user })
}

// Trap C, and the rotation that docs/day-two.md describes: two roles in turn lose nothing,
// and going back to a login that the server no longer takes is refused before anything stops.
func TestLabADatabaseLoginIsRotatedAndItsOldOneNotGoneBackTo(t *testing.T) {
	c := withContent(t)
	a, b := c.inv.Database+"_a", c.inv.Database+"_b"
	c.role(t, a, "canary-first")
	c.role(t, b, "canary-second")
	c.dbLogin(t, a, "canary-first")
	c.must(t, "apply", "--yes")
	begun, l := time.Now(), c.load(t, c.login(t), "/api/user", 10*time.Millisecond)
	c.dbLogin(t, b, "canary-second")
	if r := labtest.Ghadeploy(t, "plan", c.inv.Path); !strings.Contains(strings.Join(strings.Fields(r.Stdout), " "), "the same database by another name or login") || strings.Contains(r.Stdout, "OUTAGE") {
		t.Errorf("the plan: %s", r.Stdout)
	}
	c.must(t, "apply", "--yes")
	n, failed, p99, gap := sums(l.end(), begun, time.Now())
	t.Logf("rotation under load: %d requests, %d failed, p99 %s, longest gap %s", n, len(failed), p99, gap)
	if len(failed) > 0 || n < 100 {
		t.Errorf("%d of %d requests failed: %v", len(failed), n, failed[:min(len(failed), 5)])
	}
	c.svcSQL(t, "ALTER ROLE "+a+" NOLOGIN")
	c.refusedBy(t, []string{"rollback", "--yes"}, a, "is not permitted to log in", "nothing was touched", "ghadeploy apply")
	c.refusedBy(t, []string{"rollback", "--yes", "--limit", "h2"}, "is not permitted to log in")
	c.svcSQL(t, "ALTER ROLE "+a+" LOGIN")
	c.must(t, "rollback", "--yes")
	c.waitServing(t, labTimeout)
}

// Trap D: what a dump takes away is told in numbers, and the present is dumped first.
func TestLabRollbackWithADatabaseTellsWhatIsLostAndKeepsThePresent(t *testing.T) {
	c := withContent(t)
	c.dumpTools(t, "h1")
	c.inv.Edit(t, func(doc map[string]any) {
		doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1", "keep": 1}
	})
	c.theme(t, "one")
	c.must(t, "apply", "--yes")
	c.must(t, "backup")
	dump := c.Sh(t, "h1", "ls -d /var/lib/ghadeploy/backups/*.dump")
	for i := range 4 {
		c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": fmt.Sprint("late", i), "uid": fmt.Sprint("late", i)}})
	}
	if r := labtest.Ghadeploy(t, "backup", c.inv.Path, "--list", "-o", "json"); !strings.Contains(r.Stdout, `"dashboards": 3`) {
		t.Errorf("backup --list says no counts: %s", r.Stdout)
	}
	r := c.must(t, "rollback", "--yes", "--with-database", "h1:"+dump)
	said := strings.Join(r.last.Result.Warnings, "\n")
	for _, w := range []string{"dashboards: now 7, in the dump 3", "the database as it was before is h1:/", "7 dashboards"} {
		if !strings.Contains(said, w) {
			t.Errorf("the result does not say %q: %s", w, said)
		}
	}
	if n := c.sql(t, "SELECT count(*) FROM dashboard"); n != "3" {
		t.Errorf("%s dashboards after the rollback", n)
	}
	// The way back that it named, though only one dump is kept.
	now := regexp.MustCompile(`as it was before is (h1:\S+)`).FindStringSubmatch(said)
	if now == nil {
		t.Fatal("no dump of the present is named")
	}
	if _, ok := r.see(func(e event.Event) bool { return e.Kind == event.StepDone && e.Step == "backup" }); !ok {
		t.Error("no step tells of the dump")
	}
	c.must(t, "restore", "--yes", "--dump", now[1])
	if n := c.sql(t, "SELECT count(*) FROM dashboard"); n != "7" {
		t.Errorf("%s dashboards after going back", n)
	}
}
