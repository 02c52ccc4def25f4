package aside

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const failing = `logger=migrator t=2026-11-29T10:00:00Z level=info msg="Starting DB migrations"
logger=migrator t=2026-11-29T10:00:00Z level=info msg="Executing migration" id="create a table"
logger=migrator t=2026-11-29T10:00:01Z level=info msg="Executing migration" id="set collation"
logger=migrator t=2026-11-29T10:00:01Z level=error msg="Executing migration failed" id="set collation" error="Error 1273 (HY000): Unknown collation: 'utf8mb4_0900_as_cs'"
Error: ✗ migration failed (id = set collation): Error 1273 (HY000): Unknown collation: 'utf8mb4_0900_as_cs'
Grafana on the side ended with status 1
`

func TestALogTellsWhatFailedInTheServersWords(t *testing.T) {
	for _, size := range []int{1, 7, len(failing)} { // as it comes in pieces
		var l Log
		for piece := range slices.Chunk([]byte(failing), size) {
			_, _ = l.Write(piece)
		}
		if l.Failed != "set collation" || !strings.Contains(l.Error, "Unknown collation: 'utf8mb4_0900_as_cs'") || l.Migrations != 1 {
			t.Errorf("pieces of %d: %+v", size, l)
		}
		if len(l.Complaints) != 1 || !strings.Contains(l.End, "✗ migration failed") {
			t.Errorf("pieces of %d: complaints %q, end %q", size, l.Complaints, l.End)
		}
	}
}

func TestALogCountsTheMigrationsOfAllStores(t *testing.T) {
	var l Log
	_, _ = l.Write([]byte(`logger=migrator t=1 level=info msg="Executing migration" id="a"
logger=migrator t=1 level=info msg="migrations completed" performed=170 skipped=400 duration=3.5s
logger=resource-migrator t=1 level=info msg="Executing migration" id="b"
logger=resource-migrator t=1 level=info msg="migrations completed" performed=2 skipped=20 duration=500ms
`))
	if l.Migrations != 172 || l.Migrating != 4*time.Second || l.Failed != "" || len(l.Complaints) != 0 {
		t.Errorf("%+v", l)
	}
}

func TestAHostsLogIsBounded(t *testing.T) {
	var l Log
	for i := range 1000 {
		_, _ = l.Write([]byte("level=error msg=" + strings.Repeat("x", i+1) + strings.Repeat("\x00y", 5000) + "\n"))
	}
	_, _ = l.Write([]byte(strings.Repeat("z", 1<<20)))
	if len(l.Complaints) > mostComplaints || len(l.rest) > 64<<10 {
		t.Errorf("%d complaints, %d bytes kept", len(l.Complaints), len(l.rest))
	}
	for _, c := range l.Complaints {
		if len(c) > mostText+10 {
			t.Errorf("a complaint of %d bytes", len(c))
		}
	}
}

func TestRoomIsRefusedWithWhatLacks(t *testing.T) {
	good := "memory 2000000\ndisk 9000000\nport 23033\naddress 10.0.0.5\naddress 10.0.0.5\naddress ::1\n"
	if r := readRoom(good); r.Refuse(1<<30) != nil || len(r.Addresses) != 2 || r.Limit() > MostMemory {
		t.Errorf("%+v: %v", r, r.Refuse(1<<30))
	}
	for text, want := range map[string]string{
		strings.Replace(good, "memory 2000000", "memory 600000", 1):   "memory",
		strings.Replace(good, "disk 9000000", "disk 1000", 1):         "disk",
		strings.Replace(good, "port 23033", "", 1):                    "port",
		strings.ReplaceAll(good, "address", "nothing"):                "cannot be looked up",
		"memory -1\ndisk 99999999999999999999\nport 99999\n":          "memory",
		"address any\naddress 0.0.0.0/0\naddress $(reboot)\nmemory x": "memory",
	} {
		if err := readRoom(text).Refuse(1 << 30); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", text, err, want)
		}
	}
	for database, want := range map[string]string{"db:5432": "db", "[::1]:3306": "::1", "10.0.0.1:1": "10.0.0.1", "[fd00::1]": "fd00::1", "db": "db"} {
		if got := nameOf(database); got != want {
			t.Errorf("%s: %s", database, got)
		}
	}
}

func TestAHostThatCannotShutItOffIsRefused(t *testing.T) {
	p := Place{Root: "/opt/grafana", Service: "grafana@a"}
	if p.Refuse(252) != nil || p.Refuse(219) == nil || p.Refuse(0) == nil {
		t.Error("systemd is not looked at")
	}
	if (Place{Root: "/opt/gra fana"}).Refuse(252) == nil || p.Unit() != "ghadeploy-aside-grafana-a.service" || p.Folder() != "/opt/grafana/aside" {
		t.Errorf("%s, %s", p.Unit(), p.Folder())
	}
}
