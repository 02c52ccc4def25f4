package dbcopy

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql"
	_ "github.com/jackc/pgx/v5/stdlib"
	"github.com/ncruces/go-sqlite3"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// loopback is started by the first test that needs it.
var loopback struct {
	once sync.Once
	s    *labtest.Loopback
	err  error
}

func TestMain(m *testing.M) {
	code := m.Run()
	if loopback.s != nil {
		loopback.s.Stop()
	}
	os.Exit(code)
}

// empty makes an empty database on a server of the kind, or skips the test. The open
// pool and what is to be given to [OpenPostgres] or [OpenMySQL] belong to the test.
func empty(t *testing.T, kind string) *sql.DB {
	t.Helper()
	loopback.once.Do(func() { loopback.s, loopback.err = labtest.StartLoopback() })
	if loopback.err != nil {
		t.Fatal(loopback.err)
	}
	port := loopback.s.Port[kind]
	if port == 0 {
		t.Skipf("no server of type %s is installed on this machine", kind)
	}
	name := fmt.Sprintf("t%d", time.Now().UnixNano())
	admin := open(t, kind, port, map[string]string{"postgres": "postgres", "mysql": ""}[kind])
	query := "CREATE DATABASE " + name
	if kind == "mysql" {
		query += " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci"
	}
	if _, err := admin.Exec(query); err != nil {
		t.Fatal(err)
	}
	_ = admin.Close()
	return open(t, kind, port, name)
}

func open(t *testing.T, kind string, port int, name string) *sql.DB {
	t.Helper()
	driver, dsn := "pgx", fmt.Sprintf("host=127.0.0.1 port=%d user=tester dbname=%s sslmode=disable", port, name)
	if kind == "mysql" {
		driver, dsn = "mysql", fmt.Sprintf("tester:tester@tcp(127.0.0.1:%d)/%s?collation=utf8mb4_unicode_ci", port, name)
	}
	db, err := sql.Open(driver, dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// target opens a database of the kind as a target (or, with read, as a source).
func target(t *testing.T, kind string, db *sql.DB, read bool) Target {
	t.Helper()
	var out Target
	var err error
	if kind == "postgres" {
		out, err = OpenPostgres(t.Context(), db, kind, read)
	} else {
		out, err = OpenMySQL(t.Context(), db, "mariadb", kind, read)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = out.Close() })
	return out
}

// sqliteOf makes a sqlite file by these statements and opens it.
func sqliteOf(t *testing.T, statements ...string) Source {
	t.Helper()
	file := filepath.Join(t.TempDir(), "grafana.db")
	db, err := sqlite3.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range statements {
		if err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	return openFile(t, file)
}

func openFile(t *testing.T, file string) Source {
	t.Helper()
	src, err := OpenSQLite(t.Context(), file)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = src.Close() })
	return src
}

func run(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
