package main

import (
	"os"
	"strings"
	"testing"
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
