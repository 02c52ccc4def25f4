package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// withDump is a cluster behind HAProxy whose database is dumped on h1 before an
// upgrade, with a folder and a dashboard in it.
func withDump(t *testing.T, lab *labtest.Lab, releases map[string][]string) *labCluster {
	t.Helper()
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy", NoLive: true, Source: labSource(t, lab.Releases(t, releases)),
		Edit: func(doc map[string]any) {
			with(map[string]any{"gate_timeout": "15s"})(doc)
			doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1"}
		},
	})
	c.dumpTools(t, "h1")
	c.post(t, "/api/folders", map[string]string{"title": "ops", "uid": "ops"})
	c.dashboard(t, "one")
	return c
}

func (c *labCluster) dashboard(t *testing.T, name string) {
	t.Helper()
	c.post(t, "/api/dashboards/db", map[string]any{"dashboard": map[string]any{"title": name, "uid": name}})
}

// dashboards are their uids, sorted.
func (c *labCluster) dashboards(t *testing.T) string {
	t.Helper()
	return strings.ReplaceAll(c.sql(t, "select uid from dashboard where not is_folder order by uid"), "\n", " ")
}

// refused runs a command that must not do anything.
func (c *labCluster) refused(t *testing.T, code int, args []string, says ...string) {
	t.Helper()
	r := c.begin(t, args...)
	if got := r.wait(); got != code {
		t.Errorf("ghadeploy %v: exit %d, want %d\n%s", args, got, code, r.story())
	}
	wantSays(t, r, says...)
	if turns := r.turns(); len(turns) > 0 {
		t.Errorf("ghadeploy %v was refused, but %v had their turns", args, turns)
	}
}

// noRestore wants a restore to be refused with these words.
func (c *labCluster) noRestore(t *testing.T, dump string, code int, says ...string) {
	t.Helper()
	c.noRestoreWith(t, []string{"--dump", dump}, code, says...)
}

func (c *labCluster) noRestoreWith(t *testing.T, flags []string, code int, says ...string) {
	t.Helper()
	r := labtest.Ghadeploy(t, append([]string{"restore", c.inv.Path, "--yes"}, flags...)...)
	if r.Code != code {
		t.Errorf("restore %v: exit %d, want %d", flags, r.Code, code)
	}
	text := strings.Join(strings.Fields(r.Stdout+r.Stderr), " ")
	for _, want := range says {
		if !strings.Contains(text, want) {
			t.Errorf("restore %v does not say %q: %s", flags, want, text)
		}
	}
}

// advised is the dump in the command that an error names for the way back.
func (r *toolRun) advised(t *testing.T) string {
	t.Helper()
	m := regexp.MustCompile(`ghadeploy rollback \S+ --with-database (h1:[^\s"\\;]+)`).FindStringSubmatch(r.message())
	if m == nil {
		t.Fatalf("no way back is named: %s", r.message())
	}
	return m[1]
}

// An upgrade whose first host has migrated and does not come up stops there. The others
// serve the old version, and the command that it names brings back all of them, with
// the schema and the content that they had.
func TestLabAFailedUpgradeIsTakenBackAsItSays(t *testing.T) {
	lab := labtest.Need(t)
	c := withDump(t, lab, map[string][]string{labtest.V1031: nil, labtest.V1040: {labtest.FailStart}})
	schema := c.sql(t, "select count(*) from migration_log")

	watch := c.watchDown(t)
	r := c.begin(t, "upgrade", "--to", labtest.V1040, "--yes")
	if code := r.wait(); code != exitGate {
		t.Fatalf("exit %d, want %d\n%s", code, exitGate, r.story())
	}
	t.Log(r.message())
	watch.wantAtMost(t, 1)
	wantSays(t, r, "migrations ran, and 10.3.1 does not know the schema they made", "does not stay up")
	if got := counted(r.outcomes()); got["failed"] != 1 || got["not reached"] != 2 {
		t.Errorf("outcomes %v", r.outcomes())
	}
	if got := c.sql(t, "select count(*) from migration_log"); got == schema {
		t.Fatal("no migration ran: that it is taken back proves nothing")
	}
	dump := r.advised(t)
	failed := r.turns()[0][0]

	c.dashboard(t, "late") // the others serve
	c.refused(t, exitUsage, []string{"apply", "--yes"}, "an upgrade to 10.4.0 was begun and broken off", "--to 10.4.0", "ghadeploy rollback")
	c.refused(t, exitCheck, []string{"rollback", "--yes"}, "migrations ran since", "--with-database")
	c.noRestore(t, dump, exitUsage, "the hosts do not have one version", "rollback", "--with-database")
	c.refused(t, exitFailed, []string{"rollback", "--yes", "--with-database", dump + "x"}, "no such dump", "nothing was touched")

	r = c.must(t, "rollback", "--yes", "--with-database", dump)
	c.wantVersions(t, labtest.V1031)
	if got := c.dashboards(t); got != "one" {
		t.Errorf("dashboards %q, want those of the dump: one", got)
	}
	if got := c.sql(t, "select count(*) from migration_log"); got != schema {
		t.Errorf("%s migrations in the database, want %s as before", got, schema)
	}
	for h, o := range r.outcomes() {
		if o != "done" {
			t.Errorf("%s is %q after the rollback (%s failed before)", h, o, failed)
		}
	}
	c.wantConverged(t)
}

// A dump made by hand is put back with all that was in it. A dump that is not there,
// or not what was written, stops nobody.
func TestLabADumpIsRestored(t *testing.T) {
	lab := labtest.Need(t)
	c := withDump(t, lab, map[string][]string{labtest.V1031: nil})
	c.must(t, "backup")
	dump := c.newestDump(t)
	c.dashboard(t, "two")

	watch := c.watchDown(t)
	c.noRestore(t, "nosuch.dump", exitUsage, "no host has the dump nosuch.dump")
	c.noRestore(t, "h1:/root/nosuch.dump", exitFailed, "no such dump")
	c.Sh(t, "h1", fmt.Sprintf("cp %[1]s /root/short.dump; cp %[1]s.sha256 /root/short.dump.sha256; truncate -s -1 /root/short.dump", dump))
	c.noRestore(t, "h1:/root/short.dump", exitFailed, "is not what was written")
	c.refused(t, exitUsage, []string{"rollback", "--limit", "h2", "--with-database", dump, "--yes"}, "for all hosts")
	watch.wantAtMost(t, 0)
	if got := c.dashboards(t); got != "one two" {
		t.Errorf("dashboards %q after restores that were refused", got)
	}

	c.must(t, "restore", "--dump", filepath.Base(dump), "--yes")
	if got := c.dashboards(t); got != "one" {
		t.Errorf("dashboards %q, want those of the dump: one", got)
	}
	c.wantConverged(t)
}

// lose writes a hook that deletes a dashboard after a host's turn, as a migration
// that goes wrong would.
func (c *labCluster) lose(t *testing.T, uid string) {
	t.Helper()
	query := fmt.Sprintf("PGPASSWORD=grafana psql -h 127.0.0.1 -U grafana -c \"delete from dashboard where uid = '%s'\" %s", uid, c.inv.Database)
	hook := c.hookFile(t, "lose", fmt.Sprintf("exec ssh -F %s svc %q </dev/null", c.SSHConfig, query))
	c.inv.Edit(t, func(doc map[string]any) { doc["hooks"] = map[string]any{"after_host": hook} })
}

// An upgrade that loses a dashboard ends with the host that lost it, before any other
// follows, does not count as done, and is taken back.
func TestLabAnUpgradeThatLosesContentEnds(t *testing.T) {
	lab := labtest.Need(t)
	c := withDump(t, lab, map[string][]string{labtest.V1031: nil, labtest.V1040: nil})
	c.lose(t, "one")
	before, err := os.ReadFile(c.inv.Path)
	if err != nil {
		t.Fatal(err)
	}
	watch := c.watchDown(t)
	r := c.begin(t, "upgrade", "--to", labtest.V1040, "--yes")
	if code := r.wait(); code != exitFailed {
		t.Fatalf("exit %d, want %d\n%s", code, exitFailed, r.story())
	}
	watch.wantAtMost(t, 1)
	wantSays(t, r, "the migration lost something: dashboards: 1, now 0", "only the first host runs the new version")
	if got := counted(r.outcomes()); got["done"] != 1 || got["not reached"] != 2 {
		t.Errorf("outcomes %v", r.outcomes())
	}
	if after, err := os.ReadFile(c.inv.Path); err != nil || string(after) != string(before) {
		t.Errorf("the inventory was written: %v\n%s", err, after)
	}
	c.inv.Edit(t, func(doc map[string]any) { delete(doc, "hooks") })
	c.must(t, "rollback", "--yes", "--with-database", r.advised(t))
	c.wantVersions(t, labtest.V1031)
	if got := c.dashboards(t); got != "one" {
		t.Errorf("dashboards %q, want one", got)
	}
	c.wantConverged(t)
}

// Once an upgrade was killed half-way, whatever comes next says which hosts have which
// version. Apply, and a version between, are refused; another one takes all there.
func TestLabAnUpgradeThatWasBrokenOffIsToldOf(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy", NoLive: true, Edit: with(map[string]any{"major": "one-first"}),
		Source: labSource(t, lab.Releases(t, map[string][]string{
			labtest.V1031: nil, labtest.V1032: nil,
			labtest.V1040: nil, labtest.V1160: nil,
		})),
	})
	r := c.begin(t, "upgrade", "--to", labtest.V1040, "--no-backup", "--yes")
	first := r.until("a turn that ended", func(e event.Event) bool { return e.Kind == event.TurnDone }).Host
	r.until("a second turn", func(e event.Event) bool { return e.Kind == event.TurnStarted && e.Host != first })
	_ = r.cmd.Process.Kill()
	<-r.done
	c.waitServing(t, labTimeout)
	c.waitUnlocked(t, labTimeout)

	c.refused(t, exitUsage, []string{"apply", "--yes"}, "an upgrade to 10.4.0 was begun and broken off", "upgrade "+c.inv.Path+" --to 10.4.0", "rollback")
	c.refused(t, exitUsage, []string{"upgrade", "--to", labtest.V1032, "--yes"}, "an upgrade to 10.4.0 was begun and broken off")
	c.refused(t, exitCheck, []string{"rollback", "--yes"}, "migrations ran since")
	found := "the hosts do not have one version"
	if p := labtest.Ghadeploy(t, "plan", c.inv.Path, "--to", labtest.V1040); !strings.Contains(p.Stdout, found) || !strings.Contains(p.Stdout, labtest.V1040+" on "+first) {
		t.Errorf("the plan does not say %q and that %s has %s:\n%s", found, first, labtest.V1040, p.Stdout)
	}
	r = c.must(t, "upgrade", "--to", labtest.V1160, "--no-backup", "--yes")
	if w := strings.Join(r.last.Result.Warnings, "; "); !strings.Contains(w, found) {
		t.Errorf("upgrade to another version does not say %q: %q", found, w)
	}
	c.wantVersions(t, labtest.V1160)
	c.wantConverged(t)
}
