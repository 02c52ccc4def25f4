package dbcopy

import (
	"bytes"
	"context"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/jackc/pgx/v5/pgconn"
	"github.com/jackc/pgx/v5/stdlib"
)

// postgres is a PostgreSQL database on one connection of its own.
type postgres struct {
	name string
	conn *sql.Conn
	pg   *pgconn.PgConn
	buf  []byte
}

// The types of which Grafana's migrator makes columns, and what they keep.
var postgresClasses = map[string]Class{
	"boolean": BoolClass, "smallint": IntClass, "integer": IntClass, "bigint": IntClass, "real": Float32Class,
	"double precision": Float64Class,
	"numeric":          DecimalClass, "character varying": TextClass, "text": TextClass, "character": CharClass, "bytea": BytesClass,
	"timestamp without time zone": TimeClass, "timestamp with time zone": TimeClass, "date": DateClass, "json": TextClass, "jsonb": JSONClass,
	"uuid": UUIDClass,
}

// OpenPostgres takes one connection of a pool for itself. read begins a snapshot; without
// it the connection is for a target. name says which database it is, for people.
func OpenPostgres(ctx context.Context, db *sql.DB, name string, read bool) (Target, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	p := &postgres{name: name, conn: conn}
	err = conn.Raw(func(driver any) error {
		c, ok := driver.(*stdlib.Conn)
		if !ok {
			return errors.New("not a connection of pgx")
		}
		p.pg = c.Conn().PgConn()
		return nil
	})
	settings := []string{
		"SET datestyle = 'ISO, YMD'", "SET timezone = 'UTC'", "SET bytea_output = 'hex'", "SET extra_float_digits = 1",
		"SET intervalstyle = 'iso_8601'",
		"SET client_encoding = 'UTF8'", "SET statement_timeout = 0", "SET idle_in_transaction_session_timeout = 0", "SET lock_timeout = '15s'",
		"SET standard_conforming_strings = on", "SET row_security = off",
	}
	if read {
		settings = append(settings, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
	}
	for _, s := range settings {
		if err == nil {
			err = p.exec(ctx, s)
		}
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare the connection: %w", err)
	}
	return p, nil
}

func (p *postgres) Kind() string { return "postgres" }
func (p *postgres) Name() string { return p.name }

// Close gives the connection up, and with it what was not committed.
func (p *postgres) Close() error {
	if !p.pg.IsClosed() && p.pg.TxStatus() != 'I' {
		_ = p.pg.Conn().Close() // the server rolls back; a word with it could hang
	}
	return p.conn.Close()
}

func (p *postgres) exec(ctx context.Context, sql string) error {
	_, err := p.pg.Exec(ctx, sql).ReadAll()
	return saidByServer(err)
}

// query reads text; each may keep nothing.
func (p *postgres) query(ctx context.Context, sql string, each func([][]byte) error, args ...string) error {
	params := make([][]byte, len(args))
	for i, a := range args {
		params[i] = []byte(a)
	}
	rows := p.pg.ExecParams(ctx, sql, params, nil, nil, nil)
	var err error
	for rows.NextRow() && err == nil {
		err = each(rows.Values())
	}
	if err != nil {
		// The rest is not wanted, and a long rest would have to be read to its end.
		_ = p.pg.Conn().Close()
		return err
	}
	_, err = rows.Close()
	return saidByServer(err)
}

func quotePostgres(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }

// Tables are those of the schema in which Grafana's are.
func (p *postgres) Tables(ctx context.Context) ([]*Table, error) {
	var out []*Table
	at := map[string]*Table{}
	err := p.query(ctx, `SELECT c.relname, a.attname, format_type(a.atttypid, NULL), coalesce(nullif(a.atttypmod, -1), 6),
	 pg_get_serial_sequence(quote_ident(n.nspname)||'.'||quote_ident(c.relname), a.attname) IS NOT NULL, a.attgenerated <> ''
	 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
	 WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND NOT c.relispartition AND a.attnum > 0 AND NOT a.attisdropped
	 ORDER BY c.relname, a.attnum`, func(v [][]byte) error {
		name := string(v[0])
		if at[name] == nil {
			at[name] = &Table{Name: name}
			out = append(out, at[name])
		}
		c := Column{Name: string(v[1]), Type: string(v[2]), NoNUL: true, Counts: string(v[4]) == "t", Computed: string(v[5]) == "t"}
		c.Digits, _ = strconv.Atoi(string(v[3]))
		var known bool
		if c.Class, known = postgresClasses[c.Type]; !known {
			c.Class = OtherClass
		}
		at[name].Columns = append(at[name].Columns, c)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	err = p.query(ctx, `SELECT c.relname, i.indexrelid::text, i.indisprimary, a.attname
	 FROM pg_index i JOIN pg_class c ON c.oid = i.indrelid JOIN pg_namespace n ON n.oid = c.relnamespace
	 JOIN LATERAL unnest(i.indkey) WITH ORDINALITY k(attnum, n) ON true JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = k.attnum
	 WHERE n.nspname = current_schema() AND i.indisunique ORDER BY c.relname, i.indexrelid, k.n`, func(v [][]byte) error {
		if t := at[string(v[0])]; t != nil {
			t.unique(string(v[1]), string(v[3]), string(v[2]) == "t")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the indexes: %w", err)
	}
	err = p.query(ctx,
		`SELECT c.relname, f.relname FROM pg_constraint x JOIN pg_class c ON c.oid = x.conrelid JOIN pg_class f ON f.oid = x.confrelid
	 JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname = current_schema() AND x.contype = 'f'`, func(v [][]byte) error {
			if t := at[string(v[0])]; t != nil {
				t.Needs = append(t.Needs, string(v[1]))
			}
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	return out, nil
}

// unique adds a column to one of the table's unique indexes; they come one after another.
func (t *Table) unique(index, column string, primary bool) {
	if index != t.reading {
		t.reading = index
		t.Unique = append(t.Unique, nil)
	}
	last := len(t.Unique) - 1
	t.Unique[last] = append(t.Unique[last], column)
	if c := t.Column(column); c != nil && primary {
		c.Key = true
	}
}

// Size counts.
func (p *postgres) Size(ctx context.Context, t *Table) (n int64, err error) {
	err = p.query(ctx, "SELECT count(*) FROM "+quotePostgres(t.Name),
		func(v [][]byte) (err error) { n, err = strconv.ParseInt(string(v[0]), 10, 64); return err })
	return n, err
}

// Rows reads a table as text.
func (p *postgres) Rows(ctx context.Context, t *Table, columns []Column, most int64, each func(Row) error) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quotePostgres(c.Name)
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + quotePostgres(t.Name)
	if most > 0 {
		sql += fmt.Sprintf(" LIMIT %d", most)
	}
	row := make(Row, len(columns))
	return p.query(ctx, sql, func(v [][]byte) error {
		for i := range row {
			var err error
			if row[i], err = fromPostgres(v[i], columns[i].Class); err != nil {
				return fmt.Errorf("table %s, column %s: %w", t.Name, columns[i].Name, err)
			}
		}
		return each(row)
	})
}

func fromPostgres(b []byte, c Class) (Value, error) {
	switch {
	case b == nil:
		return Value{}, nil
	case c == BoolClass:
		v := Value{Kind: Int}
		if len(b) == 1 && b[0] == 't' {
			v.Int = 1
		}
		return v, nil
	case c == IntClass:
		n, err := strconv.ParseInt(string(b), 10, 64)
		return Value{Kind: Int, Int: n}, err
	case c == Float32Class, c == Float64Class:
		f, err := strconv.ParseFloat(string(b), 64)
		return Value{Kind: Float, Float: f}, err
	case c == BytesClass:
		if !bytes.HasPrefix(b, []byte(`\x`)) {
			return Value{}, errors.New("bytes that are not in hexadecimal")
		}
		n, err := hex.Decode(b, b[2:]) // in place: what is read is ahead of what is written
		return Value{Kind: Blob, Bytes: b[:n]}, err
	}
	return Value{Kind: Text, Bytes: b}, nil
}

// Counters are where the sequences stand.
func (p *postgres) Counters(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := p.query(ctx, `SELECT c.relname, coalesce(pg_sequence_last_value(pg_get_serial_sequence(quote_ident(n.nspname)||'.'||quote_ident(c.relname), a.attname)::regclass), 0)
	 FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_attribute a ON a.attrelid = c.oid
	 WHERE n.nspname = current_schema() AND c.relkind IN ('r', 'p') AND a.attnum > 0 AND NOT a.attisdropped
	 AND pg_get_serial_sequence(quote_ident(n.nspname)||'.'||quote_ident(c.relname), a.attname) IS NOT NULL`, func(v [][]byte) error {
		n, err := strconv.ParseInt(string(v[1]), 10, 64)
		out[string(v[0])] = max(out[string(v[0])], n)
		return err
	})
	return out, err
}

// Others counts sessions of others in the database; what belongs to the server does not count.
func (p *postgres) Others(ctx context.Context) (n int, err error) {
	err = p.query(ctx, "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND coalesce(backend_type, 'client backend') = 'client backend' AND application_name <> 'ghadeploy'",
		func(v [][]byte) (err error) { n, err = strconv.Atoi(string(v[0])); return err })
	return n, err
}

func postgresNames(tables []*Table) string {
	list := make([]string, len(tables))
	for i, t := range tables {
		list[i] = quotePostgres(t.Name)
	}
	return strings.Join(list, ", ")
}

// Begin locks the tables against everybody else's writes, until the end.
func (p *postgres) Begin(ctx context.Context, tables []*Table) error {
	if err := p.exec(ctx, "BEGIN"); err != nil {
		return err
	}
	if len(tables) == 0 {
		return nil
	}
	if err := p.exec(ctx, "LOCK TABLE "+postgresNames(tables)+" IN ACCESS EXCLUSIVE MODE"); err != nil {
		return fmt.Errorf("keep others from writing meanwhile: %w", err)
	}
	return p.exec(ctx, "SET CONSTRAINTS ALL DEFERRED")
}

func (p *postgres) Empty(ctx context.Context, tables []*Table) error {
	if len(tables) == 0 {
		return nil
	}
	return p.exec(ctx, "TRUNCATE "+postgresNames(tables))
}

// Write sends rows by COPY. What the server refuses is undone to before it.
func (p *postgres) Write(ctx context.Context, t *Table, columns []Column, rows []Row) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quotePostgres(c.Name)
	}
	if err := p.exec(ctx, "SAVEPOINT batch"); err != nil {
		return err
	}
	b := p.buf[:0]
	for _, r := range rows {
		b = appendCopy(b, r)
	}
	if p.buf = b[:0]; cap(b) > 4*batchBytes {
		p.buf = nil
	}
	_, err := p.pg.CopyFrom(ctx, bytes.NewReader(b), "COPY "+quotePostgres(t.Name)+" ("+strings.Join(list, ", ")+") FROM STDIN")
	if err == nil {
		return p.exec(ctx, "RELEASE SAVEPOINT batch")
	}
	refused, ok := errors.AsType[*pgconn.PgError](err)
	// Classes 22 (data), 23 (constraint) and 54 (limits) are about rows: https://www.postgresql.org/docs/current/errcodes-appendix.html
	if !ok || len(refused.Code) < 2 || !slices.Contains([]string{"22", "23", "54"}, refused.Code[:2]) {
		return saidByServer(err)
	}
	if err := p.exec(ctx, "ROLLBACK TO SAVEPOINT batch"); err != nil {
		return err
	}
	return &RefusedError{saidByServer(err)}
}

// appendCopy writes a row in COPY's text format
// (https://www.postgresql.org/docs/current/sql-copy.html#id-1.9.3.55.9.2).
func appendCopy(b []byte, r Row) []byte {
	for i, v := range r {
		if i > 0 {
			b = append(b, '\t')
		}
		switch v.Kind {
		case Null:
			b = append(b, `\N`...)
		case Blob:
			b = append(b, `\\x`...)
			b = hex.AppendEncode(b, v.Bytes)
		case Text:
			b = appendEscaped(b, v.Bytes)
		default:
			b = v.appendText(b)
		}
	}
	return append(b, '\n')
}

func appendEscaped(b, text []byte) []byte {
	from := 0
	for i, c := range text {
		var by byte
		switch c {
		case '\\':
			by = '\\'
		case '\n':
			by = 'n'
		case '\r':
			by = 'r'
		case '\t':
			by = 't'
		default:
			continue
		}
		b = append(append(b, text[from:i]...), '\\', by)
		from = i + 1
	}
	return append(b, text[from:]...)
}

// Count restarts the sequence, which unlike setval is taken back with the transaction.
func (p *postgres) Count(ctx context.Context, t *Table, c Column, next, _ int64) error {
	var sequence string
	err := p.query(ctx, "SELECT pg_get_serial_sequence(quote_ident(current_schema())||'.'||quote_ident($1::text), $2::text)",
		func(v [][]byte) error { sequence = string(v[0]); return nil }, t.Name, c.Name)
	if err != nil || sequence == "" {
		return err
	}
	return p.exec(ctx, fmt.Sprintf("ALTER SEQUENCE %s RESTART WITH %d", sequence, next))
}

func (p *postgres) Commit(ctx context.Context) error { return p.exec(ctx, "COMMIT") }

func (p *postgres) Rollback(ctx context.Context) error {
	if p.pg.IsClosed() {
		return nil // the server has rolled back
	}
	return p.exec(ctx, "ROLLBACK")
}

// After has the planner know the new content.
func (p *postgres) After(ctx context.Context) error { return p.exec(ctx, "ANALYZE") }

// saidByServer keeps the server's message and code: its details repeat whole rows.
func saidByServer(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		where := ""
		if pg.ConstraintName != "" {
			where = ", constraint " + shown([]byte(pg.ConstraintName))
		}
		if pg.ColumnName != "" {
			where += ", column " + shown([]byte(pg.ColumnName))
		}
		return fmt.Errorf("%s (SQLSTATE %s%s)", shown([]byte(pg.Message)), pg.Code, where)
	}
	return err
}
