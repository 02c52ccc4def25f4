package main_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// The demo's case on versions that differ most: before 9 Live speaks an older
// protocol, from 12.4 on metrics have other names, Live other channels, and the
// database a second pool. A deploy makes one cluster, verify proves it, a restart
// leaves it whole.
func TestLabVersions(t *testing.T) {
	versions := []string{"8.5.15", "12.4.0"} // 10.3.1 is what most other tests deploy and verify
	if os.Getenv(labtest.AllEnv) != "" {
		versions = []string{"8.5.15", "8.5.15 legacy", "9.4.0", labtest.V1031, "11.6.2", "12.3.0", "12.4.0"}
	}
	lab := labtest.Need(t, "h1", "h2", "h3", "svc")
	lab.Lock(t)
	// HAProxy sends requests to whatever serves, also another test's cluster on the rest.
	for _, h := range []string{"h4", "h5", "h6"} {
		if lab.Host(h) != "" {
			_, _ = lab.Run(t.Context(), h, "systemctl disable --now grafana-server")
		}
	}
	for _, version := range versions {
		version, alerting, _ := strings.Cut(version, " ")
		t.Run(version+alerting, func(t *testing.T) {
			lab.Wipe(t, "h1", "h2", "h3")
			inv := lab.Inventory(t, labtest.Options{Version: version, Alerting: alerting, Balancer: "haproxy", Edit: unsettled})
			apply(t, inv)
			if alerting == "" {
				whole(t, inv, "the deploy", 3)
			}
			proved(t, inv)
			must(t, "restart", inv.Path, "--yes")
			if alerting == "" { // legacy alerting has no members
				whole(t, inv, "the restart", 3)
			}
			must(t, "plan", inv.Path, "--detailed-exitcode")
		})
	}
}

// proved runs verify and wants no failure; what a version cannot prove is skipped
// with a reason.
func proved(t *testing.T, inv *labtest.Inventory) {
	t.Helper()
	ran := must(t, "verify", inv.Path, "-o", "json")
	var r verify.Report
	if err := json.Unmarshal([]byte(ran.Stdout), &r); err != nil || !r.OK {
		t.Fatalf("verify: %v\n%s", err, ran.Stdout)
	}
	crossed := false
	for _, s := range r.Steps {
		crossed = crossed || s.OK && s.From != "" && s.To != ""
		if s.Skipped && strings.TrimSpace(s.Cause) == "" {
			t.Errorf("%s is not proved, and verify does not say why", s.Name)
		}
	}
	if !crossed {
		t.Error("nothing was proved between two hosts")
	}
}
