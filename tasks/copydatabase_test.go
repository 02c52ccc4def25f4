package tasks

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/jackc/pgx/v5"
	"github.com/ncruces/go-sqlite3"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// A host's connection leads to a real PostgreSQL; facts and lock are this machine's.
func TestASqliteFileIsCopiedThroughAHost(t *testing.T) {
	servers, err := labtest.StartLoopback()
	if err != nil {
		t.Fatal(err)
	}
	defer servers.Stop()
	port := strconv.Itoa(servers.Port["postgres"])
	if port == "0" {
		t.Skip("no PostgreSQL is installed on this machine")
	}
	schema := []string{
		"CREATE TABLE migration_log (id INTEGER, migration_id VARCHAR(100), success INTEGER)", "INSERT INTO migration_log VALUES (1, 'create user table', 1)",
		`CREATE TABLE "user" (id INTEGER PRIMARY KEY, login VARCHAR(20))`, "CREATE TABLE dashboard (id INTEGER PRIMARY KEY, title VARCHAR(20))",
	}
	db, err := pgx.Connect(t.Context(), "host=127.0.0.1 user=tester dbname=postgres sslmode=disable application_name=ghadeploy port="+port)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close(context.Background())
	dir := t.TempDir()
	file, err := sqlite3.Open(filepath.Join(dir, "grafana.db"))
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range schema {
		if _, err := db.Exec(t.Context(), s); err != nil {
			t.Fatal(err)
		}
		if err := file.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(file.Exec("INSERT INTO dashboard VALUES (3, 'mine')"), file.Close()); err != nil {
		t.Fatal(err)
	}
	c := testCluster("h1")
	c.Database = inventory.Database{Type: "postgres", Host: "db.example.com:5432", Name: "postgres", User: "tester", SSLMode: "disable"}
	c.Paths = inventory.Paths{Root: dir + "/g", Data: dir + "/d", Logs: dir + "/l", Etc: dir + "/e", State: dir + "/s", Service: "ghadeploy-copy-test", User: "nobody"}
	c.LoadBalancer = inventory.LoadBalancer{}
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, "127.0.0.1:"+port)
	}
	copyNow := func(o CopyOptions) (*dbcopy.Report, error) {
		r := New(c, Options{Command: "database copy", Connect: func(_ context.Context, h *inventory.Host) (fleet.Conn, error) {
			return &fleettest.Local{Name: h.Name, DialFunc: dial}, nil
		}})
		defer r.Close()
		o.File = filepath.Join(dir, "grafana.db")
		return r.CopyDatabase(t.Context(), o)
	}
	if _, err := copyNow(CopyOptions{Confirm: func(context.Context, *dbcopy.Plan) (bool, error) { return false, nil }}); !errors.Is(err, ErrDeclined) {
		t.Fatalf("declined: %v", err)
	}
	if rep, err := copyNow(CopyOptions{}); err != nil || !rep.Committed || rep.Rows != 1 {
		t.Fatalf("%v %+v", err, rep)
	}
	if rep, err := copyNow(CopyOptions{Compare: true}); err != nil || !rep.Equal {
		t.Errorf("compare: %v %+v", err, rep)
	}
	// It holds content now, which is a check that fails: exit code 7.
	_, err = copyNow(CopyOptions{})
	if check, ok := errors.AsType[*CheckError](err); !ok || !strings.Contains(err.Error(), "dashboard: 1") || len(check.Failed) != 1 || !strings.Contains(err.Error(), "nothing was touched") {
		t.Errorf("content: %v", err)
	}
	// Somebody else is connected.
	other, err := pgx.Connect(t.Context(), "host=127.0.0.1 user=tester dbname=postgres sslmode=disable port="+port)
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close(context.Background())
	if _, err = copyNow(CopyOptions{Replace: true}); err == nil || !strings.Contains(err.Error(), "1 other connections") {
		t.Errorf("another connection: %v", err)
	}
	c.Database.Type = "sqlite3"
	if _, err := copyNow(CopyOptions{}); err == nil || !strings.Contains(err.Error(), "database.type is sqlite3") {
		t.Errorf("into sqlite3: %v", err)
	}
}
