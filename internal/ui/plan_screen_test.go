package ui

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// screenPlan is a plan of three hosts as one makes it for real.
func screenPlan(command string, kind tasks.PolicyKind, change string, lines int) *tasks.Plan {
	p := examplePlan(3)
	p.Command, p.Policy.Kind = command, kind
	p.Policy.Final = []string{"members", "live"}
	p.Policy.Reason = "nothing runs yet: one host alone until the database is migrated, then the others one by one"
	p.Policy.Settle = "until the host logs that gossip has settled, at most 30s; longer while an alert that resolved is not told yet"
	p.Warnings = append(p.Warnings, "an upgrade that has to dump the database would be refused: back up the database: neither h1, h2, h3 nor this machine has pg_dump; next: install it there")
	for i := range p.Hosts {
		unit := "--- /dev/null\n+++ b\n@@ -0,0 +1,50 @@\n" + strings.Repeat("+unit line\n", 50)
		ini := "--- a\n+++ b\n@@ -1,4 +1,4 @@\n" + strings.Repeat("+key = value\n", lines) + fmt.Sprintf("+instance_name = h%d\n", i)
		p.Hosts[i].Actions[0].Diffs = []tasks.FileDiff{{Path: "etc/grafana.ini", Change: change, Unified: ini}}
		if change == "add" {
			p.Hosts[i].Actions[0].Diffs = append(p.Hosts[i].Actions[0].Diffs, tasks.FileDiff{Path: "unit", Change: "add", Unified: unit})
		}
	}
	if kind == tasks.PolicyOneFirst {
		p.Policy.Outage = "nobody is served from the stop of the hosts until h1 has migrated the database and started; then it serves alone until the others have started"
		p.Policy.Backup = true
		p.Before = []tasks.Action{{Kind: tasks.ActionBackup, Host: "g001", Summary: "dump database grafana", Reason: "10.3.1 → 11.0.0"}}
	}
	return p
}

// At 80x24 the summary and the question are on one screen, and the unit is folded.
func TestTheSummaryAndTheQuestionAreOnOneScreen(t *testing.T) {
	for name, p := range map[string]*tasks.Plan{
		"first deploy": screenPlan("apply", tasks.PolicyFirst, "add", 60),
		"change":       screenPlan("apply", tasks.PolicyRolling, "change", 4),
		"upgrade":      screenPlan("upgrade", tasks.PolicyOneFirst, "change", 4),
	} {
		var b strings.Builder
		if err := (PlanText{Width: 80}).Write(&b, p); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimRight(b.String(), "\n"), "\n")
		question := len(wrap(ConfirmQuestion(p)+" [y/N] ", 80))
		screen := lines[max(len(lines)-(24-question), 0):]
		for _, want := range []string{"  Rollout", "    batches", "restarts", "host"} {
			if !slices.ContainsFunc(screen, func(l string) bool { return strings.HasPrefix(l, want) || strings.Contains(l, want) }) {
				t.Errorf("%s: %q has left the screen:\n%s", name, want, strings.Join(screen, "\n"))
			}
		}
		if strings.Contains(b.String(), "+unit line") {
			t.Errorf("%s: the unit is not folded", name)
		}
		var full strings.Builder
		if err := (PlanText{Width: 80, Verbose: true}).Write(&full, p); err != nil {
			t.Fatal(err)
		}
		if name == "first deploy" && !strings.Contains(full.String(), "+unit line") {
			t.Error("--diff full does not show the unit")
		}
	}
}

// A new host beside two that get another peer: what changes on the two stands there once,
// what the third gets stands at it alone, and a setting of one host at no other.
func TestASettingOfOneHostIsShownForItAlone(t *testing.T) {
	p := examplePlan(3)
	peers := func(own string) []tasks.FileDiff {
		return []tasks.FileDiff{{Path: "etc/grafana.ini", Change: "change", Unified: "--- a\n+++ b\n@@ -1,2 +1,2 @@\n instance_name = " + own + "\n-ha_peers = a,b\n+ha_peers = a,b,c\n"}}
	}
	p.Hosts[0].Actions[0].Diffs, p.Hosts[1].Actions[0].Diffs = peers("g001"), peers("g002")
	p.Hosts[2].Actions[0].Diffs = []tasks.FileDiff{{Path: "etc/grafana.ini", Change: "add", Unified: "--- a\n+++ b\n@@ -0,0 +1,2 @@\n+[log]\n+level = debug\n"}}
	var b strings.Builder
	if err := (PlanText{Width: 80}).Write(&b, p); err != nil {
		t.Fatal(err)
	}
	text := b.String()
	if n := strings.Count(text, "+ha_peers = a,b,c"); n != 1 {
		t.Errorf("the change of two hosts is shown %d times", n)
	}
	if n := strings.Count(text, "+level = debug"); n != 1 || strings.Contains(text, "/ [log]") {
		t.Errorf("the setting of one host is shown %d times", n)
	}
	if !strings.Contains(text, "On each of g001, g002") {
		t.Errorf("the two are not shown together:\n%s", text)
	}
	// The same number of lines, and other keys: not the same change.
	p = examplePlan(2)
	p.Hosts[0].Actions[0].Diffs = []tasks.FileDiff{{Path: "etc/grafana.ini", Change: "change", Unified: "@@ -1 +1,2 @@\n a\n+[paths]\n"}}
	p.Hosts[1].Actions[0].Diffs = []tasks.FileDiff{{Path: "etc/grafana.ini", Change: "change", Unified: "@@ -1 +1,2 @@\n a\n+[log]\n"}}
	b.Reset()
	if err := (PlanText{Width: 80}).Write(&b, p); err != nil {
		t.Fatal(err)
	}
	if strings.Contains(b.String(), "by host") {
		t.Errorf("different settings are laid over each other:\n%s", b.String())
	}
}
