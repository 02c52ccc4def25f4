package ui

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// look is one way of looking at a rendering.
type look struct {
	name  string
	style Style
	width int
}

func looks() []look {
	return []look{{"80", Style{}, 80}, {"120", Style{}, 120}, {"80-color", Style{Color: true}, 80}, {"120-color", Style{Color: true}, 120}}
}

// golden compares a rendering at every width, coloured and not, with
// testdata/NAME.LOOK.txt.
func golden(t *testing.T, name string, render func(l look, b *strings.Builder) error) {
	t.Helper()
	for _, l := range looks() {
		t.Run(name+"/"+l.name, func(t *testing.T) {
			var b strings.Builder
			if err := render(l, &b); err != nil {
				t.Fatal(err)
			}
			text := shown(b.String())
			b.Reset()
			b.WriteString(text)
			file := filepath.Join("testdata", name+"."+l.name+".txt")
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func examplePlan(hosts int) *tasks.Plan {
	p := &tasks.Plan{
		Schema: 1, Cluster: "prod", Command: "apply", Hash: "9f3a", Estimate: 95,
		Policy: tasks.Policy{
			Kind: tasks.PolicyRolling, Reason: "the version stays", MaxUnavailable: 1, OnFailure: "rollback", Settle: "35s: gossip settles, then alerting agrees",
			Gates: []string{"service", "health", "members", "live"},
		},
		Warnings: []string{"live.redis is not set: Live messages stay on the host where they are published"},
	}
	for i := range hosts {
		name := fmt.Sprintf("g%03d", i+1)
		from, to := fmt.Sprintf("3f2a91c0%04x", i), fmt.Sprintf("9c01aa12%04x", i)
		p.Policy.Batches = append(p.Policy.Batches, []string{name})
		p.Hosts = append(p.Hosts, tasks.HostPlan{
			Host: name, Restart: true, Reasons: []string{"grafana.ini changed"},
			From: tasks.Deployed{Version: "10.3.1", Generation: from}, To: tasks.Deployed{Version: "10.3.1", Generation: to},
			Actions: []tasks.Action{
				{Kind: tasks.ActionGeneration, Host: name, Summary: "write generation " + to, Reason: "grafana.ini changed", Diffs: []tasks.FileDiff{
					{Path: "etc/grafana.ini", Change: "change", Unified: "--- a\n+++ b\n@@ -1,4 +1,4 @@\n instance_name = " + name + "\n [smtp]\n-enabled = false\n+enabled = true\n ;tail\n"},
					{Path: "etc/secrets/smtp.password", Change: "add", Note: "secret fd6c06"},
				}},
				{Kind: tasks.ActionTurn, Host: name, Summary: "restart Grafana", Reason: "grafana.ini changed", Disrupts: true,
					Steps: []tasks.Step{{Kind: "drain", Detail: "10s"}, {Kind: "stop"}, {Kind: "flip", Detail: from + " -> " + to}, {Kind: "start"}, {Kind: "gate:health"}, {Kind: "gate:members"}, {Kind: "undrain"}}},
				{Kind: tasks.ActionPrune, Host: name, Summary: "delete 1 old generation", Reason: "keep_releases 3", Paths: []string{"/opt/grafana/generations/0a1b"}},
			},
		})
	}
	return p
}

func TestPlan(t *testing.T) {
	golden(t, "plan", func(l look, b *strings.Builder) error {
		p := examplePlan(4)
		p.Hosts[1].Actions[1].Reason = "runs another generation than the link names"
		p.Hosts = append(p.Hosts, tasks.HostPlan{Host: "g005"}, tasks.HostPlan{Host: "g006", Skipped: true, Stale: true})
		return PlanText{Style: l.style, Width: l.width}.Write(b, p)
	})
	golden(t, "plan-outage", func(l look, b *strings.Builder) error {
		p := examplePlan(3)
		p.Command, p.Policy.Kind, p.Policy.Reason, p.Policy.Migrates, p.Policy.Backup = "upgrade", tasks.PolicyOneFirst, "9.4 changes the alerting schema one way", true, true
		p.Before = []tasks.Action{{Kind: tasks.ActionBackup, Host: "g001", Summary: "dump database grafana", Reason: "10.3.1 → 11.0.0 migrates it"}}
		p.Hosts[2].Actions = append(p.Hosts[2].Actions, tasks.Action{Kind: tasks.ActionRemove, Summary: "remove Grafana", Paths: []string{"/opt/grafana"}, Disrupts: true})
		return PlanText{Style: l.style, Width: l.width}.Write(b, p)
	})
	golden(t, "plan-empty", func(l look, b *strings.Builder) error {
		p := &tasks.Plan{Cluster: "prod"}
		for i := range 3 {
			d := tasks.Deployed{Version: "10.3.1", Generation: "3f2a91c0b7d2"}
			p.Hosts = append(p.Hosts, tasks.HostPlan{Host: fmt.Sprintf("h%d", i+1), From: d, To: d})
		}
		return PlanText{Style: l.style, Width: l.width}.Write(b, p)
	})
}

func ptr[T any](v T) *T { return &v }

var noon = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

func TestStatus(t *testing.T) {
	st := &tasks.Status{Cluster: "prod", Verdict: "degraded: 1 of 6 serve, g2 and g6 down, g3 drained, g4 unreachable, g5 in rollout", Level: "degraded", Serving: 1,
		AtWork: "ops@laptop (pid 4711) runs upgrade since 11:59:20", Hosts: []tasks.HostStatus{
			{Host: "g1", Reachable: true, Healthy: true, State: "healthy", Serves: true, Version: "10.3.1", Generation: "3f2a91c0b7d2", Current: "3f2a91c0b7d2", Service: "running", Since: noon.Add(-26 * time.Hour),
				Database: "ok", DatabaseLatency: ptr(0.0023), Position: ptr(0), Members: ptr(3), LiveNodes: ptr(3), Balancer: "up", DiskFree: 65e9},
			{Host: "g2", Reachable: true, State: "down", Version: "10.3.1", Generation: "3f2a91c0b7d2", Current: "9c01aa12b7d2", Service: "running", Since: noon.Add(-90 * time.Second),
				Database: "failing", Balancer: "down", DiskFree: 1200e6, Problems: []string{"the database does not answer"}, Drift: []string{"etc/grafana.ini"}},
			{Host: "g3", Reachable: true, State: "drained", Service: "running", Version: "10.3.1", Drained: "ops@laptop", Balancer: "drain", Problems: []string{"drained by hand: ops@laptop at 11:58; next: ghadeploy undrain prod.yaml g3"}},
			{Host: "g4", State: "unreachable", Error: "dial tcp 10.0.0.14:22: i/o timeout", Problems: []string{"unreachable"}},
			{Host: "g5", Reachable: true, State: "in rollout", Service: "stopped", Problems: []string{"in rollout: ops@laptop (pid 4711) runs upgrade since 11:59:20"}},
			{Host: "g6", Reachable: true, State: "down", Service: "failed", Balancer: "down", Problems: []string{"Grafana is failed"}},
		}}
	golden(t, "status", func(l look, b *strings.Builder) error { return WriteStatus(b, l.style, l.width, st, noon) })
}

func TestErrors(t *testing.T) {
	err := errors.Join(
		&tasks.GateError{Host: "g2", Gate: "members", Saw: "2 of 3 members", After: 2 * time.Minute, State: "rolled back to 3f2a91c0, healthy", Next: "ghadeploy status INVENTORY", Journal: "level=error msg=\"failed to join\" \x1b[31mred"},
		&remote.UnreachableError{Host: "g3", Cause: errors.New("i/o timeout"), Hint: "ssh g3"},
		&lock.HeldError{Host: "g1", Holder: lock.Holder{User: "ops", From: "laptop", PID: 4711, Since: noon, Command: "apply"}},
		&fleet.HostError{Host: "g4", Step: "unpack the release", Cause: errors.New("no space left on device"), State: "nothing was changed", Next: "free 400 MB below /opt/grafana"},
		fmt.Errorf("read the inventory: gone; next: ghadeploy init"),
	)
	golden(t, "errors", func(l look, b *strings.Builder) error {
		WriteError(b, l.style, l.width, err, "prod.yaml")
		return nil
	})
	mistakes := inventory.Diagnostics{{Pos: inventory.Position{File: "prod.yaml", Line: 4, Column: 5}, Message: `unknown key "prot"`, Hint: `did you mean "port"?`, Source: "    prot: 22"}}
	golden(t, "diagnostics", func(l look, b *strings.Builder) error {
		WriteError(b, l.style, l.width, fmt.Errorf("load: %w", mistakes), "prod.yaml")
		return nil
	})
}

func TestFindings(t *testing.T) {
	all := []check.Finding{
		{Check: "ssh", Severity: check.OK, Host: "g1", What: "logged in"},
		{Check: "database", Severity: check.Fail, Host: "g1", What: "password authentication failed", Why: "Grafana does not start without its database", Fix: "put the right password into database.password"},
		{Check: "database", Severity: check.Fail, Host: "g2", What: "password authentication failed", Why: "Grafana does not start without its database", Fix: "put the right password into database.password"},
		{Check: "clock", Severity: check.Warning, Host: "g3", What: "4 s off", Why: "sessions and Redis heartbeats are stamped by the hosts", Fix: "start chrony"},
		{Check: "redis", Severity: check.Skipped, What: "no Redis is used"},
	}
	golden(t, "findings", func(l look, b *strings.Builder) error { return WriteFindings(b, l.style, l.width, all, false) })
}

func TestHistory(t *testing.T) {
	run := journal.Run{ID: "20261124-115800-9f3a", Cluster: "prod", Command: "apply", User: "ops", From: "laptop", Start: noon, End: noon.Add(95 * time.Second), Outcome: "failed",
		Hosts: map[string]string{"g1": "done", "g2": "rolled back"}, PlanHash: "9f3a", Entries: []journal.Entry{{Time: noon, Host: "g1", Step: "gate:health", Result: "done", Seconds: 1.5, Message: "ok twice"}}}
	golden(t, "history", func(l look, b *strings.Builder) error {
		return WriteHistory(b, l.style, l.width, []journal.Run{run, {ID: "20261123-101500-1c2d", Command: "restart", User: "ci", Start: noon.Add(-26 * time.Hour), Outcome: "unfinished"}})
	})
	golden(t, "history-run", func(l look, b *strings.Builder) error { return WriteRun(b, l.style, l.width, run) })
}

func TestProof(t *testing.T) {
	r := &verify.Report{Cluster: "prod", Seconds: 12.5, Steps: []verify.Step{
		{Name: "session", From: "g1", To: "g2", OK: true, Seconds: 0.4, Explanation: "a session made on one host is valid on the other"},
		{Name: "session", From: "g2", To: "g1", Seconds: 0.2, Explanation: "a session made on g2 was sent to g1", Cause: "401: g1 has another secret_key", Fix: "ghadeploy apply prod.yaml"},
		{Name: "alert", Skipped: true, Explanation: "one alert, one notification", Cause: "not asked for"},
	}}
	golden(t, "proof", func(l look, b *strings.Builder) error { return WriteProof(b, l.style, l.width, r) })
}

func TestResult(t *testing.T) {
	r := &tasks.Result{Run: "9f3a", Changed: true, Seconds: 95, Plan: examplePlan(2), Warnings: []string{"g001: the clock is 4 s off"}, Hosts: map[string]tasks.HostOutcome{
		"g002": {Outcome: "rolled back", Runs: "Grafana 10.3.1, generation 3f2a91c0", Detail: "gate members did not open"},
		"g001": {Outcome: "done", Runs: "Grafana 10.3.1, generation 9c01aa12"},
	}}
	golden(t, "result-failed", func(l look, b *strings.Builder) error {
		return WriteResult(b, l.style, l.width, r, errors.New("gate members did not open"))
	})
}
