package tasks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// answer is what a converged Debian 12 host prints, shortened.
const answer = `arch	x86_64
clock	1795527137
uptime	1031.72
systemd	252
boot	f983833d
user	grafana
tool	flock
release	10.3.1-bd468451b50e
generation	63e24e456039	../../releases/10.3.1-bd468451b50e
generation	0123456789ab	../../releases/10.3.0-aaaaaaaaaaaa
current	generations/63e24e456039
etc	link	/opt/grafana/current/etc
state-folder
unit	/etc/systemd/system/grafana-server.service	Managed by ghadeploy
aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11aa11  ./etc/grafana.ini
bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22  ./unit
bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22bb22  /etc/systemd/system/grafana-server.service
./63e24e456039/etc/grafana.ini:[server]
./63e24e456039/etc/grafana.ini:http_port = 3001
./63e24e456039/etc/grafana.ini:[smtp]
./63e24e456039/etc/grafana.ini:protocol = h2
show	MainPID=19830
show	NRestarts=1
show	ExecMainStartTimestampMonotonic=1000000000
show	Id=grafana-server.service
show	LoadState=loaded
show	ActiveState=active
show	SubState=running
show	FragmentPath=/etc/systemd/system/grafana-server.service
show	UnitFileState=enabled
show	NeedDaemonReload=no
cmdline	19830	/opt/grafana/generations/0123456789ab/release/bin/grafana server --config=/opt/grafana/generations/0123456789ab/etc/grafana.ini
show
show	MainPID=0
show	ActiveState=activating
good	0123456789ab 1795520000
good	63e24e456039 1795527000
disk	74675816
end
`

func TestFactsSayWhatRunsAndNotWhatTheLinkSays(t *testing.T) {
	f, err := parseFacts(answer, "/opt/grafana")
	if err != nil {
		t.Fatal(err)
	}
	if f.Service.Generation != "0123456789ab" || f.Current != "63e24e456039" {
		t.Errorf("runs %q, current %q", f.Service.Generation, f.Current)
	}
	if !f.Turn {
		t.Error("the turn of an earlier run that is still activating was not seen")
	}
	if f.Service.Age.Seconds() < 31 || f.Service.Age.Seconds() > 32 {
		t.Errorf("age %s, want 31.72 s", f.Service.Age)
	}
	want := &Facts{Arch: "amd64", Systemd: 252, User: true, DiskFree: 74675816 << 10}
	if f.Arch != want.Arch || f.Systemd != want.Systemd || f.User != want.User || f.DiskFree != want.DiskFree {
		t.Errorf("got %+v", f)
	}
	if diff := cmp.Diff(map[string]string{"63e24e456039": "10.3.1-bd468451b50e", "0123456789ab": "10.3.0-aaaaaaaaaaaa"}, f.Generations); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"0123456789ab", "63e24e456039"}, f.Good); diff != "" {
		t.Error(diff)
	}
	sum := strings.Repeat("bb22", 16)
	if f.Files["unit"] != sum || len(f.Files) != 2 || f.Unit != (UnitFacts{Exists: true, SHA256: sum, Managed: true}) {
		t.Errorf("files %v, unit %+v", f.Files, f.Unit)
	}
	if diff := cmp.Diff(map[string]serverOf{"63e24e456039": {"http_port": "3001"}}, f.Servers); diff != "" {
		t.Error(diff)
	}
}

func TestHalfAnAnswerIsNoPicture(t *testing.T) {
	for i := range strings.Count(answer, "\n") - 1 {
		cut := strings.Join(strings.SplitAfter(answer, "\n")[:i], "")
		if f, err := parseFacts(cut, "/opt/grafana"); err == nil {
			t.Fatalf("an answer cut after %d lines gave %+v", i, f)
		}
	}
}

// TestObserveScript runs the real script in a shell of this machine, on a tree that
// looks like a host's.
func TestObserveScript(t *testing.T) {
	dir := t.TempDir()
	root, state := filepath.Join(dir, "opt grafana"), filepath.Join(dir, "state")
	write := func(name, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(root, "generations/aaaa/manifest.json"), "{}")
	write(filepath.Join(root, "generations/aaaa/etc/grafana.ini"), "[server]\n")
	write(filepath.Join(root, "generations/half/etc/grafana.ini"), "no manifest: not complete\n")
	write(filepath.Join(root, "releases/10.3.1-x/bin/grafana"), "")
	write(filepath.Join(state, "good"), "aaaa 5\n")
	for link, target := range map[string]string{"current": "generations/aaaa", "generations/aaaa/release": "../../releases/10.3.1-x"} {
		if err := os.Symlink(target, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	before := tree(t, dir)
	f, err := Observe(t.Context(), &fleettest.Local{Name: "h1"}, "h1", inventory.Paths{Root: root, Etc: filepath.Join(dir, "etc"), State: state, Service: "no-such-unit", User: "nobody"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"aaaa": "10.3.1-x"}, f.Generations); diff != "" {
		t.Error(diff)
	}
	if f.Current != "aaaa" || !f.Releases["10.3.1-x"] || f.Etc.Kind != "absent" || f.Good[0] != "aaaa" {
		t.Errorf("got %+v", f)
	}
	if f.Files["etc/grafana.ini"] == "" || f.Files["manifest.json"] == "" {
		t.Errorf("files %v", f.Files)
	}
	if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
		t.Errorf("observing changed something:\n%s", diff)
	}
}

// tree is everything below a folder with its times.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	err := filepath.Walk(dir, func(p string, i os.FileInfo, err error) error {
		if err == nil {
			out[p] = i.Mode().String() + i.ModTime().String()
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}
