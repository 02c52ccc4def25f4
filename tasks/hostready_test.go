package tasks

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

func factsOf(t *testing.T, lines ...string) *Facts {
	t.Helper()
	f, err := parseFacts(strings.Join(lines, "\n")+"\nend\n", "/opt/grafana")
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestTheGroupIsTheOneThatTheHostHas(t *testing.T) {
	for _, tt := range []struct {
		name, group string
		told        []string
		ref, said   string
		wrong       bool
	}{
		{"no user", "", nil, "grafana", "grafana", false},
		{"its own", "", []string{"user\tgrafana\t998\t997\tgrafana"}, "grafana", "grafana", false},
		{"another", "", []string{"user\tgrafana\t998\t100\tusers"}, "users", "users", false},
		{"with a space and @", "", []string{"user\tgrafana\t998\t5555\tdomain users@corp"}, "5555", "domain users@corp (gid 5555)", false},
		{"without a name", "", []string{"user\tgrafana\t998\t5555\t5555"}, "5555", "(gid 5555)", false},
		{"root's number", "", []string{"user\tgrafana\t998\t0\troot"}, "root", "root", false},
		{"the inventory's", "readers", []string{"user\tgrafana\t998\t100\tusers", "group\t77"}, "readers", "readers", false},
		{"the inventory's, out of a directory", "Graf Readers", []string{"group\t77"}, "77", "Graf Readers (gid 77)", false},
		{"the inventory's, to be made", "readers", nil, "readers", "readers", false},
		{"the inventory's, not to be made", "Graf Readers", nil, "Graf Readers", "Graf Readers", true},
	} {
		g := groupOf(inventory.Paths{User: "grafana", Group: tt.group}, factsOf(t, append([]string{"clock\t1"}, tt.told...)...))
		if g.ref != tt.ref || g.name != tt.said || (g.wrong() != "") != tt.wrong {
			t.Errorf("%s: %+v %q", tt.name, g, g.wrong())
		}
	}
}

func TestAGroupOfAnotherNameIsInUnitAndPlan(t *testing.T) {
	c := testCluster("h1")
	in := testInputs(c, "10.3.1")
	in.Groups = map[string]string{"h1": "5555"}
	s, err := desired.Of(c, c.Hosts[0], in)
	if err != nil {
		t.Fatal(err)
	}
	if unit := string(s.Generation.File(desired.UnitFile).Content); !strings.Contains(unit, "\nGroup=5555\n") || s.Group != "5555" {
		t.Errorf("group %q, unit:\n%s", s.Group, unit)
	}
	f := bare()
	f.User, f.Account = true, Account{UID: 998, GID: 5555, Group: "domain users", told: true}
	if a := prepareAction(c.Paths, f); len(a) != 1 || !strings.Contains(a[0].Summary, "group domain users (gid 5555)") {
		t.Errorf("%+v", a)
	}
	// and when it changes later
	f = converged(s, 1e9)
	f.Account = Account{UID: 998, GID: 5555, Group: "domain users", told: true}
	f.Folders = map[string]*Folder{"generations": {State: "full", GID: "997"}}
	if a := prepareAction(c.Paths, f); len(a) != 1 || !strings.Contains(a[0].Reason, "gid 997") {
		t.Errorf("%+v", a)
	}
	f.Folders["generations"].GID = "5555"
	if a := prepareAction(c.Paths, f); a != nil {
		t.Errorf("nothing is to be prepared: %+v", a)
	}
}

func TestWhatADropInSetsIsReadAsSystemdDoes(t *testing.T) {
	f := factsOf(t, "dropin\t/etc/systemd/system/grafana-server.service.d/a.conf", "dropline\t[Service]",
		`dropline	Environment="GF_LOG_LEVEL=debug" GF_SERVER_HTTP_PORT=3001 'GF_X=a b=c'`, "dropline\tEnvironment=\"GF_Y=a\\tb\" PATH=/bin",
		"dropline\tEnvironmentFile=-/etc/default/grafana", "dropfile\tGF_DATABASE_HOST\t/etc/default/grafana", "dropline\tLimitNOFILE=5", "dropline\t[Unit]", "dropline\tAfter=x")
	d := f.DropIns[0]
	if got, want := strings.Join(d.Keys, " "), "GF_LOG_LEVEL GF_SERVER_HTTP_PORT GF_X GF_Y PATH EnvironmentFile /etc/default/grafana LimitNOFILE After"; got != want {
		t.Errorf("keys %q, want %q", got, want)
	}
	if d.values["GF_LOG_LEVEL"] != valueHash("debug") || d.values["GF_X"] != valueHash("a b=c") || d.values["GF_Y"] != "" {
		t.Errorf("values %q", d.values)
	}
	all := strings.Join(overrides(inventory.Paths{Root: "/opt/grafana"}, f, nil), "\n")
	for _, w := range []string{"a.conf sets GF_SERVER_HTTP_PORT over", "/etc/default/grafana sets GF_DATABASE_HOST over"} {
		if !strings.Contains(all, w) {
			t.Errorf("no %q in %s", w, all)
		}
	}
	if strings.Contains(all, "GF_LOG_LEVEL") {
		t.Errorf("what is not managed is refused: %s", all)
	}
}

func TestWhatTheInventoryWritesIsNotToBeOverridden(t *testing.T) {
	c := testCluster("h1")
	g := desiredOf(t, c, "10.3.1")["h1"].Generation
	for name, want := range map[string]bool{
		"GF_SERVER_HTTP_PORT": true, "GF_DATABASE_PASSWORD__FILE": true, "GF_SECURITY_COOKIE_SECURE": true, "GF_UNIFIED_ALERTING_HA_PEERS": true,
		"GF_DEFAULT_INSTANCE_NAME": true, "GF_LOG_LEVEL": false, "GF_AUTH_LDAP_ENABLED": false, "GF_SMTP_HOST": false,
	} {
		if got := managed(name, g); got != want {
			t.Errorf("%s: managed %v, want %v", name, got, want)
		}
	}
}

func TestAProcessIsStaleByItsEnvironmentAndUser(t *testing.T) {
	p := inventory.Paths{User: "grafana", Root: "/opt/grafana"}
	own := map[string]inventory.Value{"GF_MINE": {}}
	drop := []string{"dropin\t/x.conf", "dropline\t[Service]", "dropline\tEnvironment=GF_A=1"}
	for _, tt := range []struct {
		name, why string
		lines     []string
	}{
		{"not readable", "", drop},
		{"as it should be", "", append([]string{"environ\t1\tGF_A=1", "environ\t1\tGF_MINE=x", "environ-read\t1"}, drop...)},
		{"gone", "GF_B in its environment", append([]string{"environ\t1\tGF_A=1", "environ\t1\tGF_B=1", "environ-read\t1"}, drop...)},
		{"come", "GF_A was set", append([]string{"environ-read\t1"}, drop...)},
		{"changed", "GF_A was set", append([]string{"environ\t1\tGF_A=2", "environ-read\t1"}, drop...)},
		{"by systemd itself", "", []string{"environ\t1\tGF_B=1", "environ-read\t1", "manager\tGF_B"}},
		{"not to be foretold", "", append(drop, "dropline\tUnsetEnvironment=GF_A", "environ-read\t1")},
		{"in the wrong section", "", []string{"dropin\t/x.conf", "dropline\t[Unit]", "dropline\tEnvironment=GF_A=1", "environ-read\t1"}},
	} {
		if why := staleEnvironment(factsOf(t, tt.lines...), own); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("%s: %q, want %q", tt.name, why, tt.why)
		}
	}
	for _, tt := range []struct{ uid, gid, why string }{{"998", "997", ""}, {"0", "997", "runs as uid 0"}, {"998", "0", "with gid 0"}} {
		f := factsOf(t, "user\tgrafana\t998\t997\tgrafana", "process\tUid:\t"+tt.uid, "process\tGid:\t"+tt.gid)
		if why := runsAs(p, f); (why == "") != (tt.why == "") || !strings.Contains(why, tt.why) {
			t.Errorf("uid %s, gid %s: %q", tt.uid, tt.gid, why)
		}
	}
}

func TestAUnitThatAloneChangesSaysWhere(t *testing.T) {
	g := &desired.Generation{}
	g.Files = append(g.Files, desired.File{Path: desired.UnitFile, Content: []byte("# x\nUser=a\nEnvironment=PLUGIN_UNIX_SOCKET_DIR=/run/grafana\nGroup=b\n")})
	if got := unitReason(map[string][]byte{desired.UnitFile: []byte("# x\nUser=a\nGroup=a\n")}, g); len(got) != 1 || got[0] != "in the unit: Environment, Group" {
		t.Errorf("%q", got)
	}
}

// TestObserveTellsOfFoldersAndDropIns runs the real script as root, on folders as hosts
// have them.
func TestObserveTellsOfFoldersAndDropIns(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	at := func(name string) string { return filepath.Join(dir, name) }
	for _, script := range []string{
		"mkdir -p empty/lost+found full shut/in open/in && touch full/x .hidden && chmod 700 shut && chown nobody open && ln -s full link && ln -s gone dangling && touch file",
	} {
		cmd := exec.Command("sh", "-ec", script)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	for name, want := range map[string]struct {
		state  string
		gives  bool
		closed string
	}{
		"empty": {"empty", true, ""}, "full": {"full", false, "chown -R"}, "link": {"full", false, "chown -R"},
		"dangling": {"dangling", false, "mkdir -p " + dir + "/gone"}, "file": {"file", false, "is no folder"}, "absent": {"absent", false, ""},
		"shut/in": {"empty", false, "chmod o+x " + dir + "/shut"}, "open/in": {"empty", false, "not to be given away"}, "shut/x/y": {"absent", false, "chmod o+x " + dir + "/shut"},
	} {
		p := inventory.Paths{Root: at("root"), Etc: at("etc"), State: at("state"), Service: "no-such-unit", User: "nobody", Data: at(name), Logs: at("logs")}
		f, err := Observe(t.Context(), &fleettest.Local{Name: "h1"}, "h1", p)
		if err != nil {
			t.Fatal(err)
		}
		d := f.Folders["data"]
		if d == nil || d.State != want.state || d.gives() != want.gives {
			t.Errorf("%s: %+v, want %+v", name, d, want)
			continue
		}
		if said := strings.Join(closed(p, f), "\n"); (said == "") != (want.closed == "") || !strings.Contains(said, want.closed) {
			t.Errorf("%s: %q, want %q", name, said, want.closed)
		}
	}
}

// What a file server shows as nobody's is not the service user's before that is made: an
// apply that believes it ends with a Grafana that does not start.
func TestObserveTriesForAUserThatIsStillToBeMade(t *testing.T) {
	needRoot(t)
	dir := t.TempDir()
	for d := dir; d != "/tmp" && d != "/"; d = filepath.Dir(d) {
		_ = os.Chmod(d, 0o755)
	}
	cmd := exec.Command("sh", "-ec", "mkdir full empty group all logs && touch full/x group/x all/x && chown nobody full empty && chgrp \"$(id -g nobody)\" group && chmod 775 group && chmod 777 all")
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for name, want := range map[string]string{"full": "chown -R", "empty": "not to be given away", "group": "chown -R", "all": ""} {
		at := func(name string) string { return filepath.Join(dir, name) }
		p := inventory.Paths{Root: at("root"), Etc: at("etc"), State: at("state"), Service: "no-such-unit", User: "no-such-user", Data: at(name), Logs: at("logs")}
		f, err := Observe(t.Context(), &fleettest.Local{Name: "h1"}, "h1", p)
		if err != nil {
			t.Fatal(err)
		}
		if said := strings.Join(closed(p, f), "\n"); (said == "") != (want == "") || !strings.Contains(said, want) {
			t.Errorf("%s: %q, want %q", name, said, want)
		}
	}
}
