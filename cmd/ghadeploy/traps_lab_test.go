package main_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/check"
)

// A sshd that does not forward costs nothing but a warning: health, metrics,
// database and Redis are read through commands.
func TestLabForwardingOff(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2", "svc")
	lab.Lock(t, "h1", "h2")
	lab.Wipe(t, "h1", "h2")
	t.Cleanup(func() { lab.Wipe(t, "h1", "h2") }) // other tests want a sshd that forwards
	for _, h := range []string{"h1", "h2"} {
		lab.Sh(t, h, "echo AllowTcpForwarding no >/etc/ssh/sshd_config.d/lab-forwarding.conf && systemctl reload ssh")
	}
	inv := lab.Inventory(t, labtest.Options{Hosts: []string{"h1", "h2"}, User: "ops", Alerting: "redis", Edit: func(doc map[string]any) {
		unsettled(doc)
		// Behind the lab's balancer are also hosts of other tests.
		doc["grafana"].(map[string]any)["root_url"] = "http://" + lab.Host("h1") + ":3000/"
	}})
	findings := found(t, inv)
	for _, h := range []string{"h1", "h2"} {
		for _, w := range []finding{
			{"forwarding", nil, []string{"AllowTcpForwarding no", "sshd_config"}},
			{"database", nil, []string{"postgres 15"}},
			{"redis-live", nil, []string{"a message published came back"}},
		} {
			if !hasFinding(findings, w, h) {
				t.Errorf("%s of %s with %q was not found in %v", w.check, h, w.words, findings)
			}
		}
	}
	if failed := check.Failed(findings); len(failed) > 0 {
		t.Errorf("failed: %v", failed)
	}
	apply(t, inv)
	whole(t, inv, "the deploy", 2)
	must(t, "verify", inv.Path)
}

// What a package left is found, spoken of, and never overwritten.
func TestLabPackagedGrafana(t *testing.T) {
	lab := labtest.Need(t, "h1", "svc")
	lab.Lock(t, "h1")
	lab.Wipe(t, "h1")
	t.Cleanup(func() { lab.Wipe(t, "h1") }) // and no package
	lab.Sh(t, "h1", `cat >>/var/lib/dpkg/status <<'E'
Package: grafana
Status: install ok installed
Priority: optional
Section: base
Maintainer: contact@grafana.com
Architecture: amd64
Version: 10.2.0
Description: Grafana

E
		mkdir -p /etc/grafana && echo '[server]' >/etc/grafana/grafana.ini
		printf '[Unit]\nDescription=packaged\n[Service]\nExecStart=/bin/sleep 1000\n' >/lib/systemd/system/grafana-server.service
		systemctl daemon-reload && systemctl start grafana-server`)
	inv := lab.Inventory(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
	findings := check.Failed(found(t, inv))
	for _, w := range []finding{
		{"other-grafana", nil, []string{"the package grafana 10.2.0 is installed", "systemctl disable --now grafana-server", "apt-get remove grafana", "ghadeploy import"}},
		{"other-grafana", nil, []string{"/etc/grafana is a folder that ghadeploy did not make", "mv /etc/grafana"}},
	} {
		if !hasFinding(findings, w, "h1") {
			t.Errorf("%q was not found in %v", w.words, findings)
		}
	}
	state := []string{"/var/lib"} // the lock and the journal of the try
	before := trees(t, lab, []string{"h1"}, state...)
	if r := labtest.Ghadeploy(t, "apply", inv.Path, "--yes"); r.Code != 7 || !strings.Contains(r.Stderr, "apt-get remove grafana") {
		t.Errorf("apply: exit %d, want 7\n%s", r.Code, r.Stderr)
	}
	if after := trees(t, lab, []string{"h1"}, state...); after != before {
		t.Error("apply has changed the host")
	}
	if got := lab.Sh(t, "h1", "systemctl is-active grafana-server"); got != "active" {
		t.Errorf("the packaged Grafana is %s", got)
	}
}

func found(t *testing.T, inv *labtest.Inventory) []check.Finding {
	t.Helper()
	r := labtest.Ghadeploy(t, "check", inv.Path, "-o", "json")
	var doc struct{ Findings []check.Finding }
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
		t.Fatalf("check: exit %d, %v\n%s\n%s", r.Code, err, r.Stdout, r.Stderr)
	}
	return doc.Findings
}
