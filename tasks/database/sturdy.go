package database

import (
	"context"
	"database/sql/driver"
	"fmt"
)

// sturdy is a connector whose driver panics on what a server sends: that server does not
// speak the protocol, and the connection is of no more use. database/sql opens connections
// on goroutines of its own too, where a panic would end the process.
type sturdy struct{ driver.Connector }

// malformedError is a connection that ended so.
type malformedError struct{ panicked any }

// Error says what the driver met.
func (e *malformedError) Error() string {
	return fmt.Sprintf("%v (%v)", errNoMySQL, e.panicked)
}

// Is makes database/sql give the connection up.
func (e *malformedError) Is(target error) bool { return target == driver.ErrBadConn }

// within runs what talks to the server.
func within[T any](do func() (T, error)) (out T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &malformedError{p}
		}
	}()
	return do()
}

// Connect logs in.
func (s sturdy) Connect(ctx context.Context) (driver.Conn, error) {
	return within(func() (driver.Conn, error) {
		c, err := s.Connector.Connect(ctx)
		if err != nil {
			return nil, err
		}
		return &sturdyConn{c}, nil
	})
}

// sturdyConn passes on what database/sql and [github.com/ghadeploy/ghadeploy/internal/dbcopy] ask of a connection.
type sturdyConn struct{ driver.Conn }

func (c *sturdyConn) PrepareContext(ctx context.Context, query string) (driver.Stmt, error) {
	return within(func() (driver.Stmt, error) {
		s, err := c.Conn.(driver.ConnPrepareContext).PrepareContext(ctx, query)
		if err != nil {
			return nil, err
		}
		return &sturdyStmt{s}, nil
	})
}

func (c *sturdyConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	return sturdyRowsOf(func() (driver.Rows, error) { return c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args) })
}

func (c *sturdyConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	return within(func() (driver.Result, error) { return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args) })
}

func (c *sturdyConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	return within(func() (driver.Tx, error) {
		tx, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
		if err != nil {
			return nil, err
		}
		return sturdyTx{tx}, nil
	})
}

func (c *sturdyConn) Ping(ctx context.Context) error {
	_, err := within(func() (any, error) { return nil, c.Conn.(driver.Pinger).Ping(ctx) })
	return err
}

func (c *sturdyConn) ResetSession(ctx context.Context) error {
	_, err := within(func() (any, error) { return nil, c.Conn.(driver.SessionResetter).ResetSession(ctx) })
	return err
}

func (c *sturdyConn) IsValid() bool { return c.Conn.(driver.Validator).IsValid() }

func (c *sturdyConn) CheckNamedValue(v *driver.NamedValue) error {
	return c.Conn.(driver.NamedValueChecker).CheckNamedValue(v)
}

type sturdyTx struct{ driver.Tx }

func (t sturdyTx) Commit() error {
	_, err := within(func() (any, error) { return nil, t.Tx.Commit() })
	return err
}

func (t sturdyTx) Rollback() error {
	_, err := within(func() (any, error) { return nil, t.Tx.Rollback() })
	return err
}

type sturdyStmt struct{ driver.Stmt }

func (s *sturdyStmt) QueryContext(ctx context.Context, args []driver.NamedValue) (driver.Rows, error) {
	return sturdyRowsOf(func() (driver.Rows, error) { return s.Stmt.(driver.StmtQueryContext).QueryContext(ctx, args) })
}

func (s *sturdyStmt) ExecContext(ctx context.Context, args []driver.NamedValue) (driver.Result, error) {
	return within(func() (driver.Result, error) { return s.Stmt.(driver.StmtExecContext).ExecContext(ctx, args) })
}

func (s *sturdyStmt) CheckNamedValue(v *driver.NamedValue) error {
	return s.Stmt.(driver.NamedValueChecker).CheckNamedValue(v)
}

type sturdyRows struct{ driver.Rows }

func sturdyRowsOf(query func() (driver.Rows, error)) (driver.Rows, error) {
	return within(func() (driver.Rows, error) {
		r, err := query()
		if err != nil {
			return nil, err
		}
		return sturdyRows{r}, nil
	})
}

func (r sturdyRows) Next(dest []driver.Value) error {
	_, err := within(func() (any, error) { return nil, r.Rows.Next(dest) })
	return err
}

func (r sturdyRows) Close() error {
	_, err := within(func() (any, error) { return nil, r.Rows.Close() })
	return err
}
