package database

import (
	"net"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Where no host has the tools, this machine's dump the database through a host, over
// TLS that checks the server's real name, and put the dump back the same way.
func TestADumpIsMadeOnTheOperatorsMachine(t *testing.T) {
	for kind, modes := range map[string][]string{"postgres": {"disable", "require", "verify-full"}, "mysql": {"false", "skip-verify", "true"}} {
		for _, mode := range modes {
			t.Run(kind+" "+mode, func(t *testing.T) {
				s := localServers(t)
				via := localHost("h1", s.need(t, kind))
				if !OperatorHas(kind) {
					t.Skip("the tools are not on this machine")
				}
				state := t.TempDir()
				t.Setenv("XDG_STATE_HOME", state)
				temp, err := os.MkdirTemp("", "db") // t.TempDir is too long for a socket
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { _ = os.RemoveAll(temp) })
				t.Setenv("TMPDIR", temp)
				t.Setenv("PGHOST", "elsewhere.example.com") // the operator's own shell does not matter
				name := "chk_" + strings.ReplaceAll(kind+"_"+mode, "-", "_")
				db := inventory.Database{Type: kind, Host: "db.example.com", Name: name, User: name, Password: inventory.NewSecret(oddPassword, "literal"), SSLMode: mode, CACert: s.ca,
					Create: &inventory.Credentials{User: "labadmin", Password: inventory.NewSecret("labadmin", "literal")}, Backup: inventory.Backup{Keep: 2, Dir: DefaultBackupDir}}
				if _, err := Create(t.Context(), via, db); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { dropAll(t, via, db) })
				mustExec(t, via, db, content...)
				here := OperatorHost(via)
				b, err := Dump(t.Context(), here, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
				if err != nil {
					t.Fatal(err)
				}
				if b.Host != Operator || !strings.HasPrefix(b.Path, filepath.Join(state, "ghadeploy", "chk", "backups")+"/chk-") || b.Size < 500 {
					t.Errorf("backup %+v", b)
				}
				if info, err := os.Stat(b.Path); err != nil || info.Mode().Perm() != 0o600 {
					t.Errorf("mode %v, %v", info, err)
				}
				if all, err := ListBackups(t.Context(), here, db, "chk"); err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], b) {
					t.Errorf("list %+v, %v", all, err)
				}
				mustExec(t, via, db, "CREATE TABLE later (id INT)", "DELETE FROM data_source", "DROP TABLE dashboard")
				if err := Restore(t.Context(), here, db, b.Path); err != nil {
					t.Fatal(err)
				}
				if got := tables(t, via, db); !slices.Equal(got, []string{"dashboard", "data_source", "migration_log"}) {
					t.Errorf("tables after the restore: %v", got)
				}
				open, err := Open(t.Context(), via, db, nil)
				if err != nil {
					t.Fatal(err)
				}
				defer open.Close()
				if name, err := scan[string](t.Context(), open, "SELECT name FROM data_source"); err != nil || name != "it's; ü" {
					t.Errorf("data source %q, %v", name, err)
				}
				if left, _ := filepath.Glob(filepath.Join(os.Getenv("TMPDIR"), "ghadeploy-*")); len(left) > 0 {
					t.Errorf("left behind: %v", left)
				}
				if err := os.Truncate(b.Path, b.Size/2); err != nil {
					t.Fatal(err)
				}
				if err := Restore(t.Context(), here, db, b.Path); err == nil {
					t.Error("half a dump is restored")
				}
				if got := tables(t, via, db); len(got) != 3 {
					t.Errorf("tables after a failed restore: %v", got)
				}
			})
		}
	}
}

// A name in the database that carries a command for psql runs nothing on this machine.
func TestADumpCarriesNoCommandToTheOperator(t *testing.T) {
	s := localServers(t)
	via := localHost("h1", s.need(t, "postgres"))
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	harm := filepath.Join(t.TempDir(), "harm")
	db := inventory.Database{Type: "postgres", Host: "db.example.com", Name: "chk_harm", User: "chk_harm", Password: inventory.NewSecret("x", "literal"), SSLMode: "verify-full", CACert: s.ca,
		Create: &inventory.Credentials{User: "labadmin", Password: inventory.NewSecret("labadmin", "literal")}}
	if _, err := Create(t.Context(), via, db); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropAll(t, via, db) })
	mustExec(t, via, db, "CREATE TABLE t (a TEXT)", `INSERT INTO t VALUES (E'one\ntwo\\three\t\\.'), (NULL)`,
		"CREATE TABLE \"x\n\\! touch "+harm+"\n\" (a TEXT)", `COMMENT ON TABLE t IS E'x\n\\! touch `+harm+`'`)
	here := OperatorHost(via)
	b, err := Dump(t.Context(), here, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
	if err != nil {
		t.Fatal(err)
	}
	err = Restore(t.Context(), here, db, b.Path)
	t.Logf("restore: %v", err)
	if _, err := os.Stat(harm); err == nil {
		t.Error("the dump ran a command on this machine")
	}
	if got := tables(t, via, db); len(got) != 2 {
		t.Errorf("tables %q", got)
	}
	open, err := Open(t.Context(), via, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	if got, err := scan[string](t.Context(), open, `SELECT a FROM t WHERE a IS NOT NULL`); err != nil || got != "one\ntwo\\three\t\\." {
		t.Errorf("row %q, %v", got, err)
	}
}

// A server that asks this machine's tools for the password gets nothing either.
func TestTheOperatorsToolsGiveNoPassword(t *testing.T) {
	for kind, talk := range map[string]map[string]func(*hostile){
		"postgres": {"clear": nil}, "mysql": {"full": nil},
	} {
		for name := range talk {
			t.Run(kind+" "+name, func(t *testing.T) {
				if !OperatorHas(kind) {
					t.Skip("the tools are not on this machine")
				}
				asks := postgresThatAsks(authentication(3, ""))
				if kind == "mysql" {
					asks = mysqlThatAsks("mysql_native_password", append([]byte("\xfecaching_sha2_password\x00"), "abcdefghijklmnopqrst\x00"...), []byte{1, 4}, []byte("KEY"))
				}
				t.Setenv("XDG_STATE_HOME", t.TempDir())
				h := serveHostile(t, false, asks)
				db := inventory.Database{Type: kind, Host: "db.example.com", Name: "g", User: "grafana", Password: inventory.NewSecret(canary, "literal")}
				begun := time.Now()
				_, err := Dump(t.Context(), OperatorHost(hostileHost{hostile: h}), db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
				if what := h.learned("grafana"); what != "" {
					t.Errorf("the attacker learned %s", what)
				}
				if err == nil || !strings.Contains(err.Error(), "nothing was sent") || time.Since(begun) > 20*time.Second {
					t.Errorf("after %s: %v", time.Since(begun), err)
				}
			})
		}
	}
}

// A server that never answers ends the dump, and not only the tool.
func TestAMuteServerHoldsNoRelay(t *testing.T) {
	h := serveHostile(t, false, func(h *hostile, c net.Conn) { h.keep(c) })
	db := inventory.Database{Type: "postgres", Host: "db.example.com", SSLMode: "require"}
	r, err := openRelay(t.Context(), hostileHost{hostile: h}, db)
	if err != nil {
		t.Fatal(err)
	}
	c, err := net.Dial("unix", filepath.Join(r.dir, ".s.PGSQL."+socketPort))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	begun := time.Now()
	_ = r.Close(nil)
	if d := time.Since(begun); d > time.Second {
		t.Errorf("closed after %s", d)
	}
}
