package dbcopy

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"

	drivermysql "github.com/go-sql-driver/mysql"
)

// mysql is a MySQL or MariaDB database on one connection of its own.
type mysql struct {
	kind, name string
	conn       *sql.Conn
	// packet is the longest statement that driver and server take.
	packet int
	buf    []byte
	after  []string
}

// The types of which Grafana's migrator makes columns, and what they keep.
var mysqlClasses = map[string]Class{
	"tinyint": IntClass, "smallint": IntClass, "mediumint": IntClass, "int": IntClass, "bigint": IntClass, "year": IntClass,
	"float": Float32Class, "double": Float64Class, "decimal": DecimalClass,
	"varchar": TextClass, "tinytext": TextClass, "text": TextClass, "mediumtext": TextClass, "longtext": TextClass, "enum": TextClass,
	"set":  TextClass,
	"char": CharClass, "varbinary": BytesClass, "tinyblob": BytesClass, "blob": BytesClass, "mediumblob": BytesClass, "longblob": BytesClass,
	"bit": BytesClass, "binary": BinaryClass, "datetime": TimeClass, "timestamp": TimeClass, "date": DateClass, "json": JSONClass,
}

// OpenMySQL takes one connection of a pool for itself. read begins a snapshot; without it
// the connection is for a target. kind is "mysql" or "mariadb".
func OpenMySQL(ctx context.Context, db *sql.DB, kind, name string, read bool) (Target, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	m := &mysql{kind: kind, name: name, conn: conn}
	settings := []string{
		// Nothing is made fit silently, and 0 is a number like others.
		"SET SESSION sql_mode = 'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION'",
		"SET SESSION time_zone = '+00:00'", "SET SESSION innodb_lock_wait_timeout = 15", "SET SESSION lock_wait_timeout = 15",
	}
	if read {
		settings = append(settings, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ",
			"START TRANSACTION WITH CONSISTENT SNAPSHOT, READ ONLY")
	}
	for _, s := range settings {
		if err == nil {
			err = m.exec(ctx, s)
		}
	}
	if err == nil {
		err = conn.QueryRowContext(ctx, "SELECT @@max_allowed_packet").Scan(&m.packet)
	}
	if err != nil {
		_ = conn.Close()
		return nil, fmt.Errorf("prepare the connection: %w", saidByMySQL(err))
	}
	m.packet = min(m.packet, 64<<20) - 1024 // what the driver sends at most
	return m, nil
}

func (m *mysql) Kind() string { return m.kind }
func (m *mysql) Name() string { return m.name }

// Close gives the connection up, and with it what was not committed.
func (m *mysql) Close() error {
	_ = m.conn.Raw(func(any) error { return driver.ErrBadConn }) // it does not go back to the pool with our settings
	_ = m.conn.Close()
	return nil
}

func (m *mysql) exec(ctx context.Context, sql string) error {
	_, err := m.conn.ExecContext(ctx, sql)
	return saidByMySQL(err)
}

func quoteMySQL(name string) string { return "`" + strings.ReplaceAll(name, "`", "``") + "`" }

// query gives each row of an answer, in the binary protocol: as text a FLOAT would be
// rounded to six digits.
func (m *mysql) query(ctx context.Context, sql string, each func([]driver.Value) error) error {
	err := m.conn.Raw(func(c any) error {
		s, err := c.(driver.ConnPrepareContext).PrepareContext(ctx, sql)
		if err != nil {
			return err
		}
		defer func() { _ = s.Close() }()
		rows, err := s.(driver.StmtQueryContext).QueryContext(ctx, nil)
		if err != nil {
			return err
		}
		defer func() { _ = rows.Close() }()
		values := make([]driver.Value, len(rows.Columns()))
		for {
			err := rows.Next(values)
			if errors.Is(err, io.EOF) {
				return nil
			}
			if err == nil {
				err = each(values)
			}
			if err != nil {
				return err
			}
		}
	})
	return saidByMySQL(err)
}

func text(v driver.Value) string {
	switch v := v.(type) {
	case []byte:
		return string(v)
	case string:
		return v
	case int64:
		return strconv.FormatInt(v, 10)
	}
	return ""
}

// Tables are the base tables of the database.
func (m *mysql) Tables(ctx context.Context) ([]*Table, error) {
	var out []*Table
	at := map[string]*Table{}
	err := m.query(ctx, "SELECT t.TABLE_NAME, coalesce(t.ENGINE, ''), c.COLUMN_NAME, c.DATA_TYPE, coalesce(c.COLLATION_NAME, ''), coalesce(c.DATETIME_PRECISION, 0), c.EXTRA"+
		" FROM information_schema.TABLES t JOIN information_schema.COLUMNS c ON c.TABLE_SCHEMA = t.TABLE_SCHEMA AND c.TABLE_NAME = t.TABLE_NAME"+
		" WHERE t.TABLE_SCHEMA = database() AND t.TABLE_TYPE = 'BASE TABLE' ORDER BY t.TABLE_NAME, c.ORDINAL_POSITION",
		func(v []driver.Value) error {
			name := text(v[0])
			if at[name] == nil {
				at[name] = &Table{Name: name}
				if engine := text(v[1]); !strings.EqualFold(engine, "InnoDB") {
					at[name].Unsafe = "its engine " + shown([]byte(engine)) + " knows no transactions"
				}
				out = append(out, at[name])
			}
			extra := strings.ToLower(text(v[6]))
			c := Column{
				Name: text(v[2]), Type: strings.ToLower(text(v[3])), Folds: strings.HasSuffix(text(v[4]), "_ci"),
				Counts: strings.Contains(extra, "auto_increment"), Computed: strings.Contains(extra, "generated") &&
					!strings.Contains(extra, "default_generated"),
			}
			c.Digits, _ = strconv.Atoi(text(v[5]))
			var known bool
			if c.Class, known = mysqlClasses[c.Type]; !known {
				c.Class = OtherClass
			}
			at[name].Columns = append(at[name].Columns, c)
			return nil
		})
	if err != nil {
		return nil, fmt.Errorf("read the schema: %w", err)
	}
	err = m.query(ctx, "SELECT TABLE_NAME, INDEX_NAME, coalesce(COLUMN_NAME, '') FROM information_schema.STATISTICS"+
		" WHERE TABLE_SCHEMA = database() AND NON_UNIQUE = 0 ORDER BY TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX", func(v []driver.Value) error {
		if t := at[text(v[0])]; t != nil {
			t.unique(text(v[1]), text(v[2]), text(v[1]) == "PRIMARY")
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the indexes: %w", err)
	}
	err = m.query(ctx, "SELECT TABLE_NAME, REFERENCED_TABLE_NAME FROM information_schema.KEY_COLUMN_USAGE"+
		" WHERE TABLE_SCHEMA = database() AND REFERENCED_TABLE_NAME IS NOT NULL", func(v []driver.Value) error {
		if t := at[text(v[0])]; t != nil {
			t.Needs = append(t.Needs, text(v[1]))
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the foreign keys: %w", err)
	}
	return out, nil
}

// Size counts.
func (m *mysql) Size(ctx context.Context, t *Table) (n int64, err error) {
	err = m.query(ctx, "SELECT count(*) FROM "+quoteMySQL(t.Name),
		func(v []driver.Value) (err error) { n, err = strconv.ParseInt(text(v[0]), 10, 64); return err })
	return n, err
}

// Rows reads a table.
func (m *mysql) Rows(ctx context.Context, t *Table, columns []Column, most int64, each func(Row) error) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quoteMySQL(c.Name)
	}
	sql := "SELECT " + strings.Join(list, ", ") + " FROM " + quoteMySQL(t.Name)
	if most > 0 {
		sql += fmt.Sprintf(" LIMIT %d", most)
	}
	row := make(Row, len(columns))
	return m.query(ctx, sql, func(v []driver.Value) error {
		for i := range row {
			row[i] = fromMySQL(v[i], columns[i].Class)
		}
		return each(row)
	})
}

func fromMySQL(v driver.Value, c Class) Value {
	switch v := v.(type) {
	case nil:
		return Value{}
	case int64:
		return Value{Kind: Int, Int: v}
	case float32:
		return Value{Kind: Float, Float: float64(v)}
	case float64:
		return Value{Kind: Float, Float: v}
	case []byte:
		if c == BytesClass || c == BinaryClass {
			return Value{Kind: Blob, Bytes: v}
		}
		return Value{Kind: Text, Bytes: v}
	}
	return Value{Kind: Text, Bytes: []byte(text(v))}
}

// Counters are where AUTO_INCREMENT stands.
func (m *mysql) Counters(ctx context.Context) (map[string]int64, error) {
	out := map[string]int64{}
	err := m.query(ctx, "SELECT TABLE_NAME, CAST(AUTO_INCREMENT - 1 AS SIGNED) FROM information_schema.TABLES WHERE TABLE_SCHEMA = database() AND AUTO_INCREMENT IS NOT NULL",
		func(v []driver.Value) error {
			n, err := strconv.ParseInt(text(v[1]), 10, 64)
			out[text(v[0])] = n
			return err
		})
	return out, err
}

// Others counts connections of others to the database, as far as the login sees them:
// its own always.
func (m *mysql) Others(ctx context.Context) (n int, err error) {
	err = m.query(ctx, "SELECT count(*) FROM information_schema.PROCESSLIST WHERE DB = database() AND ID <> connection_id()",
		func(v []driver.Value) (err error) { n, err = strconv.Atoi(text(v[0])); return err })
	return n, err
}

// Begin opens the transaction. Empty is what keeps others from writing: it locks every
// row and the gaps between them.
func (m *mysql) Begin(ctx context.Context, _ []*Table) error {
	if err := m.exec(ctx, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ"); err != nil {
		return err
	}
	return m.exec(ctx, "START TRANSACTION")
}

// Empty deletes, since TRUNCATE ends a transaction; in pieces, so that no statement
// takes long.
func (m *mysql) Empty(ctx context.Context, tables []*Table) error {
	for _, t := range slices.Backward(tables) {
		for more := true; more; {
			res, err := m.conn.ExecContext(ctx, "DELETE FROM "+quoteMySQL(t.Name)+" LIMIT 20000")
			if err != nil {
				return fmt.Errorf("empty table %s: %w", t.Name, saidByMySQL(err))
			}
			n, err := res.RowsAffected()
			if more = n > 0; err != nil {
				return err
			}
		}
	}
	return nil
}

// statementBytes is how long an INSERT gets before the next one begins.
const statementBytes = 1 << 20

// Write sends rows by INSERTs of many rows. What the server refuses is undone to before
// the first.
func (m *mysql) Write(ctx context.Context, t *Table, columns []Column, rows []Row) error {
	list := make([]string, len(columns))
	for i, c := range columns {
		list[i] = quoteMySQL(c.Name)
	}
	if err := m.exec(ctx, "SAVEPOINT batch"); err != nil {
		return err
	}
	err := m.insert(ctx, "INSERT INTO "+quoteMySQL(t.Name)+" ("+strings.Join(list, ", ")+") VALUES ", rows)
	if err == nil {
		return m.exec(ctx, "RELEASE SAVEPOINT batch")
	}
	if !ofRows(err) {
		return saidByMySQL(err)
	}
	if err := m.exec(ctx, "ROLLBACK TO SAVEPOINT batch"); err != nil {
		return err
	}
	return &RefusedError{saidByMySQL(err)}
}

var errPacket = errors.New("the row is longer than the server's max_allowed_packet")

func (m *mysql) insert(ctx context.Context, head string, rows []Row) error {
	b := append(m.buf[:0], head...)
	for i, r := range rows {
		if len(b) > len(head) {
			b = append(b, ',')
		}
		b = appendTuple(b, r)
		if len(b) > m.packet && len(rows) == 1 {
			return errPacket
		}
		if len(b) < min(statementBytes, m.packet/2) && i < len(rows)-1 {
			continue
		}
		if len(b) > m.packet {
			return errPacket // the rows are tried one by one then
		}
		if _, err := m.conn.ExecContext(ctx, string(b)); err != nil {
			return err
		}
		b = b[:len(head)]
	}
	if m.buf = b[:0]; cap(b) > 4*batchBytes {
		m.buf = nil
	}
	return nil
}

func appendTuple(b []byte, r Row) []byte {
	b = append(b, '(')
	for i, v := range r {
		if i > 0 {
			b = append(b, ',')
		}
		switch {
		case v.Kind == Blob:
			b = appendQuoted(append(b, "_binary"...), v.Bytes)
		case v.Kind == Text:
			b = appendQuoted(b, v.Bytes)
		case v.Kind == Time, v.Kind == Float && (math.IsInf(v.Float, 0) || math.IsNaN(v.Float)):
			b = append(v.appendText(append(b, '\'')), '\'')
		default:
			b = v.appendText(b)
		}
	}
	return append(b, ')')
}

// appendQuoted quotes for a session without NO_BACKSLASH_ESCAPES, which ours is
// (https://dev.mysql.com/doc/refman/8.0/en/string-literals.html).
func appendQuoted(b, text []byte) []byte {
	b = append(b, '\'')
	from := 0
	for i, c := range text {
		var by byte
		switch c {
		case 0:
			by = '0'
		case '\'', '\\':
			by = c
		default:
			continue
		}
		b = append(append(b, text[from:i]...), '\\', by)
		from = i + 1
	}
	return append(append(b, text[from:]...), '\'')
}

// refusals are what the server says of rows, not of statements
// (https://dev.mysql.com/doc/mysql-errors/8.0/en/server-error-reference.html,
// https://mariadb.com/kb/en/mariadb-error-code-reference/).
var refusals = []uint16{
	1048, 1062, 1118, 1216, 1264, 1265, 1292, 1364, 1365, 1366, 1367, 1406, 1441, 1452, 1557, 1586, 1690, 3140, 3141, 3156, 3819, 4025, 1761,
	1762, 1411,
}

func ofRows(err error) bool {
	if errors.Is(err, errPacket) {
		return true
	}
	my, ok := errors.AsType[*drivermysql.MySQLError](err)
	return ok && slices.Contains(refusals, my.Number)
}

// Count remembers what [mysql.After] tells: InnoDB numbers on from the highest number
// that was inserted by itself.
func (m *mysql) Count(_ context.Context, t *Table, _ Column, next, used int64) error {
	if next > used+1 {
		m.after = append(m.after, fmt.Sprintf("ALTER TABLE %s AUTO_INCREMENT = %d", quoteMySQL(t.Name), next))
	}
	return nil
}

func (m *mysql) Commit(ctx context.Context) error   { return m.exec(ctx, "COMMIT") }
func (m *mysql) Rollback(ctx context.Context) error { return m.exec(ctx, "ROLLBACK") }

// After sets where AUTO_INCREMENT goes on, which ends a transaction.
func (m *mysql) After(ctx context.Context) error {
	for _, s := range m.after {
		if err := m.exec(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// saidByMySQL keeps the server's message and number, and not the statement.
func saidByMySQL(err error) error {
	if my, ok := errors.AsType[*drivermysql.MySQLError](err); ok {
		message, _, _ := strings.Cut(my.Message, " near ")
		return fmt.Errorf("%s (error %d)", shown([]byte(message)), my.Number)
	}
	return err
}
