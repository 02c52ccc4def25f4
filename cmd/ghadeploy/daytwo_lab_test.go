package main

import (
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// The procedures of docs/day-two.md, as they are written there.

// quietly runs something under 100 requests a second of a signed-in user, and wants none to fail.
func (c *labCluster) quietly(t *testing.T, what string, do func()) {
	t.Helper()
	begun, l := time.Now(), c.load(t, c.login(t), "/api/user", 10*time.Millisecond)
	do()
	n, failed, p99, gap := sums(l.end(), begun, time.Now())
	t.Logf("%s: %d requests, %d failed, p99 %s, longest gap %s", what, n, len(failed), p99, gap)
	if len(failed) > 0 || n < 100 {
		t.Errorf("%s: %d of %d requests failed: %v", what, len(failed), n, failed[:min(len(failed), 5)])
	}
}

// A move to another server, which speaks TLS only: one stop, one start, content compared.
func TestLabMoveToAnotherDatabaseServer(t *testing.T) {
	c := withContent(t)
	c.dumpTools(t, "h1")
	ca := labtest.NewCA(t, "other")
	pair := ca.Issue(t, "client", "grafana")
	there := c.PostgresTLS(t, ca, c.inv.Database)
	c.must(t, "stop", "--yes")
	c.must(t, "backup")
	dump := c.Sh(t, "h1", "ls -d /var/lib/ghadeploy/backups/*"+c.inv.Cluster+"*.dump")
	was := map[string]any{}
	c.inv.Edit(t, func(doc map[string]any) {
		db := doc["database"].(map[string]any)
		for k, v := range db {
			was[k] = v
		}
		db["host"], db["ssl_mode"], db["ca_cert"], db["client_cert"], db["client_key"] = there, "verify-ca", ca.File, pair.Cert, pair.Key
	})
	c.refused(t, exitCheck, []string{"apply", "--yes"}, "the new one is empty", "--allow-database")
	c.must(t, "restore", "--dump", "h1:"+dump, "--no-start", "--yes")
	c.must(t, "apply", "--yes")
	c.wantConverged(t)
	if out, err := c.ask("GET", "/api/search?type=dash-db", nil); err != nil || strings.Count(string(out), `"uid"`) != 3 {
		t.Errorf("dashboards after the move: %s, %v", out, err)
	}
	// The way back, while nobody has written to the new one.
	c.inv.Edit(t, func(doc map[string]any) { doc["database"] = was })
	c.must(t, "apply", "--yes")
	c.wantConverged(t)
}

// A restore is refused that would fill one database and start Grafana on another, and one that
// would fill a database while Grafana runs.
func TestLabADumpGoesIntoNoOtherDatabaseThanTheHostsAreOn(t *testing.T) {
	c := withContent(t)
	c.dumpTools(t, "h1")
	c.must(t, "backup")
	dump := c.Sh(t, "h1", "ls -d /var/lib/ghadeploy/backups/*"+c.inv.Cluster+"*.dump")
	other := c.inv.Database + "_other"
	c.Do(t, "db", other)
	c.target(t, other)
	c.noRestore(t, "h1:"+dump, exitUsage, other, "would be put")
	c.noRestoreWith(t, []string{"--dump", "h1:" + dump, "--no-start"}, exitUsage, "Grafana runs on", "ghadeploy stop")
}

// anotherHostKey gives a host other keys of every kind, since one that stayed would do, and
// waits until its sshd shows them: a reload returns before that.
const anotherHostKey = `set -e
cd /etc/ssh && rm -f ssh_host_*_key*
ssh-keygen -q -A
systemctl reload ssh
for i in $(seq 100); do
	ssh-keyscan -t ed25519 127.0.0.1 2>/dev/null | grep -qF "$(cut -d' ' -f2 ssh_host_ed25519_key.pub)" && exit
	sleep 0.1
done
echo 'sshd does not show its new key' >&2
exit 1`

// One host's maintenance, and a machine that is new under the old name: nobody notices.
func TestLabMaintenanceAndAReplacedHost(t *testing.T) {
	c := labDeployed(t, labtest.Options{Hosts: []string{"h1", "h2"}, Balancer: "haproxy", Edit: rollout(map[string]any{"settle": "0s"})})
	own := c.knownHosts(t)
	t.Cleanup(func() { c.Wipe(t, "h2") }) // with the key that other tests know
	c.quietly(t, "maintenance", func() {
		c.must(t, "drain", "h2", "--yes")
		c.Do(t, "kill", "h2")
		c.Do(t, "start", "h2")
		c.waitServing(t, labTimeout)
		c.must(t, "undrain", "h2", "--yes")
	})
	c.quietly(t, "a host replaced", func() {
		c.must(t, "drain", "h2", "--yes")
		c.Sh(t, "h2", "systemctl stop grafana-server")
		c.Wipe(t, "h2")
		c.Sh(t, "h2", anotherHostKey)
		if r := labtest.Ghadeploy(t, "plan", c.inv.Path); r.Code != exitUnreachable || !strings.Contains(r.Stderr, "h2") {
			t.Errorf("another key under the old name: exit %d\n%s%s", r.Code, r.Stdout, r.Stderr)
		}
		forget(t, own, c.Host("h2"))
		c.must(t, "trust", "--limit", "h2", "--yes")
		c.must(t, "apply", "--yes")
	})
	c.wantConverged(t)
}

// knownHosts gives the inventory a file of its own, which a test may change.
func (c *labCluster) knownHosts(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(c.KnownHosts)
	if err != nil {
		t.Fatal(err)
	}
	path := c.inv.Dir + "/known_hosts"
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	c.inv.Edit(t, func(doc map[string]any) { doc["ssh"].(map[string]any)["known_hosts"] = path })
	return path
}

// forget takes a host's keys out, as ssh-keygen -R does.
func forget(t *testing.T, path, host string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	kept := regexp.MustCompile(`(?m)^[^\n]*\b`+regexp.QuoteMeta(host)+`\b[^\n]*\n`).ReplaceAll(text, nil)
	if err := os.WriteFile(path, kept, 0o600); err != nil {
		t.Fatal(err)
	}
}
