package dbcopy

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/ncruces/go-sqlite3"
	"pgregory.net/rapid"
)

// every column type of which Grafana's migrator makes tables.
var everyType = map[string]string{
	"sqlite":   `CREATE TABLE "order" (id INTEGER PRIMARY KEY AUTOINCREMENT, b INTEGER, n BIGINT, f REAL, s TEXT, c CHAR(8), t DATETIME, x BLOB, "select" TEXT)`,
	"postgres": `CREATE TABLE "order" (id BIGSERIAL PRIMARY KEY, b BOOLEAN, n BIGINT, f DOUBLE PRECISION, s TEXT, c CHAR(8), t TIMESTAMP, x BYTEA, "select" TEXT)`,
	"mysql":    "CREATE TABLE `order` (id BIGINT PRIMARY KEY AUTO_INCREMENT, b TINYINT(1), n BIGINT, f DOUBLE, s MEDIUMTEXT, c CHAR(8), t DATETIME(6), x MEDIUMBLOB, `select` TEXT)",
}

// A row as sqlite is given it.
type randomRow struct {
	b, n    *int64
	f       *float64
	s, c, t *string
	x       []byte
}

var (
	texts = rapid.OneOf(rapid.String(), rapid.StringN(0, 400, -1), rapid.SampledFrom([]string{"", " ", "\\N", "\\.", "\t\r\n\\", "'", "\"`;--", "😀🎉", "\x1a\x7f", "NULL", "0", "ä  "}),
		rapid.Custom(func(t *rapid.T) string { return string(rapid.SliceOfN(rapid.Byte(), 0, 40).Draw(t, "bytes")) }))
	times = rapid.Custom(func(t *rapid.T) string {
		day := fmt.Sprintf("%04d-%02d-%02d", rapid.IntRange(1, 9999).Draw(t, "year"), rapid.IntRange(1, 12).Draw(t, "month"), rapid.IntRange(1, 28).Draw(t, "day"))
		hour := fmt.Sprintf("%02d:%02d:%02d", rapid.IntRange(0, 23).Draw(t, "h"), rapid.IntRange(0, 59).Draw(t, "m"), rapid.IntRange(0, 59).Draw(t, "s"))
		fraction := rapid.SampledFrom([]string{"", ".5", ".123456", ".000001"}).Draw(t, "fraction")
		return day + rapid.SampledFrom([]string{" ", "T"}).Draw(t, "between") + hour + fraction + rapid.SampledFrom([]string{"", "Z", "+00:00"}).Draw(t, "zone")
	})
	rows = rapid.Custom(func(t *rapid.T) randomRow {
		return randomRow{
			b: rapid.Ptr(rapid.Int64Range(0, 1), true).Draw(t, "b"), n: rapid.Ptr(rapid.Int64(), true).Draw(t, "n"),
			f: rapid.Ptr(rapid.Float64Range(-1e300, 1e300), true).Draw(t, "f"), s: rapid.Ptr(texts, true).Draw(t, "text"),
			c: rapid.Ptr(rapid.StringMatching(`[A-Za-z0-9 ]{0,8}`), true).Draw(t, "c"), t: rapid.Ptr(times, true).Draw(t, "t"),
			x: rapid.SliceOfN(rapid.Byte(), 0, 100).Draw(t, "x"),
		}
	})
)

func fill(path string, list []randomRow) error {
	db, err := sqlite3.Open(path)
	if err != nil {
		return err
	}
	defer db.Close()
	for _, s := range append(with(), everyType["sqlite"]) {
		if err := db.Exec(s); err != nil {
			return err
		}
	}
	s, _, err := db.Prepare(`INSERT INTO "order" (b, n, f, s, c, t, x, "select") VALUES (?, ?, ?, ?, ?, ?, ?, ?)`)
	if err != nil {
		return err
	}
	defer s.Close()
	for _, r := range list {
		_ = s.ClearBindings()
		if r.b != nil {
			_ = s.BindInt64(1, *r.b)
		}
		if r.n != nil {
			_ = s.BindInt64(2, *r.n)
		}
		if r.f != nil {
			_ = s.BindFloat(3, *r.f)
		}
		for i, text := range map[int]*string{4: r.s, 5: r.c, 6: r.t, 8: r.s} {
			if text != nil {
				_ = s.BindText(i, *text)
			}
		}
		_ = s.BindBlob(7, r.x)
		if err := s.Exec(); err != nil {
			return err
		}
		_ = s.Reset()
	}
	return nil
}

// carry copies, with every row equal.
func carry(ctx context.Context, t *rapid.T, src Source, dst Target, o Options) *Report {
	p, err := Look(ctx, src, dst, o)
	if err != nil {
		t.Fatal(err)
	}
	rep, err := Copy(ctx, src, dst, p, o)
	if err != nil || !rep.Equal || rep.Refused != 0 {
		t.Fatalf("%s to %s: %v\n%+v", src.Name(), dst.Name(), err, rep)
	}
	return rep
}

// Random rows go from sqlite to PostgreSQL, from there to MySQL, and are compared on the
// way and over the whole of it.
func TestRandomRowsSurviveFromSqliteOverPostgresToMySQL(t *testing.T) {
	pg, my := empty(t, "postgres"), empty(t, "mysql")
	run(t, pg, with(everyType["postgres"])...)
	run(t, my, with(everyType["mysql"])...)
	dir := t.TempDir()
	runs := 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		file := filepath.Join(dir, fmt.Sprintf("%d.db", runs))
		defer os.Remove(file)
		if err := fill(file, rapid.SliceOfN(rows, 0, 40).Draw(rt, "rows")); err != nil {
			rt.Fatal(err)
		}
		src, err := OpenSQLite(t.Context(), file)
		if err != nil {
			rt.Fatal(err)
		}
		defer src.Close()
		o := Options{Replace: true}
		first, err := OpenPostgres(t.Context(), pg, "postgres", false)
		if err != nil {
			rt.Fatal(err)
		}
		one := carry(t.Context(), rt, src, first, o)
		_ = first.Close()
		second, err := OpenPostgres(t.Context(), pg, "postgres", true)
		if err != nil {
			rt.Fatal(err)
		}
		defer second.Close()
		last, err := OpenMySQL(t.Context(), my, "mariadb", "mysql", false)
		if err != nil {
			rt.Fatal(err)
		}
		defer last.Close()
		two := carry(t.Context(), rt, second, last, o)
		// What one rule of PostgreSQL changes (NUL) is the one thing that may differ at the end.
		if slices.ContainsFunc(one.Notes, func(n Note) bool { return n.What == notedNUL }) {
			return
		}
		p, err := Look(t.Context(), src, last, o)
		if err != nil {
			rt.Fatal(err)
		}
		if whole, err := Compare(t.Context(), src, last, p, o); err != nil {
			rt.Fatalf("%v: %+v, and %+v", err, whole.Tables, two.Tables)
		}
	})
	if runs < 10 {
		t.Fatalf("only %d runs", runs)
	}
}
