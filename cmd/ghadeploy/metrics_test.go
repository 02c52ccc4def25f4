package main

import (
	"bytes"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

func TestMetricsFileTellsHowTheRunEnded(t *testing.T) {
	dir := testDir(t)
	for _, c := range []struct {
		fail string
		code int
		want []string
	}{
		{"", exitDone, []string{`ghadeploy_run_success{cluster="prod",command="restart"} 1`, `ghadeploy_run_timestamp_seconds{cluster="prod",command="restart"} 1795521600`}},
		{"gate", exitGate, []string{`ghadeploy_run_success{cluster="prod",command="restart"} 0`}},
	} {
		code, _, errs := run(t, dir, "", failureNamed(c.fail), "restart", "prod.yaml", "--yes", "--metrics-file", "run.prom")
		if code != c.code {
			t.Fatalf("exit code %d, want %d: %s", code, c.code, errs)
		}
		text, err := os.ReadFile("run.prom")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
	}
	// The operator has to know that the graph is wrong, however well the run went.
	if code, _, errs := run(t, dir, "", nil, "restart", "prod.yaml", "--yes", "--metrics-file", "no/such/folder/run.prom"); code != exitFailed || !strings.Contains(errs, "write the metrics") {
		t.Errorf("exit code %d: %s", code, errs)
	}
}

func TestSkipHooksReachesTheRun(t *testing.T) {
	testDir(t)
	for _, command := range []string{"apply", "upgrade --to 10.4.0", "restart", "rollback"} {
		var got tasks.Options
		var errs bytes.Buffer
		a := &app{
			streams: ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: &errs, Size: func() (int, int) { return 100, 0 }},
			getenv:  func(string) string { return "" }, now: func() time.Time { return then },
			newRunner: func(c *inventory.Cluster, o tasks.Options) runner {
				got = o
				return &fakeRunner{cluster: c, options: o}
			},
		}
		name, rest, _ := strings.Cut(command, " ")
		args := append([]string{name, "prod.yaml", "--yes", "--skip-hooks"}, strings.Fields(rest)...)
		if code := a.main(t.Context(), args); code != exitDone || !got.SkipHooks {
			t.Errorf("%s: exit code %d, SkipHooks %v: %s", command, code, got.SkipHooks, errs.String())
		}
	}
}

func TestPlanMetricsTellWhatIsPending(t *testing.T) {
	dir := testDir(t)
	for _, c := range []struct {
		fail string
		want []string
		not  string
	}{
		{"", []string{`ghadeploy_plan_success{cluster="prod"} 1`, `ghadeploy_plan_timestamp_seconds{cluster="prod"} 1795521600`, `ghadeploy_plan_pending_hosts{cluster="prod"}`}, "expiry"},
		{"unreachable", []string{`ghadeploy_plan_success{cluster="prod"} 0`}, "pending"},
	} {
		run(t, dir, "", failureNamed(c.fail), "plan", "prod.yaml", "--metrics-file", "plan.prom")
		text, err := os.ReadFile("plan.prom")
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range c.want {
			if !strings.Contains(string(text), want) {
				t.Errorf("%q is not in\n%s", want, text)
			}
		}
		if strings.Contains(string(text), c.not) {
			t.Errorf("%q is in\n%s", c.not, text)
		}
	}
}

func TestMonitoringReadsNoSecretAndNoHost(t *testing.T) {
	dir := testDir(t)
	code, out, errs := run(t, dir, "", failureNamed("unreachable"), "monitoring", "rules", "prod.yaml", "--job", "scrape")
	if code != exitDone || !strings.Contains(out, `up{job="scrape", cluster="prod"}`) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
	code, out, errs = run(t, dir, "", failureNamed("unreachable"), "monitoring", "dashboard", "prod.yaml")
	if code != exitDone || !strings.Contains(out, `"uid": "ghadeploy-prod"`) {
		t.Errorf("exit code %d: %s%s", code, out, errs)
	}
}
