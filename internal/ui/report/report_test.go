package report

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// keep writes the pages to a folder, to be looked at in a browser.
var keep = flag.String("keep", "", "folder to write the pages to")

// rollout is a run over hosts, the last turn of which fails.
func rollout(hosts int) Run {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	at := start
	var events []event.Event
	add := func(after time.Duration, e event.Event) {
		at = at.Add(after)
		e.Time = at
		events = append(events, e)
	}
	plan := &tasks.Plan{Cluster: "prod"}
	result := &tasks.Result{Run: "20261124-120000-9f3a", Changed: true, Plan: plan, Hosts: map[string]tasks.HostOutcome{}, Warnings: []string{"h1: the clock is 4 s off"}}
	add(0, event.Event{Kind: event.RunStarted, Message: "prod: apply"})
	for i := range hosts {
		add(0, event.Event{Kind: event.StepStarted, Host: host(i), Step: "upload"})
	}
	for i := range hosts {
		add(4*time.Second/time.Duration(hosts), event.Event{Kind: event.StepDone, Host: host(i), Step: "upload", Message: "66 MB"})
	}
	for i := range hosts {
		last := i == hosts-1
		add(0, event.Event{Kind: event.TurnStarted, Host: host(i)})
		for _, s := range []string{"drain", "stop", "start", "gate:health", "gate:members", "settle"} {
			add(0, event.Event{Kind: event.StepStarted, Host: host(i), Step: s})
			if last && s == "gate:members" {
				add(20*time.Second, event.Event{Kind: event.StepFailed, Host: host(i), Step: s, Error: "2 of 3 members", Detail: "Nov 24 12:01:00 level=error msg=\"<b>failed to join</b>\""})
				break
			}
			add(2*time.Second, event.Event{Kind: event.StepDone, Host: host(i), Step: s, Message: "ok twice", Seconds: 2})
		}
		plan.Hosts = append(plan.Hosts, tasks.HostPlan{Host: host(i), Actions: []tasks.Action{{Kind: tasks.ActionGeneration, Diffs: []tasks.FileDiff{
			{Path: "etc/grafana.ini", Change: "change", Unified: "--- a\n+++ b\n@@ -1,3 +1,3 @@\n [server]\n-http_port = 3000\n+http_port = 3001 # a line that is long enough to need scrolling on a telephone, because it goes on and on\n"},
			{Path: "etc/secrets/database.password", Change: "change", Note: "secret changed: 1f2e3d -> 9a8b7c"},
		}}}})
		result.Hosts[host(i)] = tasks.HostOutcome{Outcome: "done", Runs: "Grafana 10.3.1, generation 9c01aa12"}
	}
	result.Hosts[host(hosts-1)] = tasks.HostOutcome{Outcome: "rolled back", Runs: "Grafana 10.3.0, generation 3f2a91c0", Detail: "gate members did not open"}
	add(time.Second, event.Event{Kind: event.Attention, Message: "gate members did not open"})
	return Run{
		Cluster: "prod", Command: "apply", Tool: "1.0.0", Events: events, Result: result,
		Failures: []ui.Failure{{Kind: "gate", Host: host(hosts - 1), Step: "gate:members", Message: "gate members did not open within 20 s: 2 of 3 members", State: "rolled back to 3f2a91c0 and healthy", Next: "ghadeploy status prod.yaml", Journal: "level=error msg=\"<script>alert(1)</script>\""}},
	}
}

func host(i int) string { return fmt.Sprintf("g%03d.example.com", i+1) }

func write(t *testing.T, name string, run Run) string {
	t.Helper()
	var b strings.Builder
	if err := Write(&b, run); err != nil {
		t.Fatal(err)
	}
	if *keep != "" {
		if err := os.WriteFile(filepath.Join(*keep, name), []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return b.String()
}

func TestPageTellsWhatNeedsAttentionFirst(t *testing.T) {
	page := write(t, "failed.html", rollout(3))
	attention, hosts, timeline := strings.Index(page, "Needs attention"), strings.Index(page, `id="hosts"`), strings.Index(page, `id="timeline"`)
	if attention < 0 || attention > hosts || hosts > timeline {
		t.Errorf("sections are out of order: attention %d, hosts %d, timeline %d", attention, hosts, timeline)
	}
	for _, want := range []string{"gate members did not open within 20 s", "ghadeploy status prod.yaml", "rolled back to 3f2a91c0", "secret changed: 1f2e3d", `class="failed"`, "<desc"} {
		if !strings.Contains(page, want) {
			t.Errorf("the page does not show %q", want)
		}
	}
}

func TestPageRunsNothingAndLoadsNothing(t *testing.T) {
	page := write(t, "quiet.html", rollout(3))
	for _, never := range []string{"<script", "<b>failed to join", "http://", "https://", "@import", "url("} {
		if strings.Contains(page, never) {
			t.Errorf("the page contains %q", never)
		}
	}
}

func TestPageOfAThousandHostsStaysSmall(t *testing.T) {
	run := rollout(1000)
	if n := len(write(t, "large.html", run)); n > 300_000 {
		t.Errorf("%d bytes, the limit is 300 kB", n)
	}
}

func TestStepWithoutAnEndLastsToTheEnd(t *testing.T) {
	start := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	c := newChart([]event.Event{
		{Time: start, Kind: event.RunStarted},
		{Time: start.Add(10 * time.Second), Kind: event.StepStarted, Host: "h2", Step: "stop"},
		{Time: start.Add(15 * time.Second), Kind: event.StepStarted, Host: "h1", Step: "start"},
	}, []string{"h1", "h2"}, start.Add(20*time.Second))
	if c == nil || len(c.Rows) != 2 || c.Rows[0].Host != "h1" || len(c.Rows[0].Bars) != 1 {
		t.Fatalf("chart is %+v, want h1 and h2 with a bar each", c)
	}
	if b := c.Rows[0].Bars[0]; b.X != 500 || b.W != 500 || b.Class != "start" {
		t.Errorf("bar of h1 is %+v, want the second half", b)
	}
	if b := c.Rows[1].Bars[0]; b.X != 0 || b.W != 1000 {
		t.Errorf("bar of h2 is %+v, want the whole", b)
	}
}
