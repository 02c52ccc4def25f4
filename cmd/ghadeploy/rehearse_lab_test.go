package main

import (
	"bytes"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// rehearsing is an edit of the inventory by which rehearsals have an administrator.
func (c *labCluster) rehearsing(t *testing.T) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(c.inv.Dir, "admin_db_password"), []byte("labadmin\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.inv.Edit(t, func(doc map[string]any) {
		doc["database"].(map[string]any)["create"] = map[string]any{"user": "labadmin", "password": "${file:admin_db_password}"}
	})
}

// rehearse runs a rehearsal and gives its document.
func (c *labCluster) rehearse(t *testing.T, code int, args ...string) (out *tasks.Rehearsal, errs string) {
	t.Helper()
	r := labtest.Ghadeploy(t, append([]string{"rehearse", c.inv.Path, "-o", "json"}, args...)...)
	if r.Code != code {
		t.Fatalf("rehearse %v: exit %d, want %d\n%s%s", args, r.Code, code, r.Stdout, r.Stderr)
	}
	var doc rehearseResult
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
		t.Fatalf("%v\n%s", err, r.Stdout)
	}
	b, _ := json.Marshal(doc.Errors)
	return doc.Rehearsal, string(b)
}

// leftOfRehearsals says what a rehearsal has left anywhere.
func (c *labCluster) leftOfRehearsals(t *testing.T, releases string) string {
	t.Helper()
	var left strings.Builder
	for _, h := range c.hosts {
		left.WriteString(c.Sh(t, h, `systemctl list-units --all --no-legend 'ghadeploy-aside*'; ls -d /opt/grafana/aside /var/lib/ghadeploy/backups/rehearsal 2>/dev/null
			pgrep -af /opt/grafana/aside; [ "$(ls /opt/grafana/releases | wc -l)" = `+releases+` ] || ls -a /opt/grafana/releases`))
	}
	list := `su postgres -c "psql -qAt -c \"select datname from pg_database where datname like '` + c.inv.Database + `_%'\""`
	if c.mysql() {
		list = `mariadb -N -e "show databases like '` + c.inv.Database + `\_%'; select db from mysql.db where db like '` + c.inv.Database + `%ghadeploy%'"`
	}
	left.WriteString(c.Sh(t, "svc", "cd /; "+list))
	return strings.TrimSpace(left.String())
}

func (c *labCluster) mysql() bool {
	b, err := os.ReadFile(c.inv.Path)
	return err == nil && bytes.Contains(b, []byte("type: mysql"))
}

func (c *labCluster) wantNothingLeft(t *testing.T) {
	t.Helper()
	if left := c.leftOfRehearsals(t, "1"); left != "" {
		t.Errorf("a rehearsal has left:\n%s", left)
	}
}

// killRehearsal begins one and kills it as soon as a command on svc or a host says yes. One
// that is over before anybody has looked is begun again, a few times.
func (c *labCluster) killRehearsal(t *testing.T, to, when string) (killed bool) {
	t.Helper()
	for range 5 {
		killed = c.killOne(t, to, when)
		c.waitUnlocked(t, labTimeout)
		if killed {
			return true
		}
	}
	t.Logf("five rehearsals were over before %s was seen", when)
	return false
}

func (c *labCluster) killOne(t *testing.T, to, when string) (killed bool) {
	t.Helper()
	cmd := exec.Command(labtest.Tool(t), "rehearse", c.inv.Path, "--to", to)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	hosts, look := c.hosts, when
	if onServer, is := strings.CutPrefix(when, "svc: "); is {
		hosts, look = []string{"svc"}, onServer
	}
	seen := make(chan bool, 1)
	labtest.Wait(t, labTimeout, when, func() (bool, string) {
		select {
		case err := <-ended:
			ended <- err
			seen <- false
			return true, ""
		default:
		}
		for _, h := range hosts {
			if _, err := c.Run(t.Context(), h, look); err == nil {
				seen <- true
				return true, ""
			}
		}
		return false, "nowhere yet"
	})
	_ = cmd.Process.Kill()
	<-ended
	return <-seen
}

// A rehearsal finds the migration that fails, by the server's own words, while the cluster
// serves; what a killed one has left goes with the next; an upgrade rehearses by itself
// and ends before any host is touched.
func TestLabARehearsalFindsAMigrationThatFails(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{
		Balancer: "haproxy", NoLive: true, Edit: with(nil),
		Source: labSource(t, lab.StandIns(t, map[string][]string{labtest.V1031: nil, labtest.V1160: {labtest.FailMigration}})),
	})
	c.rehearsing(t)
	l := c.load(t, c.login(t), "/api/user", 10*time.Millisecond)
	begun := time.Now()

	if !c.killRehearsal(t, labtest.V1160, "systemctl is-active -q ghadeploy-aside-grafana-server") {
		t.Error("no rehearsal was killed")
	}
	if c.leftOfRehearsals(t, "1") == "" {
		t.Error("the killed rehearsal has left nothing: the test shows nothing")
	}
	out, errs := c.rehearse(t, exitCheck, "--to", labtest.V1160)
	for _, want := range []string{"help_flags1", "nothing was touched", "11.6.0 on a copy of the database failed"} {
		if !strings.Contains(errs, want) {
			t.Errorf("the error does not say %q: %s", want, errs)
		}
	}
	if out.OK || !strings.Contains(out.Migration, "drop column user.help_flags1") || out.Migrations < 10 || out.Before["users"] != 1 {
		t.Errorf("found %+v", out)
	}
	c.wantNothingLeft(t)

	r := c.begin(t, "upgrade", "--to", labtest.V1160, "--yes")
	if code := r.wait(); code != exitCheck {
		t.Fatalf("exit %d, want %d\n%s", code, exitCheck, r.story())
	}
	wantSays(t, r, "11.6.0 on a copy of the database failed", "help_flags1")
	if last := r.last.Result.Plan.Rehearsed; last == nil || last.OK || !strings.Contains(last.Found, "help_flags1") {
		t.Errorf("the plan does not know of the last rehearsal: %+v", last)
	}
	if turns := r.turns(); len(turns) > 0 {
		t.Errorf("%v had their turns", turns)
	}
	if _, dumped := r.see(step(event.StepStarted, "backup")); dumped {
		t.Error("the database was dumped for an upgrade that does not come")
	}
	if left := c.leftOfRehearsals(t, "2"); left != "" { // the staged release stays for the next try
		t.Errorf("the upgrade's rehearsal has left:\n%s", left)
	}
	n, failed, p99, gap := sums(l.end(), begun, time.Now())
	t.Logf("%d requests, %d failed, p99 %s, longest gap %s", n, len(failed), p99.Round(time.Millisecond), gap.Round(time.Millisecond))
	if len(failed) > 0 || n < 100 {
		t.Errorf("%d of %d requests failed: %v", len(failed), n, failed)
	}
	c.wantVersions(t, labtest.V1031)
}

// Wherever a rehearsal is killed, the next one works and leaves nothing; on MariaDB too,
// and with a database that the operator gave.
func TestLabAKilledRehearsalIsCleanedUpByTheNext(t *testing.T) {
	labtest.Slow(t)
	lab := labtest.Need(t)
	for _, kind := range []string{"postgres", "mysql"} {
		t.Run(kind, func(t *testing.T) {
			c := labDeployed(t, labtest.Options{
				NoLive: true, Edit: with(nil), Database: kind,
				Source: labSource(t, lab.StandIns(t, map[string][]string{labtest.V1031: nil, labtest.V1160: nil})),
			})
			c.rehearsing(t)
			there := `svc: cd /; su postgres -c "psql -qAt -c \"select 1 from pg_database where datname = '` + c.inv.Database + `_ghadeploy_rehearsal'\"" | grep -q 1`
			if kind == "mysql" {
				there = `svc: mariadb -N -e "show databases" | grep -q ` + c.inv.Database + `_ghadeploy_rehearsal`
			}
			kills := 0
			for _, when := range []string{there, "[ -e /opt/grafana/aside/brought ]", "ls -d /opt/grafana/releases/.new-*", "[ -e /opt/grafana/aside/manifest.json ]",
				"systemctl is-active -q ghadeploy-aside-grafana-server", "grep -q 'Executing migration' /opt/grafana/aside/log"} {
				if c.killRehearsal(t, labtest.V1160, when) {
					kills++
				}
			}
			if kills < 4 { // an upload may be too short to be seen
				t.Errorf("%d rehearsals were killed", kills)
			}
			out, _ := c.rehearse(t, exitDone, "--to", labtest.V1160)
			if !out.OK || out.Migrations == 0 || out.After["users"] != 1 || len(out.Outages) == 0 {
				t.Errorf("found %+v", out)
			}
			c.wantNothingLeft(t)
			c.wantConverged(t)
		})
	}
}
