package dbcopy

import "context"

// Source is a database that is read in one snapshot. Close it.
type Source interface {
	// Kind is "sqlite", "postgres", "mysql" or "mariadb"; Name says which, for people.
	Kind() string
	Name() string
	// Tables are all base tables, with their columns.
	Tables(ctx context.Context) ([]*Table, error)
	// Size counts the rows of a table.
	Size(ctx context.Context, t *Table) (int64, error)
	// Rows reads these columns of a table; what each is given is good until it returns.
	// max bounds the rows; 0: all.
	Rows(ctx context.Context, t *Table, columns []Column, max int64, each func(Row) error) error
	// Counters are the numbers that were given out last, by table, where that can be
	// more than the highest one in use.
	Counters(ctx context.Context) (map[string]int64, error)
	Close() error
}

// Target is a database that can be written to, in one transaction.
type Target interface {
	Source
	// Others counts the connections to the database that are not ours.
	Others(ctx context.Context) (int, error)
	// Begin opens the transaction and keeps others from writing to these tables.
	Begin(ctx context.Context, tables []*Table) error
	// Empty removes all rows of the tables, the last one first.
	Empty(ctx context.Context, tables []*Table) error
	// Write adds rows, all or none of them. A *RefusedError says that it is the rows that
	// the server does not take; the transaction goes on.
	Write(ctx context.Context, t *Table, columns []Column, rows []Row) error
	// Count has the server number new rows of a table from next on, within the
	// transaction where the server can; used is the highest number in the table.
	Count(ctx context.Context, t *Table, c Column, next, used int64) error
	Commit(ctx context.Context) error
	Rollback(ctx context.Context) error
	// After is what the server can do outside of a transaction only; doing it again does
	// no harm.
	After(ctx context.Context) error
}

// RefusedError is a server that does not take rows for what is in them.
type RefusedError struct{ Cause error }

// Error is the server's own words.
func (e *RefusedError) Error() string { return e.Cause.Error() }

// Unwrap gives the server's error.
func (e *RefusedError) Unwrap() error { return e.Cause }
