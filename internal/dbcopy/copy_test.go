package dbcopy

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// logs are the statements that make a database one of Grafana's.
var logs = []string{
	"CREATE TABLE migration_log (id INTEGER PRIMARY KEY, migration_id VARCHAR(255) NOT NULL, success INTEGER NOT NULL)",
	"INSERT INTO migration_log VALUES (1, 'create user table', 1)",
}

func with(statements ...string) []string { return append(slices.Clone(logs), statements...) }

func forKinds(t *testing.T, do func(t *testing.T, kind string)) {
	for _, kind := range []string{"postgres", "mysql"} {
		t.Run(kind, func(t *testing.T) { do(t, kind) })
	}
}

func look(t *testing.T, src Source, dst Target, o Options) *Plan {
	t.Helper()
	p, err := Look(t.Context(), src, dst, o)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What one sqlite column may hold, and what becomes of it.
var items = []string{
	"CREATE TABLE item (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT, at DATETIME, \"group\" TEXT, data BLOB, yes INTEGER, f REAL)",
	"INSERT INTO item VALUES (1, 'plain', '2024-02-29 23:59:59', 'a', x'00ff5c27', 1, 1.5)",
	"INSERT INTO item VALUES (2, 'tab\tline\nback\\slash ''quote'' 😀', '2024-02-29T23:59:59.123456+02:00', '', x'', 0, -0.0)",
	"INSERT INTO item VALUES (3, cast(x'4dfc6e6368656e' as text), '0000-00-00 00:00:00', NULL, NULL, 'true', 1e300)",
	"INSERT INTO item VALUES (4, 'nul' || char(0) || 'x', '0001-01-01 00:00:00+00:00', '\\N', 'text in a blob', 5, 3)",
	"INSERT INTO item VALUES (5, 12, 1700000000, '\\.', 7, NULL, NULL)",
	"INSERT INTO item VALUES (6, NULL, 1700000000123, 'x', x'01', 1, 0.1)",
	"INSERT INTO item VALUES (7, '', 'not a time', 'x', x'01', 1, 0.1)",
	"INSERT INTO item VALUES (99, 'deleted', NULL, NULL, NULL, 0, 0)",
	"DELETE FROM item WHERE id = 99",
}

var itemTable = map[string]string{
	"postgres": `CREATE TABLE item (id SERIAL PRIMARY KEY, name TEXT, at TIMESTAMP, "group" VARCHAR(10), data BYTEA, yes BOOLEAN, f DOUBLE PRECISION)`,
	"mysql":    "CREATE TABLE item (id BIGINT PRIMARY KEY AUTO_INCREMENT, name TEXT, at DATETIME, `group` VARCHAR(10), data BLOB, yes TINYINT(1), f DOUBLE)",
}

func TestValuesOfEveryKindArriveAsTheTargetKeepsThem(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		run(t, db, with(itemTable[kind], "INSERT INTO item (name) VALUES ('of before')")...)
		src, dst := sqliteOf(t, with(items...)...), target(t, kind, db, false)
		rep, err := Copy(t.Context(), src, dst, look(t, src, dst, Options{}), Options{})
		if err != nil || !rep.Equal || !rep.Committed {
			t.Fatalf("%v\n%+v", err, rep)
		}
		at, yes := "to_char(at, 'YYYY-MM-DD HH24:MI:SS')", "yes::int"
		if kind == "mysql" {
			at, yes = "DATE_FORMAT(at, '%Y-%m-%d %H:%i:%s')", "yes"
		}
		for id, want := range map[int]string{
			1: "plain|2024-02-29 23:59:59|1", 2: "tab\tline\nback\\slash 'quote' 😀|2024-02-29 21:59:59|0", 3: "München|0001-01-01 00:00:00|1",
			4: map[string]string{"postgres": "nul\uFFFDx|0001-01-01 00:00:00|1", "mysql": "nul\x00x|0001-01-01 00:00:00|5"}[kind],
			5: "12|2023-11-14 22:13:20|", 6: "|2023-11-14 22:13:20|1", 7: "|0001-01-01 00:00:00|1",
		} {
			var got [3]string
			if err := db.QueryRow("SELECT coalesce(name, ''), "+at+", coalesce(concat("+yes+"), '') FROM item WHERE id = "+string(rune('0'+id))).Scan(&got[0], &got[1], &got[2]); err != nil {
				t.Fatal(id, err)
			}
			if s := strings.Join(got[:], "|"); s != want {
				t.Errorf("row %d: %q, want %q", id, s, want)
			}
		}
		// The number of a row that was deleted is not given out again.
		var next int64
		query := "INSERT INTO item (name) VALUES ('new') RETURNING id"
		if err := db.QueryRow(query).Scan(&next); err != nil || next != 100 {
			t.Errorf("the next row is %d (%v), want 100", next, err)
		}
		for _, want := range []string{notedLatin1, notedZero, notedTime} {
			if !slices.ContainsFunc(rep.Notes, func(n Note) bool { return n.What == want && n.Rows == 1 && len(n.Keys) == 1 }) {
				t.Errorf("not noted: %s in %+v", want, rep.Notes)
			}
		}
	})
}

func TestRowsThatTheTargetRefusesAreListedWithTheirKeysAndNothingChanges(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		run(t, db, with("CREATE TABLE item (id INTEGER PRIMARY KEY, name VARCHAR(5) NOT NULL, n INTEGER)", "INSERT INTO item VALUES (1, 'mine', 1)")...)
		rows := []string{"CREATE TABLE item (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)"}
		rows = append(rows, "WITH RECURSIVE c(i) AS (SELECT 10 UNION ALL SELECT i+1 FROM c WHERE i < 9000) INSERT INTO item SELECT i, 'x', i FROM c",
			"UPDATE item SET name = 'too long' WHERE id IN (17, 8999)", "UPDATE item SET name = NULL WHERE id = 4242", "UPDATE item SET n = 'abc' WHERE id = 33")
		src, dst := sqliteOf(t, with(rows...)...), target(t, kind, db, false)
		rep, err := Copy(t.Context(), src, dst, look(t, src, dst, Options{}), Options{})
		if !errors.Is(err, ErrRefused) || rep.Committed || rep.Refused != 4 {
			t.Fatalf("%v\n%+v", err, rep)
		}
		var keys []string
		for _, b := range rep.Broken {
			keys = append(keys, b.Key)
		}
		slices.Sort(keys)
		if want := []string{"id=17", "id=33", "id=4242", "id=8999"}; !slices.Equal(keys, want) {
			t.Errorf("refused %v, want %v", keys, want)
		}
		count := func() (n int) { _ = db.QueryRow("SELECT count(*) FROM item").Scan(&n); return n }
		if n := count(); n != 1 {
			t.Errorf("the target holds %d rows, it held 1", n)
		}
		rep, err = Copy(t.Context(), src, dst, look(t, src, dst, Options{}), Options{WithoutRefused: true})
		if err != nil || !rep.Committed || !rep.Equal || count() != 8991-4 {
			t.Errorf("%v, %d rows\n%+v", err, count(), rep)
		}
	})
}

func obstacles(p *Plan) string {
	if err := p.Err(); err != nil {
		return err.Error()
	}
	return ""
}

func TestNothingBeginsWhereTheSchemasAreNotOfOneVersion(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		src, dst := sqliteOf(t, with("INSERT INTO migration_log VALUES (2, 'add column x', 1)", "INSERT INTO migration_log VALUES (3, 'bad', 0)",
			"INSERT INTO migration_log VALUES (4, 'move dashboard alerts to unified alerting', 1)")...), target(t, kind, db, false)
		if got := obstacles(look(t, src, dst, Options{})); !strings.Contains(got, "no schema yet") || !strings.Contains(got, "ghadeploy apply INVENTORY") {
			t.Errorf("no schema: %q", got)
		}
		run(t, db, with("INSERT INTO migration_log VALUES (2, 'drop column y', 1)", "INSERT INTO migration_log VALUES (3, 'create license_token table', 1)")...)
		got := obstacles(look(t, src, dst, Options{}))
		for _, want := range []string{`on the source and not on the target: "add column x"`, `on the target and not on the source: "drop column y"`, `failed on sqlite file`} {
			if !strings.Contains(got, want) {
				t.Errorf("%q is not in %q", want, got)
			}
		}
		if strings.Contains(got, "unified alerting") {
			t.Errorf("a migration that newer versions no longer have is in the way: %s", got)
		}
		if strings.Contains(got, "license_token") {
			t.Errorf("a migration that a new 12.4 on MySQL enters by itself is in the way: %s", got)
		}
		if other := obstacles(look(t, sqliteOf(t, "CREATE TABLE x (y)"), dst, Options{})); !strings.Contains(other, "is not a Grafana database") {
			t.Errorf("another program's database: %q", other)
		}
	})
}

func TestContentOfTheTargetIsNotReplacedUnasked(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		quote := map[string]string{"postgres": `"user"`, "mysql": "`user`"}[kind]
		run(t, db, with("CREATE TABLE "+quote+" (id INTEGER PRIMARY KEY, login VARCHAR(20))", "INSERT INTO "+quote+" VALUES (1, 'admin')",
			"CREATE TABLE dashboard (id INTEGER PRIMARY KEY)", "INSERT INTO dashboard VALUES (1)")...)
		src, dst := sqliteOf(t, with(`CREATE TABLE "user" (id INTEGER PRIMARY KEY, login TEXT)`, `INSERT INTO "user" VALUES (7, 'me')`,
			"CREATE TABLE dashboard (id INTEGER PRIMARY KEY)", "CREATE TABLE plugin_x (id INTEGER, v TEXT)", "INSERT INTO plugin_x VALUES (1, 'y')",
			"CREATE TABLE server_lock (id INTEGER)")...), target(t, kind, db, false)
		p := look(t, src, dst, Options{})
		if got := obstacles(p); !strings.Contains(got, "holds content already (dashboard: 1)") || !strings.Contains(got, "--replace") {
			t.Errorf("obstacles: %q", got)
		}
		if _, err := Copy(t.Context(), src, dst, p, Options{}); err == nil {
			t.Fatal("it copied all the same")
		}
		rep, err := Copy(t.Context(), src, dst, look(t, src, dst, Options{Replace: true}), Options{Replace: true})
		if err != nil || !rep.Committed {
			t.Fatalf("%v %+v", err, rep)
		}
		var users, dashboards int
		_ = db.QueryRow("SELECT count(*) FROM " + quote + " WHERE login = 'me'").Scan(&users)
		_ = db.QueryRow("SELECT count(*) FROM dashboard").Scan(&dashboards)
		if users != 1 || dashboards != 0 {
			t.Errorf("%d users, %d dashboards", users, dashboards)
		}
		if !slices.ContainsFunc(rep.LeftOut, func(l LeftOut) bool { return l.Table == "plugin_x" && l.Rows == 1 }) {
			t.Errorf("the plugin's table is not named: %+v", rep.LeftOut)
		}
	})
}

func TestNamesThatDifferInCaseOnlyAreFoundBeforehandOnMySQL(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		run(t, db, with("CREATE TABLE dashboard (id INTEGER PRIMARY KEY, org_id INTEGER, uid VARCHAR(40))", "CREATE UNIQUE INDEX u ON dashboard (org_id, uid)")...)
		src, dst := sqliteOf(t, with("CREATE TABLE dashboard (id INTEGER PRIMARY KEY, org_id INTEGER, uid TEXT)",
			"INSERT INTO dashboard VALUES (1, 1, 'abC'), (2, 1, 'abc'), (3, 2, 'ABC'), (4, 1, 'é'), (5, 1, 'E'), (6, 1, NULL), (7, 1, NULL)")...), target(t, kind, db, false)
		got := obstacles(look(t, src, dst, Options{}))
		if kind == "postgres" {
			if got != "" {
				t.Errorf("PostgreSQL tells case apart: %s", got)
			}
			return
		}
		if !strings.Contains(got, "org_id=1, uid=abC and org_id=1, uid=abc") || !strings.Contains(got, "uid=é and org_id=1, uid=E") || strings.Contains(got, "ABC") {
			t.Errorf("obstacles: %q", got)
		}
	})
}

// A run that ends in the middle leaves the target as it was, and another goes through.
func TestARunThatIsCutOffLeavesTheTargetAsItWas(t *testing.T) {
	forKinds(t, func(t *testing.T, kind string) {
		db := empty(t, kind)
		run(t, db, with("CREATE TABLE item (id INTEGER PRIMARY KEY, v VARCHAR(40))", "INSERT INTO item VALUES (1, 'mine')")...)
		src := sqliteOf(t, with("CREATE TABLE item (id INTEGER PRIMARY KEY, v TEXT)",
			"WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM c WHERE i < 50000) INSERT INTO item SELECT i, 'row ' || i FROM c")...)
		for _, at := range []string{"copy", "compare"} {
			dst := target(t, kind, db, false)
			ctx, cut := context.WithCancel(t.Context())
			o := Options{Progress: func(step, _ string, done, _ int64) {
				if step == at && done > 20000 {
					cut()
				}
			}}
			rep, err := Copy(ctx, src, dst, look(t, src, dst, o), o)
			cut()
			if err == nil || rep.Committed {
				t.Fatalf("cut off at %s: %v %+v", at, err, rep)
			}
			_ = dst.Close()
			var v string
			var n int
			if err := errors.Join(db.QueryRow("SELECT v FROM item WHERE id = 1").Scan(&v), db.QueryRow("SELECT count(*) FROM item").Scan(&n)); err != nil || v != "mine" || n != 1 {
				t.Errorf("after %s was cut off the target holds %d rows, the first %q (%v)", at, n, v, err)
			}
		}
		dst := target(t, kind, db, false)
		if rep, err := Copy(t.Context(), src, dst, look(t, src, dst, Options{}), Options{}); err != nil || !rep.Committed || rep.Rows != 50000 {
			t.Errorf("the next run: %v %+v", err, rep)
		}
	})
}

func TestAFileThatIsNoSqliteDatabaseIsRefused(t *testing.T) {
	dir := t.TempDir()
	text := filepath.Join(dir, "text.db")
	if err := os.WriteFile(text, []byte(strings.Repeat("no database ", 200)), 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{text: "no sqlite database", dir: "is no file", filepath.Join(dir, "absent"): "no such file"} {
		if _, err := OpenSQLite(t.Context(), path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", path, err, want)
		}
	}
}

func TestTablesComeAfterThoseThatTheyPointTo(t *testing.T) {
	list := inOrder([]*Table{{Name: "a", Needs: []string{"c"}}, {Name: "b", Needs: []string{"b", "elsewhere"}}, {Name: "c", Needs: []string{"b"}}, {Name: "x", Needs: []string{"y"}}, {Name: "y", Needs: []string{"x"}}})
	var got []string
	for _, table := range list {
		got = append(got, table.Name)
	}
	if strings.Join(got, " ") != "b c a x y" {
		t.Errorf("order %v", got)
	}
}
