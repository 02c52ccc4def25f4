package database

import (
	"context"
	"database/sql"
	"fmt"
	"log/slog"
	"strconv"
	"strings"
	"time"

	_ "github.com/lib/pq" // the driver of the real thing, with its reading of a DSN

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

// DB is a pool that speaks one dialect for both databases: queries are written
// with ? for arguments and [name] for quoted names.
type DB struct {
	*sql.DB
	Type string
	name string
}

// Open makes the pool without connecting: Grafana finds out with its first query.
func Open(s settings.Database, log *slog.Logger) (*DB, error) {
	t, err := resolve(s)
	if err != nil {
		return nil, err
	}
	dsn, err := t.dsn()
	if err != nil {
		return nil, err
	}
	log.Info("Connecting to DB", "dbtype", t.Type)
	pool, err := sql.Open(t.Type, dsn)
	if err != nil {
		return nil, fmt.Errorf("failed to connect to database: %w", err)
	}
	pool.SetMaxOpenConns(s.MaxOpen)
	pool.SetMaxIdleConns(s.MaxIdle)
	pool.SetConnMaxLifetime(time.Duration(s.LifetimeSeconds) * time.Second)
	return &DB{DB: pool, Type: t.Type, name: t.Name}, nil
}

// SQL turns the common spelling into the database's own.
func (d *DB) SQL(query string) string {
	if d.Type == MySQL {
		return strings.NewReplacer("[", "`", "]", "`").Replace(query)
	}
	var b strings.Builder
	n := 0
	for _, r := range query {
		switch r {
		case '?':
			n++
			b.WriteString("$" + strconv.Itoa(n))
		case '[', ']':
			b.WriteByte('"')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

// Exec runs a statement and returns how many rows it touched.
func (d *DB) Exec(ctx context.Context, query string, args ...any) (int64, error) {
	res, err := d.ExecContext(ctx, d.SQL(query), args...)
	if err != nil {
		return 0, err
	}
	return res.RowsAffected()
}

// Insert runs an INSERT and returns the new id.
func (d *DB) Insert(ctx context.Context, query string, args ...any) (int64, error) {
	if d.Type == Postgres {
		var id int64
		err := d.QueryRowContext(ctx, d.SQL(query+" RETURNING id"), args...).Scan(&id)
		return id, err
	}
	res, err := d.ExecContext(ctx, d.SQL(query), args...)
	if err != nil {
		return 0, err
	}
	return res.LastInsertId()
}

// Row runs a query for one row and scans it into dest; sql.ErrNoRows when there is none.
func (d *DB) Row(ctx context.Context, query string, args []any, dest ...any) error {
	return d.QueryRowContext(ctx, d.SQL(query), args...).Scan(dest...)
}

// Each runs a query and calls scan for each row.
func (d *DB) Each(ctx context.Context, scan func(scan func(dest ...any) error) error, query string, args ...any) error {
	rows, err := d.QueryContext(ctx, d.SQL(query), args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		if err := scan(rows.Scan); err != nil {
			return err
		}
	}
	return rows.Err()
}
