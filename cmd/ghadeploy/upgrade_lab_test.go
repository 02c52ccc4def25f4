package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// dumpTools gives a host the client programs of PostgreSQL, from the services host:
// the hosts of the lab have no package repository.
func (c *labCluster) dumpTools(t *testing.T, host string) {
	t.Helper()
	packed := c.Sh(t, "svc", `cd /; b=$(echo usr/lib/postgresql/*/bin)
		libs=$(ldd /$b/pg_dump /$b/pg_restore /$b/psql | awk '$3 ~ "^/" {print substr($3, 2)}' | sort -u)
		tar -chf - $b/pg_dump $b/pg_restore $b/psql $libs | gzip -1 | base64 -w 0`)
	c.Sh(t, host, "base64 -d <<'EOF' | tar -xzkf - -C / 2>/dev/null; ldconfig\n"+packed+"\nEOF\nln -sf /usr/lib/postgresql/*/bin/* /usr/local/bin/; pg_dump --version")
}

// post sends a request as the admin through the balancer.
func (c *labCluster) post(t *testing.T, path string, body any) {
	t.Helper()
	b, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "http://"+c.Host("svc")+path, bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", c.inv.AdminPassword)
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if resp.StatusCode >= 300 {
		t.Fatalf("POST %s: HTTP %d", path, resp.StatusCode)
	}
}

func (c *labCluster) sql(t *testing.T, query string) string {
	t.Helper()
	return c.Sh(t, "svc", fmt.Sprintf("PGPASSWORD=grafana psql -h 127.0.0.1 -U grafana -tAc %q %s", query, c.inv.Database))
}

// versions are what the hosts' own health says.
func (c *labCluster) versions(t *testing.T) (out []string) {
	t.Helper()
	for _, h := range c.hosts {
		resp, err := http.Get("http://" + c.Host(h) + ":3000/api/health")
		if err != nil {
			t.Fatal(err)
		}
		var v struct{ Version string }
		err = json.NewDecoder(resp.Body).Decode(&v)
		_ = resp.Body.Close()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, v.Version)
	}
	return out
}

func (c *labCluster) wantVersions(t *testing.T, want string) {
	t.Helper()
	got := c.versions(t)
	if slices.ContainsFunc(got, func(v string) bool { return v != want }) {
		t.Errorf("the hosts run %v, want %s", got, want)
	}
}

// An upgrade dumps first, keeps the others serving however long its migration takes,
// starts no second host meanwhile, loses nothing, and can be taken back with the dump.
func TestAnUpgradeKeepsTheOthersServingAndCanBeTakenBack(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy", NoLive: true,
		Source: labSource(t, lab.Releases(t, map[string][]string{
			labtest.V1031: nil,
			labtest.V1032: {labtest.FailMigration},
			labtest.V1040: {labtest.SlowMigration},
			labtest.V1160: nil,
		})),
		Edit: func(doc map[string]any) {
			rollout(map[string]any{"settle": "0s", "drain": "2s", "gate_timeout": "15s", "major": "one-first"})(doc)
			doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1"}
		},
	})
	c.dumpTools(t, "h1")
	c.post(t, "/api/folders", map[string]string{"title": "ops", "uid": "ops"})
	c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": "one", "uid": "one"}, "folderUid": "ops"})
	dashboards := c.sql(t, "select count(*) from dashboard")

	t.Run("a failing migration", func(t *testing.T) {
		watch := c.watchDown(t)
		r := c.begin(t, "upgrade", "--to", labtest.V1032, "--yes")
		if code := r.wait(); code != exitGate {
			t.Errorf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		t.Log(r.message())
		watch.wantAtMost(t, 1)
		c.waitServing(t, labTimeout)
		c.wantNoneDrained(t)
	})
	c.must(t, "apply", "--yes", "--allow-downgrade")

	t.Run("a slow migration", func(t *testing.T) {
		before, err := os.ReadFile(c.inv.Path)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(c.inv.Path, append([]byte("# a remark of the operator's\n"), before...), 0o600); err != nil {
			t.Fatal(err)
		}
		watch := c.watchDown(t)
		r := c.begin(t, "upgrade", "--to", labtest.V1040, "--yes")
		if code := r.wait(); code != 0 {
			t.Fatalf("exit %d\n%s", code, r.story())
		}
		watch.wantAtMost(t, 1)
		wantOneAfterAnother(t, r)
		c.wantVersions(t, labtest.V1040)
		after, err := os.ReadFile(c.inv.Path)
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.Replace("# a remark of the operator's\n"+string(before), labtest.V1031, labtest.V1040, 1); string(after) != want {
			t.Errorf("the inventory is now\n%s\nwant\n%s", after, want)
		}
		if got := c.sql(t, "select count(*) from dashboard"); got != dashboards {
			t.Errorf("%s dashboards and folders, want %s", got, dashboards)
		}
	})

	t.Run("rollback needs the dump", func(t *testing.T) {
		r := c.begin(t, "rollback", "--yes")
		if code := r.wait(); code != exitCheck {
			t.Errorf("exit %d, want %d\n%s", code, exitCheck, r.story())
		}
		wantSays(t, r, "migrations ran since", "--with-database")
		c.wantVersions(t, labtest.V1040)
	})

	t.Run("a downgrade is refused", func(t *testing.T) {
		c.inv.Edit(t, func(map[string]any) {}) // names the old version again
		r := c.begin(t, "apply", "--yes")
		if code := r.wait(); code != exitUsage {
			t.Errorf("exit %d, want %d\n%s", code, exitUsage, r.story())
		}
		wantSays(t, r, "is a downgrade")
	})

	t.Run("rollback with the dump", func(t *testing.T) {
		c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": "two", "uid": "two"}})
		c.must(t, "rollback", "--yes", "--with-database", c.newestDump(t))
		c.wantVersions(t, labtest.V1031)
		if got := c.sql(t, "select count(*) from dashboard"); got != dashboards {
			t.Errorf("%s dashboards and folders, want %s as in the dump", got, dashboards)
		}
		c.wantConverged(t)
	})

	t.Run("all but one stopped", func(t *testing.T) {
		r := c.must(t, "upgrade", "--to", labtest.V1160, "--yes")
		if p := r.last.Result.Plan.Policy; p.Kind != tasks.PolicyOneFirst || p.Reason == "" {
			t.Errorf("the policy is %s (%s), want %s", p.Kind, p.Reason, tasks.PolicyOneFirst)
		}
		c.wantVersions(t, labtest.V1160)
		c.wantNoneDrained(t)
	})
}

// newestDump is the dump that was taken last, as an operator would name it.
func (c *labCluster) newestDump(t *testing.T) string {
	t.Helper()
	r := labtest.Ghadeploy(t, "backup", c.inv.Path, "--list", "-o", "json")
	var doc backupResult
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil || len(doc.Backups) == 0 {
		t.Fatalf("no dump: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	return doc.Backups[0].Path
}

// wantOneAfterAnother wants every turn to end before the next begins.
func wantOneAfterAnother(t *testing.T, r *toolRun) {
	t.Helper()
	under, longest := "", time.Duration(0)
	var since time.Time
	for _, e := range r.events {
		switch e.Kind {
		case event.TurnStarted:
			if under != "" {
				t.Errorf("the turn of %s began during that of %s", e.Host, under)
			}
			under, since = e.Host, e.Time
		case event.TurnDone, event.TurnFailed:
			under, longest = "", max(longest, e.Time.Sub(since))
		}
	}
	if longest < 20*time.Second {
		t.Errorf("the longest turn took %s; the migration alone takes 20 s", longest)
	}
}
