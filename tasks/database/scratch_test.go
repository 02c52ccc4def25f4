package database

import (
	"crypto/rand"
	"errors"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// scratchServer is a real server with a database that holds a table of one row.
func scratchServer(t *testing.T, kind string) (fleet.Host, inventory.Database, *DB) {
	t.Helper()
	h := localHost("h1", localServers(t).need(t, kind))
	secret := func(s string) inventory.Secret { return inventory.NewSecret(s, "literal") }
	mode := map[string]string{"postgres": "disable", "mysql": "false"}[kind]
	db := inventory.Database{
		Type: kind, Host: "127.0.0.1", Name: "s_" + strings.ToLower(rand.Text()[:8]), User: "u_" + strings.ToLower(rand.Text()[:8]), Password: secret("x1"),
		SSLMode: mode, Create: &inventory.Credentials{User: "labadmin", Password: secret("labadmin")},
	}
	if _, err := Create(t.Context(), h, db); err != nil {
		t.Fatal(err)
	}
	own, err := Open(t.Context(), h, db, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = own.Close() })
	for _, s := range []string{"CREATE TABLE dash (id INT NOT NULL PRIMARY KEY)", "INSERT INTO dash VALUES (7)"} {
		if _, err := own.Exec(s); err != nil {
			t.Fatal(err)
		}
	}
	return h, db, own
}

func eachServer(t *testing.T, do func(t *testing.T, kind string)) {
	for _, kind := range []string{"postgres", "mysql"} {
		t.Run(kind, func(t *testing.T) { do(t, kind) })
	}
}

func TestAScratchDatabaseIsMadeFilledAndDropped(t *testing.T) {
	eachServer(t, func(t *testing.T, kind string) {
		h, db, own := scratchServer(t, kind)
		if !OperatorHas(kind) {
			t.Skip("this machine has no tools for a dump")
		}
		t.Setenv("XDG_STATE_HOME", t.TempDir())
		for range 2 { // a second one finds nothing of the first
			scratch, err := MakeScratch(t.Context(), h, db)
			if err != nil {
				t.Fatal(err)
			}
			here := OperatorHost(h)
			if err := FillScratch(t.Context(), here, db, scratch, BackupOptions{Cluster: "c", Version: "10.3.1"}, 1<<20); err != nil {
				t.Fatal(err)
			}
			filled, err := Open(t.Context(), h, scratch, nil)
			if err != nil {
				t.Fatal(err)
			}
			if n, err := scan[int](t.Context(), filled, "SELECT id FROM dash"); n != 7 || err != nil {
				t.Errorf("the copy has %d, %v", n, err)
			}
			if _, err := filled.Exec("DROP TABLE dash"); err != nil {
				t.Error(err)
			}
			_ = filled.Close()
			for what, clean := range map[string]func() (bool, error){
				"dump":     func() (bool, error) { return CleanScratchDumps(t.Context(), here, db, "c") },
				"database": func() (bool, error) { return DropScratch(t.Context(), h, db) },
			} {
				if found, err := clean(); !found || err != nil {
					t.Errorf("%s: found %v, %v", what, found, err)
				}
				if found, err := clean(); found || err != nil {
					t.Errorf("%s again: found %v, %v", what, found, err)
				}
			}
		}
		if n, err := scan[int](t.Context(), own, "SELECT id FROM dash"); n != 7 || err != nil {
			t.Errorf("the original has %d, %v", n, err)
		}
		if kind == "mysql" {
			if n, err := scan[int](t.Context(), own, "SELECT count(*) FROM information_schema.schema_privileges WHERE table_schema LIKE '%rehearsal'"); n != 0 || err != nil {
				t.Errorf("%d rights are left, %v", n, err)
			}
		}
	})
}

// A database with somebody's tables is neither emptied nor dropped, whoever calls it ours.
func TestADatabaseWithoutTheMarkIsNotTouched(t *testing.T) {
	eachServer(t, func(t *testing.T, kind string) {
		h, db, own := scratchServer(t, kind)
		given := db
		given.Name, given.Rehearsal = "other", db.Name
		if _, err := MakeScratch(t.Context(), h, given); err == nil || !strings.Contains(err.Error(), "that no rehearsal has left") {
			t.Errorf("got %v", err)
		}
		if found, err := DropScratch(t.Context(), h, given); found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		made := db
		made.Name = db.Name + scratchSuffix
		made.Create = db.Create
		if _, err := Create(t.Context(), h, made); err != nil {
			t.Fatal(err)
		}
		theirs, err := Open(t.Context(), h, made, nil)
		if err != nil {
			t.Fatal(err)
		}
		defer theirs.Close()
		if _, err := theirs.Exec("CREATE TABLE theirs (id INT NOT NULL PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		for name, do := range map[string]func() error{
			"make": func() error { _, err := MakeScratch(t.Context(), h, db); return err },
			"drop": func() error { _, err := DropScratch(t.Context(), h, db); return err },
		} {
			if err := do(); err == nil || !strings.Contains(err.Error(), "that no rehearsal has left") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if err := FillScratch(t.Context(), h, db, db, BackupOptions{Cluster: "c"}, 0); err == nil || !strings.Contains(err.Error(), "the one that Grafana uses") {
			t.Errorf("filling the database itself: %v", err)
		}
		if _, err := scan[int](t.Context(), own, "SELECT id FROM dash"); err != nil {
			t.Errorf("the original: %v", err)
		}
	})
}

// One that is given is emptied, of what the migration made and of what a killed run left.
func TestAGivenScratchDatabaseIsEmptied(t *testing.T) {
	eachServer(t, func(t *testing.T, kind string) {
		h, db, own := scratchServer(t, kind)
		if _, err := own.Exec("DROP TABLE dash"); err != nil {
			t.Fatal(err)
		}
		given := db
		given.Name, given.Rehearsal, given.Create = "other", db.Name, nil
		if _, err := MakeScratch(t.Context(), h, given); err != nil {
			t.Fatal(err)
		}
		if _, err := own.Exec("CREATE TABLE made (id INT NOT NULL PRIMARY KEY)"); err != nil {
			t.Fatal(err)
		}
		if found, err := DropScratch(t.Context(), h, given); !found || err != nil {
			t.Errorf("found %v, %v", found, err)
		}
		if tables, marked, err := own.scratchState(t.Context()); tables != 0 || marked || err != nil {
			t.Errorf("%d tables are left, marked %v, %v", tables, marked, err)
		}
	})
}

func TestWithoutAPlaceForACopyThereIsNone(t *testing.T) {
	if _, err := Scratch(inventory.Database{Name: "grafana"}); !errors.Is(err, ErrNoScratch) {
		t.Errorf("got %v", err)
	}
	long := inventory.Database{Name: strings.Repeat("n", 50), Create: &inventory.Credentials{}}
	if _, err := Scratch(long); err == nil || !strings.Contains(err.Error(), "longer than 63") {
		t.Errorf("got %v", err)
	}
}
