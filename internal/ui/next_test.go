package ui

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// Hosts with the same fault share one command, others keep their own.
func TestFailuresOfOneKindShareOneNextStep(t *testing.T) {
	const again = " (asks for ops's password once)"
	for name, tt := range map[string]struct{ have, want []string }{
		"unknown keys":     {[]string{"ghadeploy trust p.yaml --limit g1", "ghadeploy trust p.yaml --limit g2"}, []string{"", "ghadeploy trust p.yaml"}},
		"one unknown key":  {[]string{"ghadeploy trust p.yaml --limit g1", "x"}, []string{"ghadeploy trust p.yaml --limit g1", "x"}},
		"keys not there":   {[]string{"ssh-copy-id ops@g1" + again, "ssh-copy-id ops@g2" + again}, []string{"", "for h in g1 g2; do ssh-copy-id ops@$h; done" + again}},
		"different logins": {[]string{"ssh-copy-id ops@g1" + again, "ssh-copy-id me@g2" + again}, []string{"ssh-copy-id ops@g1" + again, "ssh-copy-id me@g2" + again}},
	} {
		var all []Failure
		for _, next := range tt.have {
			all = append(all, Failure{Next: next})
		}
		for i, f := range oneNext(all, "p.yaml") {
			if f.Next != tt.want[i] {
				t.Errorf("%s: next of %d: %q, want %q", name, i, f.Next, tt.want[i])
			}
		}
	}
}

// What follows a check is the first thing to mend, and that there is no plan comes last.
func TestAfterACheckThereIsOneNextStep(t *testing.T) {
	plan := check.Finding{Check: "plan", Severity: check.Fail, Fix: "look"}
	database := check.Finding{Check: "database", Severity: check.Fail, Fix: "set it in INVENTORY"}
	for want, all := range map[string][]check.Finding{
		"ghadeploy plan p.yaml -K":                          {{Severity: check.Warning, Fix: "x"}},
		"set it in p.yaml; then: ghadeploy check p.yaml -K": {plan, database},
		"look; then: ghadeploy check p.yaml -K":             {plan},
	} {
		if got := AfterCheck(all, "p.yaml", " -K"); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
