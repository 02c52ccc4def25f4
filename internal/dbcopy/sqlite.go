package dbcopy

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"

	"github.com/ncruces/go-sqlite3"
)

// mostValue is the longest value that is read of a sqlite file, in bytes.
const mostValue = 256 << 20

// sqliteFile is a sqlite file, open for reading in one transaction.
type sqliteFile struct {
	path string
	db   *sqlite3.Conn
}

// OpenSQLite opens a sqlite file and begins the snapshot in which all of it is read. The
// file is never written to. A Grafana that runs on it cannot write until Close, unless
// the file is in WAL mode. ctx bounds the life of the result.
func OpenSQLite(ctx context.Context, path string) (Source, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("open the sqlite file: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("open the sqlite file: %s is no file", path)
	}
	db, err := sqlite3.OpenFlags("file:"+(&url.URL{Path: path}).EscapedPath()+"?mode=ro", sqlite3.OPEN_READONLY|sqlite3.OPEN_URI)
	if err != nil {
		return nil, sqliteError(path, err)
	}
	db.SetInterrupt(ctx)
	db.Limit(sqlite3.LIMIT_LENGTH, mostValue)
	f := &sqliteFile{path: path, db: db}
	// A schema that somebody else wrote runs nothing; damaged cells are found; sorting
	// takes no memory.
	for _, sql := range []string{
		"PRAGMA trusted_schema = OFF", "PRAGMA cell_size_check = ON", "PRAGMA query_only = ON", "PRAGMA temp_store = FILE",
		"PRAGMA cache_size = -8192", "PRAGMA busy_timeout = 10000", "BEGIN", "SELECT count(*) FROM sqlite_schema",
	} {
		if err := db.Exec(sql); err != nil {
			_ = db.Close()
			return nil, sqliteError(path, err)
		}
	}
	return f, nil
}

// sqliteError says what to do about what is usual.
func sqliteError(path string, err error) error {
	switch {
	case errors.Is(err, sqlite3.NOTADB):
		return fmt.Errorf("%s is no sqlite database, or an encrypted one: %w", path, err)
	case errors.Is(err, sqlite3.CORRUPT):
		return fmt.Errorf("%s is damaged: %w; next: sqlite3 %s .recover", path, err, path)
	case errors.Is(err, sqlite3.READONLY), errors.Is(err, sqlite3.CANTOPEN):
		return fmt.Errorf("%s was not closed cleanly and cannot be put in order by reading alone: %w; next: stop Grafana, or copy the file together with its -wal and -journal, and open that copy once (sqlite3 FILE 'SELECT 1')", path, err)
	case errors.Is(err, sqlite3.BUSY):
		return fmt.Errorf("%s is being written to: %w; next: stop the Grafana that runs on it, or use a copy", path, err)
	}
	return fmt.Errorf("read %s: %w", path, err)
}

func (f *sqliteFile) Kind() string { return "sqlite" }
func (f *sqliteFile) Name() string { return "sqlite file " + f.path }

// Close ends the snapshot.
func (f *sqliteFile) Close() error { return f.db.Close() }

// Check looks for damage in the whole file.
func (f *sqliteFile) Check(context.Context) error {
	var bad []string
	err := f.query("PRAGMA quick_check(5)", func(s *sqlite3.Stmt) error {
		if text := s.ColumnText(0); text != "ok" {
			bad = append(bad, shown([]byte(text)))
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(bad) > 0 {
		return fmt.Errorf("%s is damaged: %s; next: sqlite3 %s .recover", f.path, strings.Join(bad, "; "), f.path)
	}
	return nil
}

func (f *sqliteFile) query(sql string, each func(*sqlite3.Stmt) error) error {
	s, _, err := f.db.Prepare(sql)
	if err != nil {
		return sqliteError(f.path, err)
	}
	defer func() { _ = s.Close() }()
	for s.Step() {
		if err := each(s); err != nil {
			return err
		}
	}
	if err := s.Err(); err != nil {
		return sqliteError(f.path, err)
	}
	return nil
}

// Tables are all but sqlite's own and virtual ones.
func (f *sqliteFile) Tables(context.Context) ([]*Table, error) {
	var out []*Table
	err := f.query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND sql NOT LIKE 'CREATE VIRTUAL%' ORDER BY name",
		func(s *sqlite3.Stmt) error {
			out = append(out, &Table{Name: s.ColumnText(0)})
			return nil
		})
	if err != nil {
		return nil, err
	}
	for _, t := range out {
		err := f.query("PRAGMA table_info("+sqlite3.Quote(t.Name)+")", func(s *sqlite3.Stmt) error {
			t.Columns = append(t.Columns, Column{Name: s.ColumnText(1), Type: s.ColumnText(2), Key: s.ColumnInt(5) > 0})
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return out, nil
}

// Size counts.
func (f *sqliteFile) Size(_ context.Context, t *Table) (n int64, err error) {
	err = f.query("SELECT count(*) FROM "+sqlite3.QuoteIdentifier(t.Name), func(s *sqlite3.Stmt) error { n = s.ColumnInt64(0); return nil })
	return n, err
}

// Rows reads a table in the order in which it lies in the file.
func (f *sqliteFile) Rows(ctx context.Context, t *Table, columns []Column, most int64, each func(Row) error) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = sqlite3.QuoteIdentifier(c.Name)
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + sqlite3.QuoteIdentifier(t.Name)
	if most > 0 {
		sql += fmt.Sprintf(" LIMIT %d", most)
	}
	row := make(Row, len(columns))
	err := f.query(sql, func(s *sqlite3.Stmt) error {
		for i := range row {
			row[i] = sqliteValue(s, i)
		}
		return each(row)
	})
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

func sqliteValue(s *sqlite3.Stmt, i int) Value {
	switch s.ColumnType(i) {
	case sqlite3.INTEGER:
		return Value{Kind: Int, Int: s.ColumnInt64(i)}
	case sqlite3.FLOAT:
		return Value{Kind: Float, Float: s.ColumnFloat(i)}
	case sqlite3.TEXT:
		return Value{Kind: Text, Bytes: s.ColumnRawText(i)}
	case sqlite3.BLOB:
		return Value{Kind: Blob, Bytes: s.ColumnRawBlob(i)}
	}
	return Value{}
}

// Counters are those of AUTOINCREMENT: a row that was deleted last leaves its number used.
func (f *sqliteFile) Counters(context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	there := false
	if err := f.query("SELECT 1 FROM sqlite_schema WHERE name = 'sqlite_sequence'",
		func(*sqlite3.Stmt) error { there = true; return nil }); err != nil || !there {
		return out, err
	}
	err := f.query("SELECT name, seq FROM sqlite_sequence", func(s *sqlite3.Stmt) error {
		out[s.ColumnText(0)] = s.ColumnInt64(1)
		return nil
	})
	return out, err
}
