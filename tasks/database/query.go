package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// scan reads one value.
func scan[T any](ctx context.Context, db *DB, query string, args ...any) (T, error) {
	var v T
	err := db.QueryRowContext(ctx, query, args...).Scan(&v)
	return v, err
}

// setting reads a variable of MySQL; empty where the server has no such variable.
func (db *DB) setting(ctx context.Context, name string) string {
	var key, value string
	if err := db.QueryRowContext(ctx, "SHOW GLOBAL VARIABLES WHERE Variable_name = '"+name+"'").Scan(&key, &value); err != nil {
		return ""
	}
	return value
}

// status reads a status counter of MySQL; empty where there is none.
func (db *DB) status(ctx context.Context, name string) string {
	var key, value string
	if err := db.QueryRowContext(ctx, "SHOW GLOBAL STATUS WHERE Variable_name = '"+name+"'").Scan(&key, &value); err != nil {
		return ""
	}
	return value
}

// serverError keeps the server's message and code and drops the rest: a driver
// may repeat the statement, which holds a password when it makes a role.
func serverError(err error) error {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
	}
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		// "You have an error in your SQL syntax; ... near '...'" quotes the statement.
		message, _, _ := strings.Cut(my.Message, " near ")
		return fmt.Errorf("%s (error %d)", message, my.Number)
	}
	return err
}

// noTable tells a missing table (or column, in a version without it) from a failure.
func noTable(err error) bool {
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		return pg.Code == "42P01" || pg.Code == "42703"
	}
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		return my.Number == 1146 || my.Number == 1054
	}
	return errors.Is(err, sql.ErrNoRows)
}
