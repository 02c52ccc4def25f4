package main_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/check"
)

var five = []string{"h1", "h2", "h3", "h4", "h5"}

// finding is one that a fault must lead to.
type finding struct {
	check string
	hosts []string // empty: of the cluster as a whole
	words []string
}

// Each fault is found on the hosts that have it, with cause and fix, and looking
// for it changes nothing on any host. Faults that do not hide each other share a run.
func TestLabCheckFindsFaults(t *testing.T) {
	lab := labtest.Need(t, append(five, "svc")...)
	lab.Lock(t, five...)
	lab.Wipe(t, five...)
	inv := lab.Inventory(t, labtest.Options{Hosts: five})
	svc := lab.Host("svc")
	for _, tt := range []struct {
		name  string
		fault func(t *testing.T, lab *labtest.Lab)
		edit  func(doc map[string]any)
		want  []finding
	}{
		{"on hosts and between them", func(t *testing.T, lab *labtest.Lab) {
			lab.BlockPort(t, "h1", "h2", "tcp", 9094)
			lab.BlockPort(t, "h3", "h1", "udp", 9094)
			lab.BlockPort(t, "h5", "svc", "tcp", 5432)
			wrongClock(t, lab, "h3")
			smallDisk(t, lab, "h4")
			holdPort(t, lab, "h5", 3000)
		}, func(doc map[string]any) {
			doc["paths"] = map[string]any{"root": "/srv/small/grafana"}
		}, []finding{
			{"gossip", []string{"h1"}, []string{"h1 -> h2", "TCP 9094", "open 9094/tcp from h1 on h2"}},
			{"gossip", []string{"h3"}, []string{"h3 -> h1", "UDP 9094", "open 9094/udp from h3 on h1"}},
			{"database", []string{"h5"}, []string{"cannot reach the database at " + svc + ":5432", "open the firewall between the hosts and "}},
			{"clock", []string{"h3"}, []string{"ahead", "timedatectl"}},
			{"disk", []string{"h4"}, []string{"free for /srv/small/grafana", "needed"}},
			{"ports", []string{"h5"}, []string{"HTTP port 3000/tcp is held by", "ss -lnp"}},
		}},
		{"wrong database password, Redis down", nil, func(doc map[string]any) {
			doc["database"].(map[string]any)["password"] = "${file:wrong_password}"
			doc["live"] = map[string]any{"redis": map[string]any{"address": svc + ":6399"}}
		}, []finding{
			{"database", five, []string{"password authentication failed", "wrong_password"}},
			{"redis-live", five, []string{"cannot reach Redis at " + svc + ":6399", "systemctl status redis"}},
		}},
		{"missing database, wrong Redis password", nil, func(doc map[string]any) {
			doc["database"].(map[string]any)["name"] = "t_missing"
			doc["live"] = map[string]any{"redis": map[string]any{"address": svc + ":6380", "password": "${file:wrong_password}"}}
		}, []finding{
			{"database", five, []string{`database "t_missing" does not exist`, "createdb"}},
			{"redis-live", five, []string{"refuses the password", "wrong_password"}},
		}},
		{"database down, no Redis password", nil, func(doc map[string]any) {
			doc["database"].(map[string]any)["host"] = svc + ":5499"
			doc["live"] = map[string]any{"redis": map[string]any{"address": svc + ":6380"}}
		}, []finding{
			{"database", five, []string{"cannot reach the database at " + svc + ":5499", "refused"}},
			{"redis-live", five, []string{"wants a password"}},
		}},
		{"wrong MariaDB password", nil, func(doc map[string]any) {
			db := doc["database"].(map[string]any)
			db["type"], db["host"], db["password"] = "mysql", svc+":3306", "${file:wrong_password}"
			delete(db, "ssl_mode")
		}, []finding{{"database", five, []string{"Access denied", "wrong_password"}}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if tt.fault != nil {
				tt.fault(t, lab)
			}
			variant := inv.Variant(t, tt.edit)
			secretFile(t, inv, "wrong_password", "wrong-canary")
			before := trees(t, lab, five)
			r := labtest.Ghadeploy(t, "check", variant, "-o", "json")
			if r.Code != 7 {
				t.Errorf("exit %d, want 7\n%s", r.Code, r.Stderr)
			}
			if after := trees(t, lab, five); after != before {
				t.Errorf("the check changed something on a host:\nbefore %s\nafter  %s", before, after)
			}
			if strings.Contains(r.Stdout+r.Stderr, "wrong-canary") {
				t.Error("a password is shown")
			}
			expect(t, r, tt.want)
		})
	}
}

// expect compares the failed findings with those wanted, both ways.
func expect(t *testing.T, r labtest.Ran, want []finding) {
	t.Helper()
	var doc struct{ Findings []check.Finding }
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil {
		t.Fatalf("%v\n%s\n%s", err, r.Stdout, r.Stderr)
	}
	failed := check.Failed(doc.Findings)
	found := 0
	for _, w := range want {
		for _, host := range w.hosts {
			if hasFinding(failed, w, host) {
				found++
				continue
			}
			t.Errorf("%s of %s with %q was not found", w.check, host, w.words)
		}
	}
	for _, f := range failed {
		if f.What == "" || f.Why == "" || f.Fix == "" {
			t.Errorf("no cause, reason or fix: %+v", f)
		}
	}
	if len(failed) != found {
		t.Errorf("%d findings failed, %d are faults:\n%v", len(failed), found, failed)
	}
}

func hasFinding(all []check.Finding, w finding, host string) bool {
	for _, f := range all {
		matches := f.Check == w.check && f.Host == host
		for _, word := range w.words {
			matches = matches && strings.Contains(f.What+" "+f.Fix, word)
		}
		if matches {
			return true
		}
	}
	return false
}

func secretFile(t *testing.T, inv *labtest.Inventory, name, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(inv.Dir, name), []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

// trees is a hash of all that a check could leave on hosts: files with their
// times, transient units and listeners. Logs are left out, since sshd writes
// them, and the time of /tmp, where systemd-analyze has a folder for a moment.
// Paths in except are left out too.
func trees(t *testing.T, lab *labtest.Lab, hosts []string, except ...string) string {
	t.Helper()
	script := `find /etc /opt /usr /var /root /home /srv /tmp -xdev \( -path /var/log -o -path /var/lib/systemd -o -path /var/lib/dpkg`
	for _, path := range except {
		script += " -o -path " + path
	}
	script += ` \) -prune -o -path /tmp -printf '%p %m\n' -o -printf '%p %m %U %s %T@\n' >/run/seen
		{ sort /run/seen; ls /run | grep ghadeploy; ls /run/systemd/transient 2>/dev/null | grep -v '^session-'
		ss -Hltnu | awk '{print $1, $5}' | sort; } | sha256sum | cut -c1-16`
	all, errs := make([]string, len(hosts)), make([]error, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { all[i], errs[i] = lab.Run(t.Context(), h, script) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		t.Fatal(err)
	}
	return strings.Join(all, "")
}

// wrongClock puts a date in place that is two minutes ahead: all hosts share
// the kernel's clock.
func wrongClock(t *testing.T, lab *labtest.Lab, host string) {
	t.Helper()
	lab.Sh(t, host, `mv /usr/bin/date /usr/bin/date.right
		printf '#!/bin/sh\nexec /usr/bin/date.right -d "+120 seconds" "$@"\n' >/usr/bin/date
		chmod 755 /usr/bin/date`)
	t.Cleanup(func() { lab.Sh(t, host, "mv /usr/bin/date.right /usr/bin/date") })
}

func smallDisk(t *testing.T, lab *labtest.Lab, host string) {
	t.Helper()
	lab.Sh(t, host, "mkdir -p /srv/small && mount -t tmpfs -o size=8m tmpfs /srv/small")
	t.Cleanup(func() { lab.Sh(t, host, "umount /srv/small") })
}

// holdPort has another program listen on a port.
func holdPort(t *testing.T, lab *labtest.Lab, host string, port int) {
	t.Helper()
	lab.Sh(t, host, fmt.Sprintf(`systemd-run -q --collect --unit=squatter systemd-socket-activate -l %d sleep 600
		for i in $(seq 100); do ss -Hltn | grep -q ":%d " && exit 0; sleep 0.05; done; exit 1`, port, port))
	t.Cleanup(func() { lab.Sh(t, host, "systemctl stop squatter") })
}

// An apply looks first, and touches nothing when a check fails; what failed can
// be skipped by name.
func TestLabApplyRefusesOnAFailedCheck(t *testing.T) {
	lab := labtest.Need(t, "h1", "svc")
	lab.Lock(t, "h1")
	lab.Wipe(t, "h1")
	inv := lab.Inventory(t, labtest.Options{Hosts: []string{"h1"}, Alerting: "none", NoLive: true})
	holdPort(t, lab, "h1", 3000)
	state := []string{"/var/lib"} // the lock and the journal of the try
	before := trees(t, lab, []string{"h1"}, state...)
	r := labtest.Ghadeploy(t, "apply", inv.Path, "--yes")
	if r.Code != 7 {
		t.Errorf("exit %d, want 7\n%s", r.Code, r.Stderr)
	}
	for _, want := range []string{"h1", "ports", "3000/tcp is held by", "ss -lnp", "--skip-check ports", "ghadeploy check"} {
		if !strings.Contains(strings.Join(strings.Fields(r.Stderr), " "), want) {
			t.Errorf("no %q in\n%s", want, r.Stderr)
		}
	}
	if after := trees(t, lab, []string{"h1"}, state...); after != before {
		t.Errorf("the host has changed; before %s, after %s", before, after)
	}
	if r := labtest.Ghadeploy(t, "check", inv.Path, "-o", "json", "--skip-check", "ports"); r.Code != 0 || !strings.Contains(r.Stdout, "as --skip-check asked") {
		t.Errorf("check --skip-check ports: exit %d\n%s", r.Code, r.Stderr)
	}
}
