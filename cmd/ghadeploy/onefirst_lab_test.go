package main

import (
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// major makes every upgrade one that all but one host are stopped for.
var major = []string{"upgrade", "--to", labtest.V1160, "--yes", "--no-backup"}

// refuseMajor makes the new version fail before it looks at the database.
const refuseMajor = `mkdir -p /run/systemd/system/grafana-server.service.d
cat >/run/systemd/system/grafana-server.service.d/refuse.conf <<'EOF'
[Service]
ExecStartPre=/bin/sh -c 'readlink -f /opt/grafana/current/release | grep -qv 11.6.0'
EOF
systemctl daemon-reload`

const allowMajor = `rm -rf /run/systemd/system/grafana-server.service.d; systemctl daemon-reload`

// wantBack wants all hosts to serve the old version again, with nothing left to do.
func (c *labCluster) wantBack(t *testing.T, r *toolRun) {
	t.Helper()
	t.Logf("%v: %s", r.outcomes(), r.message())
	c.waitServing(t, labTimeout)
	c.wantVersions(t, labtest.V1031)
	c.waitUnlocked(t, labTimeout)
	c.wantConverged(t)
}

// Where all hosts but the first are stopped for its migration, they are brought back
// when that comes to nothing; they stay stopped only when the schema may be newer than
// what they know, and the run says so.
func TestLabOthersThatWereStoppedAreBroughtBack(t *testing.T) {
	lab := labtest.Need(t)
	to := func(flags ...string) string {
		return labSource(t, lab.StandIns(t, map[string][]string{labtest.V1031: nil, labtest.V1160: flags}))
	}
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Source: to(), Edit: func(doc map[string]any) {
		with(map[string]any{"gate_timeout": "15s", "canary": true, "major": "one-first"})(doc)
		doc["database"].(map[string]any)["backup"] = map[string]any{"on": "h1"}
	}})

	t.Run("a start that fails before the migration", func(t *testing.T) {
		c.everywhere(t, refuseMajor)
		defer c.everywhere(t, allowMajor)
		r := c.begin(t, major...)
		if code := r.wait(); code != exitGate {
			t.Fatalf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		if p := r.last.Result.Plan.Policy; p.Kind != tasks.PolicyOneFirst || p.Canary {
			t.Errorf("policy %+v, want %s without a pause while hosts are stopped", p, tasks.PolicyOneFirst)
		}
		if got := counted(r.outcomes()); got["rolled back"] != 1 || got["unchanged"] != 2 {
			t.Errorf("outcomes %v", r.outcomes())
		}
		c.wantBack(t, r)
	})
	t.Run("a hook that fails before the first", func(t *testing.T) {
		labtest.Slow(t)
		c.inv.Edit(t, func(doc map[string]any) { doc["hooks"] = map[string]any{"before_host": "false"} })
		defer c.inv.Edit(t, func(doc map[string]any) { delete(doc, "hooks") })
		r := c.begin(t, major...)
		if code := r.wait(); code != exitFailed {
			t.Fatalf("exit %d, want %d\n%s", code, exitFailed, r.story())
		}
		c.wantBack(t, r)
	})
	t.Run("Ctrl-C while the others stop", func(t *testing.T) {
		r := c.begin(t, major...)
		r.until("a host that is being stopped", step(event.StepStarted, "stop"))
		if err := r.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Fatal(err)
		}
		if code := r.wait(); code != exitInterrupted {
			t.Fatalf("exit %d, want %d\n%s", code, exitInterrupted, r.story())
		}
		c.wantBack(t, r)
	})
	t.Run("--limit", func(t *testing.T) {
		c.refused(t, exitUsage, append(slices.Clone(major), "--limit", "h1"), "would stay on 10.3.1 by --limit", "leave --limit out")
	})
	t.Run("a start that fails after the migration", func(t *testing.T) {
		labtest.Slow(t)
		c.dumpTools(t, "h1")
		c.source(t, to(labtest.FailStart))
		r := c.begin(t, "upgrade", "--to", labtest.V1160, "--yes")
		if code := r.wait(); code != exitGate {
			t.Fatalf("exit %d, want %d\n%s", code, exitGate, r.story())
		}
		wantSays(t, r, "migrations ran", "stay stopped")
		if got := counted(r.outcomes()); got["failed"] != 1 || got["stopped"] != 2 {
			t.Errorf("outcomes %v", r.outcomes())
		}
		r2 := c.must(t, "rollback", "--yes", "--with-database", r.advised(t))
		c.wantBack(t, r2)
	})
}

// killedAfterTheFirst is a cluster whose upgrade died when the first host had its
// turn, with all others stopped for it.
func killedAfterTheFirst(t *testing.T) (c *labCluster, first string) {
	lab := labtest.Need(t)
	c = labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: with(map[string]any{"major": "one-first"}),
		Source: labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1160: nil}))})
	r := c.begin(t, major...)
	// The others' turns begin with it; what they were sent would end by itself.
	done := r.until("the first host's gates", step(event.StepDone, "gate:stability"))
	_ = r.cmd.Process.Signal(syscall.SIGKILL)
	<-r.done
	return c, done.Host
}

// A run that dies when the first host has migrated leaves one host serving. The next
// says so, starts the others on the new version and does not touch the first.
func TestLabAKilledOneFirstUpgradeIsFinished(t *testing.T) {
	c, first := killedAfterTheFirst(t)
	c.waitUnlocked(t, labTimeout)
	if err := c.healthy(t.Context(), first); err != nil {
		t.Errorf("nobody serves: %s: %v", first, err)
	}
	pid := c.Sh(t, first, "systemctl show -p MainPID grafana-server")
	c.refused(t, exitUsage, []string{"apply", "--yes"}, "an upgrade to 11.6.0 was begun and broken off", "--to 11.6.0")
	r := c.must(t, major...)
	t.Log(r.turns(), r.last.Result.Warnings)
	if now := c.Sh(t, first, "systemctl show -p MainPID grafana-server"); now != pid {
		t.Errorf("%s was restarted: %s, then %s", first, pid, now)
	}
	c.waitServing(t, labTimeout)
	c.wantVersions(t, labtest.V1160)
	c.wantConverged(t)
}

// hookFile writes an executable hook.
func (c *labCluster) hookFile(t *testing.T, name, script string) string {
	t.Helper()
	path := filepath.Join(c.inv.Dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return path
}
