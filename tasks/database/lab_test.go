package database

import (
	"context"
	"errors"
	"net"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// labHost connects to a host of a running lab.
func labHost(t *testing.T, name string) fleet.Host {
	t.Helper()
	lab := labtest.Need(t, name)
	d := &remote.Dialer{ConfigFiles: []string{lab.SSHConfig}}
	c, err := d.Dial(t.Context(), remote.Target{Name: name, Address: name})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	return fleet.Host{Host: &inventory.Host{Name: name, Address: name}, Conn: c}
}

// labServer is a server of the lab's services host.
func labServer(t *testing.T, port string) string {
	t.Helper()
	return net.JoinHostPort(labtest.Need(t).Host("svc"), port)
}

// Every byte that a database password may hold.
const oddPassword = "p'a\"s\\s #;%$`: wörd"

// servers are the lab's, or this machine's where there is none, each with a database of the test's own that is gone afterwards.
func servers(t *testing.T, run func(t *testing.T, h fleet.Host, db inventory.Database)) {
	for _, s := range []struct{ kind, port, name string }{{"postgres", "5432", "postgres"}, {"mysql", "3306", "mariadb"}} {
		t.Run(s.name, func(t *testing.T) {
			var h fleet.Host
			var address string
			if os.Getenv(labtest.Env) != "" {
				h, address = labHost(t, "svc"), labServer(t, s.port)
			} else {
				port := localServers(t).need(t, s.kind)
				h, address = localHost("svc", port), net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
			}
			name := "chk_" + strings.ToLower(strings.NewReplacer("/", "_", "TestLab", "").Replace(t.Name()))
			db := inventory.Database{Type: s.kind, Host: address, Name: name, User: name,
				Password: inventory.NewSecret(oddPassword, "literal"), SSLMode: "disable",
				Create: &inventory.Credentials{User: "labadmin", Password: inventory.NewSecret("labadmin", "literal")},
				Backup: inventory.Backup{Dir: "/var/tmp/" + name, Keep: 2}}
			drop := func() { dropAll(t, h, db) }
			drop()
			t.Cleanup(drop)
			run(t, h, db)
		})
	}
}

func dropAll(t *testing.T, h fleet.Host, db inventory.Database) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	admin, err := Open(ctx, h, db, db.Create)
	if err != nil {
		t.Fatal(err)
	}
	defer admin.Close()
	statements := []string{"DROP DATABASE IF EXISTS " + db.Name + " WITH (FORCE)", "DROP ROLE IF EXISTS " + db.User}
	if db.Type != "postgres" {
		statements = []string{"DROP DATABASE IF EXISTS " + db.Name, "DROP USER IF EXISTS " + db.User}
	}
	for _, s := range statements {
		if _, err := admin.ExecContext(ctx, s); err != nil {
			t.Error(err)
		}
	}
	_, _ = h.Run(ctx, remote.Command{Args: []string{"rm", "-rf", db.Backup.Dir}, Step: "tidy up"})
}

func mustExec(t *testing.T, h fleet.Host, db inventory.Database, statements ...string) {
	t.Helper()
	open, err := Open(t.Context(), h, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	for _, s := range statements {
		if _, err := open.ExecContext(t.Context(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func TestLabCreateIsIdempotent(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		steps, err := Missing(t.Context(), h, db)
		if err != nil || !slices.Equal(steps, []string{StepRole, StepDatabase, StepGrant}) {
			t.Fatalf("missing on an empty server: %v, %v", steps, err)
		}
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		mustExec(t, h, db, "CREATE TABLE t (id INT)", "DROP TABLE t")
		if steps, err := Create(t.Context(), h, db); err != nil || len(steps) > 0 {
			t.Errorf("the second create did %v, %v", steps, err)
		}
		if steps, err := Missing(t.Context(), h, db); err != nil || len(steps) > 0 {
			t.Errorf("missing after create: %v, %v", steps, err)
		}
		other := db
		other.Password = inventory.NewSecret("another-canary", "literal")
		_, err = Create(t.Context(), h, other)
		if _, wrong := errors.AsType[*PasswordError](err); !wrong {
			t.Errorf("create with another password: %v", err)
		} else if strings.Contains(err.Error(), "canary") {
			t.Errorf("the password shows: %v", err)
		}
		if err := ready(t.Context(), h, db); err != nil {
			t.Errorf("the password of the role was changed: %v", err)
		}
	})
}

func TestLabCreateOnlyDatabase(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		admin, err := Open(t.Context(), h, db, db.Create)
		if err != nil {
			t.Fatal(err)
		}
		defer admin.Close()
		if _, err := admin.ExecContext(t.Context(), "DROP DATABASE "+db.Name); err != nil {
			t.Fatal(err)
		}
		if steps, err := Create(t.Context(), h, db); err != nil || !slices.Equal(steps, []string{StepDatabase, StepGrant}) {
			t.Errorf("steps %v, %v", steps, err)
		}
	})
}

func TestLabProbe(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		r, err := Probe(t.Context(), h, db, ProbeOptions{DDL: true, Pooling: true})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%+v", r)
		if r.MaxConnections < 100 || r.Connections < 1 || r.Major < 10 || !r.DDLTried || r.DDL != "" || r.LockTables != "" ||
			r.ReadOnly || r.Replica || r.TransactionPooling || len(r.ForcedPrimaryKey) > 0 || !strings.HasPrefix(strings.ToLower(r.Charset), "utf8") {
			t.Errorf("report %+v", r)
		}
		if want := map[string]Kind{"postgres": Postgres, "mysql": MariaDB}[db.Type]; r.Kind != want {
			t.Errorf("kind %s, want %s", r.Kind, want)
		}
		if left := tables(t, h, db); len(left) > 0 {
			t.Errorf("the probe left %v", left)
		}
	})
}

func tables(t *testing.T, h fleet.Host, db inventory.Database) []string {
	t.Helper()
	open, err := Open(t.Context(), h, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	defer open.Close()
	schema := "current_schema()"
	if open.Kind != Postgres {
		schema = "database()"
	}
	rows, err := open.QueryContext(t.Context(), "SELECT table_name FROM information_schema.tables WHERE table_schema = "+schema+" ORDER BY 1")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	var all []string
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		all = append(all, name)
	}
	return all
}

func TestLabRightsAreTried(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		admin := db
		admin.User, admin.Password = db.Create.User, db.Create.Password
		revoke := []string{"ALTER DATABASE " + db.Name + " OWNER TO labadmin", "REVOKE CREATE ON SCHEMA public FROM " + db.User}
		if db.Type != "postgres" {
			pattern := quoteName(MySQL, grantPattern(db.Name, false))
			revoke = []string{"REVOKE ALTER, LOCK TABLES ON " + pattern + ".* FROM " + db.User}
		}
		mustExec(t, h, admin, revoke...)
		r, err := Probe(t.Context(), h, db, ProbeOptions{DDL: true})
		if err != nil {
			t.Fatal(err)
		}
		if r.DDL == "" {
			t.Errorf("a login without rights passes: %+v", r)
		}
		if left := tables(t, h, db); len(left) > 0 {
			t.Errorf("the probe left %v", left)
		}
		if db.Type == "postgres" {
			if steps, err := Create(t.Context(), h, db); err != nil || !slices.Equal(steps, []string{StepGrant}) {
				t.Errorf("create does not give the rights back: %v, %v", steps, err)
			}
		}
	})
}

// content makes what a Grafana of before 12.4 has, in small.
var content = []string{
	`CREATE TABLE migration_log (id SERIAL PRIMARY KEY, migration_id VARCHAR(255), success BOOLEAN, timestamp TIMESTAMP)`,
	`INSERT INTO migration_log (migration_id, success, timestamp) VALUES ('one', true, '2026-01-02 03:04:05'), ('two', true, '2026-01-02 03:04:06')`,
	`CREATE TABLE dashboard (id INT, is_folder BOOLEAN)`,
	`INSERT INTO dashboard VALUES (1, false), (2, false), (3, true)`,
	`CREATE TABLE data_source (id INT, name VARCHAR(20))`,
	`INSERT INTO data_source VALUES (1, 'it''s; ü')`,
}

func TestLabMigrationsAndCounts(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		open, err := Open(t.Context(), h, db, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		if m, err := open.Migrations(t.Context()); err != nil || m.Exists {
			t.Errorf("migrations of an empty database: %+v, %v", m, err)
		}
		if c, err := open.Counts(t.Context()); err != nil || len(c) > 0 {
			t.Errorf("counts of an empty database: %v, %v", c, err)
		}
		mustExec(t, h, db, content...)
		m, err := open.Migrations(t.Context())
		if err != nil || m.Rows != 2 || m.LatestID != "two" || m.Failed != 0 || m.Unified != -1 || m.LatestAt.Second() != 6 {
			t.Errorf("migrations %+v, %v", m, err)
		}
		before, err := open.Counts(t.Context())
		if err != nil || before[Dashboards] != 2 || before[Folders] != 1 || before[DataSources] != 1 {
			t.Errorf("counts %v, %v", before, err)
		}
		if _, there := before[AlertRules]; there {
			t.Error("alert rules are counted without a table")
		}
		group := quoteName(open.Kind, "group")
		mustExec(t, h, db, "CREATE TABLE resource ("+group+" VARCHAR(40), resource VARCHAR(40))",
			"INSERT INTO resource VALUES ('dashboard.grafana.app', 'dashboards')", "CREATE TABLE unifiedstorage_migration_log (id INT)")
		after, err := open.Counts(t.Context())
		if err != nil || after[Dashboards] != 1 || after[Folders] != 1 {
			t.Errorf("counts after the move %v, %v", after, err)
		}
		if lost := before.Lost(after); !slices.Equal(lost, []string{"dashboards: 2, now 1"}) {
			t.Errorf("lost %v", lost)
		}
		if m, err := open.Migrations(t.Context()); err != nil || m.Unified != 0 {
			t.Errorf("migrations %+v, %v", m, err)
		}
	})
}

func TestLabDumpAndRestore(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		mustExec(t, h, db, content...)
		b, err := Dump(t.Context(), h, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
		if err != nil {
			t.Fatal(err)
		}
		if b.Size < 500 || len(b.SHA256) != 64 || !strings.HasPrefix(b.Path, db.Backup.Dir+"/chk-") {
			t.Errorf("backup %+v", b)
		}
		all, err := ListBackups(t.Context(), h, db, "chk")
		if err != nil || len(all) != 1 || !reflect.DeepEqual(all[0], b) {
			t.Errorf("list %+v, %v, want %+v", all, err, b)
		}
		// What a later version would do.
		mustExec(t, h, db, "CREATE TABLE later (id INT)", "DELETE FROM data_source", "DROP TABLE dashboard")
		if err := Restore(t.Context(), h, db, b.Path); err != nil {
			t.Fatal(err)
		}
		if got := tables(t, h, db); !slices.Equal(got, []string{"dashboard", "data_source", "migration_log"}) {
			t.Errorf("tables after the restore: %v", got)
		}
		open, err := Open(t.Context(), h, db, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer open.Close()
		if name, err := scan[string](t.Context(), open, "SELECT name FROM data_source"); err != nil || name != "it's; ü" {
			t.Errorf("data source %q, %v", name, err)
		}
		left := hostSays(t, h, "ls -A "+db.Backup.Dir+"; ls -d /run/ghadeploy-dump.* /run/ghadeploy-restore.* 2>/dev/null; stat -c %a "+b.Path)
		if strings.Contains(left, ".tmp") || strings.Contains(left, "/run/") || !strings.HasSuffix(strings.TrimSpace(left), "600") {
			t.Errorf("left behind: %s", left)
		}
	})
}

func hostSays(t *testing.T, h fleet.Host, script string) string {
	t.Helper()
	res, err := h.Run(t.Context(), remote.Command{Script: script, Become: true, Step: "look"})
	if err != nil {
		t.Fatal(err)
	}
	return string(res.Stdout)
}

func TestLabBrokenDumpChangesNothing(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		mustExec(t, h, db, content...)
		b, err := Dump(t.Context(), h, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
		if err != nil {
			t.Fatal(err)
		}
		for _, harm := range []string{"truncate -s -300 " + b.Path, "rm " + b.Path + ".sha256", "rm " + b.Path} {
			hostSays(t, h, harm)
			if err := Restore(t.Context(), h, db, b.Path); err == nil {
				t.Errorf("restored after: %s", harm)
			}
			if got := tables(t, h, db); len(got) != 3 {
				t.Errorf("tables after a failed restore: %v", got)
			}
		}
	})
}

func TestLabKeepsTheNewest(t *testing.T) {
	servers(t, func(t *testing.T, h fleet.Host, db inventory.Database) {
		if _, err := Create(t.Context(), h, db); err != nil {
			t.Fatal(err)
		}
		dir := db.Backup.Dir
		hostSays(t, h, "mkdir -p "+dir+"; cd "+dir+"; touch chk-20250101T000000Z-9.4.0.dump chk-20250102T000000Z-9.4.0.dump chk-b-20250101T000000Z-9.4.0.dump notes.txt half.dump.tmp")
		if _, err := Dump(t.Context(), h, db, BackupOptions{Cluster: "chk", Version: "10.3.1"}); err != nil {
			t.Fatal(err)
		}
		left := strings.Fields(hostSays(t, h, "ls "+dir))
		for name, stays := range map[string]bool{"chk-20250101T000000Z-9.4.0.dump": false, "chk-20250102T000000Z-9.4.0.dump": true, "chk-b-20250101T000000Z-9.4.0.dump": true, "notes.txt": true, "half.dump.tmp": false} {
			if slices.Contains(left, name) != stays {
				t.Errorf("%s stays: %v, want %v", name, !stays, stays)
			}
		}
	})
}

func TestLabBackupCommand(t *testing.T) {
	h := labHost(t, "svc")
	db := inventory.Database{Type: "postgres", Host: labServer(t, "5432"), Name: "grafana", User: "grafana", Password: inventory.NewSecret("canary", "literal"),
		Backup: inventory.Backup{On: "svc", Dir: "/var/tmp/chk_command", Command: `env | grep canary; echo "$GHADEPLOY_CLUSTER $GHADEPLOY_DATABASE_NAME" > "$GHADEPLOY_DUMP"`}}
	t.Cleanup(func() { tidy(h, "rm -rf /var/tmp/chk_command") })
	b, err := Dump(t.Context(), h, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
	if err != nil {
		t.Fatal(err)
	}
	if got := hostSays(t, h, "cat "+b.Path); got != "chk grafana\n" {
		t.Errorf("dump %q", got)
	}
	db.Backup.Command = "exit 7"
	_, err = Dump(t.Context(), h, db, BackupOptions{Cluster: "chk", Version: "10.3.1"})
	if exit, ok := errors.AsType[*remote.ExitError](err); !ok || exit.Status != 7 {
		t.Errorf("a failing command: %v", err)
	}
}

func tidy(h fleet.Host, script string) {
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	_, _ = h.Run(ctx, remote.Command{Script: script, Step: "tidy up"})
}

func TestLabNoTools(t *testing.T) {
	lab := labtest.Need(t, "h1")
	lab.Lock(t, "h1")
	lab.Wipe(t, "h1") // another test may have installed them
	h := labHost(t, "h1")
	db := inventory.Database{Type: "mysql", Host: labServer(t, "3306")}
	t.Setenv("PATH", t.TempDir()) // nor has the operator's machine any
	_, err := PickHost(t.Context(), []fleet.Host{h}, db)
	missing, ok := errors.AsType[*NoToolsError](err)
	if !ok || !strings.Contains(missing.Error(), "default-mysql-client") || !strings.Contains(missing.Error(), "database.backup.command") {
		t.Errorf("no tools: %v", err)
	}
}
