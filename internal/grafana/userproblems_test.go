package grafana

import (
	"strings"
	"testing"
)

// Problems that users of Grafana had and that what we write rules out, by the
// numbers of docs/user-problems.md. Those that rendering refuses are in
// problems_test.go.

// lines renders a node and looks for lines that must be there.
func lines(t *testing.T, n Node, want ...string) string {
	t.Helper()
	r, err := n.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, w := range want {
		if !strings.Contains(string(r.INI), "\n"+w+"\n") {
			t.Errorf("no line %q in\n%s", w, r.INI)
		}
	}
	return string(r.INI)
}

func TestUserProblem03AdvertisedAddressIsTheInventorys(t *testing.T) { // #62453
	lines(t, testNode(version(t, "12.3.1")), "ha_advertise_address = 10.0.0.11:9094")
}

func TestUserProblem04AdvertisedAddressIsNeverAName(t *testing.T) { // #45060
	n := testNode(version(t, "12.3.1"))
	n.PerNode.Address = "g1.example.com"
	if _, err := n.Render(); err == nil || !strings.Contains(err.Error(), "needs an IP address") {
		t.Errorf("got %v", err)
	}
}

// Left to itself Grafana looks for a private address, and does not start where
// there is none (alertmanager#1434).
func TestUserProblem05PublicAddressesAreAdvertisedToo(t *testing.T) {
	n := testNode(version(t, "12.3.1"))
	n.PerNode.Address = "203.0.113.7"
	n.Alerting.Peers = []string{"203.0.113.7:9094", "203.0.113.8:9094"}
	lines(t, n, "ha_advertise_address = 203.0.113.7:9094")
}

func TestUserProblem06PeersAreAllHostsAndIntervalsAreGrafanas(t *testing.T) { // #64805
	ini := lines(t, testNode(version(t, "12.3.1")), "ha_peers = 10.0.0.11:9094,10.0.0.12:9094,10.0.0.13:9094")
	for _, key := range []string{"ha_push_pull_interval", "ha_gossip_interval", "ha_reconnect_timeout"} {
		if strings.Contains(ini, key) {
			t.Errorf("%s is written though nobody set it", key)
		}
	}
}

func TestUserProblem12MigrationsAreLockedAndTheFirstNodeIsAlone(t *testing.T) { // #46718
	lines(t, testNode(version(t, "10.3.1")), "enable = migrationLocking")
	lines(t, testNode(version(t, "12.4.0")), "migration_locking = true")
	for _, v := range []string{"6.5.0", "9.4.17", "10.3.1", "12.3.1", "13.2.0"} {
		if p := UpgradePolicy(Version{}, version(t, v)); p.Kind != OneFirst {
			t.Errorf("a first deployment of %s: %+v", v, p)
		}
	}
}

// The loser of the migration lock exits; systemd must bring it back however often.
func TestUserProblem13LoserOfTheLockIsStartedAgain(t *testing.T) { // #44101
	for _, systemd := range []int{219, 252} {
		u := testUnit(t)
		u.Systemd = systemd
		b, err := u.Render()
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		if !strings.Contains(text, "Restart=on-failure\nRestartSec=5\n") || !strings.Contains(text, "StartLimitInterval") {
			t.Errorf("systemd %d:\n%s", systemd, text)
		}
	}
	if l := ParseLogLine(`level=error msg="Failed to lock database" error="failed to obtain lock"`); l.Event != LogLockLost {
		t.Errorf("the loser's word is taken for %q", l.Event)
	}
}

func TestUserProblem15LongMigrationsAreNotKilled(t *testing.T) { // #119199
	b, err := testUnit(t).Render()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "\nTimeoutStartSec=infinity\n") {
		t.Errorf("no unlimited start in\n%s", b)
	}
}

func TestUserProblem16DumpBeforeEveryVersionChange(t *testing.T) { // #124030, #123616
	for _, c := range [][2]string{{"12.3.1", "13.0.0"}, {"12.4.0", "13.2.0"}, {"12.3.0", "12.3.1"}} {
		if p := UpgradePolicy(version(t, c[0]), version(t, c[1])); !p.Dump {
			t.Errorf("%s to %s without a dump: %+v", c[0], c[1], p)
		}
	}
}

func TestUserProblem17NoMixedVersionsAcrossOneWaySteps(t *testing.T) { // #51069, #53893
	for _, c := range [][2]string{{"8.5.27", "9.0.0"}, {"8.4.0", "9.3.1"}, {"9.3.1", "9.4.0"}, {"12.3.1", "12.4.0"}, {"12.4.0", "13.0.0"}} {
		if p := UpgradePolicy(version(t, c[0]), version(t, c[1])); p.Kind != OneFirst || p.Reason == "" {
			t.Errorf("%s to %s: %+v", c[0], c[1], p)
		}
	}
}

func TestUserProblem24PluginsAreDeployedNotInstalledInTheBrowser(t *testing.T) { // #36111, #37935
	lines(t, testNode(version(t, "12.3.1")), "plugin_admin_enabled = false", "plugins = /opt/grafana/current/plugins")
}

func TestUserProblem25SIGTERMIsASuccess(t *testing.T) { // #23309
	u := testUnit(t)
	u.Version, u.Binary = release(6, 5, 0), "grafana-server"
	b, err := u.Render()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(b), "\nSuccessExitStatus=1\n") {
		t.Errorf("exit status 1 of 6.5 on SIGTERM counts as a failure:\n%s", b)
	}
}
