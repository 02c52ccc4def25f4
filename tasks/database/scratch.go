package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

const (
	// scratchMark is the table that says that a database is one of ours to empty.
	scratchMark = "ghadeploy_rehearsal"
	// scratchSuffix ends the names of those that are made and dropped.
	scratchSuffix = "_ghadeploy_rehearsal"
	// longestName is PostgreSQL's bound; MySQL has one byte more.
	longestName = 63
)

// ErrNoScratch is an inventory that says nowhere where a copy of the database could go.
var ErrNoScratch = errors.New("there is no database to rehearse in: set database.create, which makes one and drops it, or name an empty one of the login's own in database.rehearsal")

// ScratchError is a database that cannot be had, or may not be used, for a copy.
type ScratchError struct {
	Name  string
	Cause error
}

// Error names the database.
func (e *ScratchError) Error() string { return fmt.Sprintf("database %s: %v", e.Name, e.Cause) }

// Unwrap gives the cause.
func (e *ScratchError) Unwrap() error { return e.Cause }

// Scratch is db with the name of its scratch database: database.rehearsal, or one beside
// it that is made and dropped by database.create. ErrNoScratch where neither is given.
func Scratch(db inventory.Database) (inventory.Database, error) {
	switch {
	case db.Rehearsal != "":
		db.Name, db.Create = db.Rehearsal, nil
	case db.Create != nil:
		if len(db.Name)+len(scratchSuffix) > longestName {
			return db, &ScratchError{db.Name + scratchSuffix, fmt.Errorf("the name is longer than %d characters: name a database in database.rehearsal", longestName)}
		}
		db.Name += scratchSuffix
	default:
		return db, ErrNoScratch
	}
	return db, nil
}

// MakeScratch has the scratch database of db there, marked as one, and ready to be filled.
// One that holds tables and no mark is somebody's, and refused.
func MakeScratch(ctx context.Context, conn fleet.Conn, db inventory.Database) (inventory.Database, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	scratch, err := Scratch(db)
	if err != nil {
		return scratch, err
	}
	if scratch.Create != nil {
		err = createScratch(ctx, conn, db, scratch)
	}
	if err == nil {
		err = markScratch(ctx, conn, scratch)
	}
	if err != nil {
		return scratch, &ScratchError{scratch.Name, err}
	}
	return scratch, nil
}

// createScratch makes it with the collation of the original, on which migrations depend.
func createScratch(ctx context.Context, conn fleet.Conn, db, scratch inventory.Database) error {
	own, err := Open(ctx, conn, db, nil)
	if err != nil {
		return err
	}
	defer own.Close()
	admin, err := Open(ctx, conn, db, db.Create)
	if err != nil {
		return fmt.Errorf("database.create: %w", err)
	}
	defer admin.Close()
	there, err := admin.hasScratch(ctx, scratch)
	if err != nil {
		return err
	}
	if own.Kind == Postgres {
		return admin.scratchInPostgres(ctx, own, scratch, there)
	}
	return admin.scratchInMySQL(ctx, own, scratch, there)
}

func (db *DB) hasScratch(ctx context.Context, scratch inventory.Database) (bool, error) {
	there, err := db.hasDatabase(ctx, scratch.Name)
	if err != nil {
		return false, fmt.Errorf("look for it as %s: %w", db.User, serverError(err))
	}
	return there, nil
}

func (db *DB) scratchInPostgres(ctx context.Context, own *DB, scratch inventory.Database, there bool) error {
	if there {
		return nil
	}
	var collate, ctype string
	if err := own.QueryRowContext(ctx, `SELECT datcollate, datctype FROM pg_database WHERE datname = current_database()`).Scan(&collate, &ctype); err != nil {
		return fmt.Errorf("read the collation: %w", serverError(err))
	}
	role := quoteName(Postgres, scratch.User)
	// As for the first database: an owner's role must be the administrator's own too.
	if super, err := scan[bool](ctx, db, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`); err == nil && !super {
		_, _ = db.ExecContext(ctx, "GRANT "+role+" TO CURRENT_USER")
	}
	return db.do(ctx, "create it", "CREATE DATABASE "+quoteName(Postgres, scratch.Name)+" OWNER "+role+" ENCODING 'UTF8' LC_COLLATE "+quoteText(Postgres, collate)+
		" LC_CTYPE "+quoteText(Postgres, ctype)+" TEMPLATE template0")
}

func (db *DB) scratchInMySQL(ctx context.Context, own *DB, scratch inventory.Database, there bool) error {
	name := quoteName(MySQL, scratch.Name)
	if !there {
		var charset, collation string
		const query = `SELECT @@character_set_database, @@collation_database`
		if err := own.QueryRowContext(ctx, query).Scan(&charset, &collation); err != nil {
			return fmt.Errorf("read the collation: %w", serverError(err))
		}
		if !plainWord(charset) || !plainWord(collation) {
			return fmt.Errorf("the server calls its collation %.40q", collation)
		}
		if err := db.do(ctx, "create it", "CREATE DATABASE "+name+" CHARACTER SET "+charset+" COLLATE "+collation); err != nil {
			return err
		}
	}
	return db.grantScratch(ctx, own, scratch, "GRANT ALL PRIVILEGES ON ", " TO ")
}

// grantScratch gives, or takes, the rights of the account that Grafana's login is: the
// server says which, since it may be bound to hosts.
func (db *DB) grantScratch(ctx context.Context, own *DB, scratch inventory.Database, verb, to string) error {
	account, err := scan[string](ctx, own, `SELECT current_user()`)
	if err != nil {
		return fmt.Errorf("read the login's account: %w", serverError(err))
	}
	i := strings.LastIndexByte(account, '@')
	if i < 0 {
		return fmt.Errorf("the server calls the login %.80q", account)
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	// The quoting of texts holds in this mode only.
	if _, err := c.ExecContext(ctx, "SET SESSION sql_mode = ''"); err != nil {
		return fmt.Errorf("set sql_mode: %w", err)
	}
	grantee := quoteText(MySQL, account[:i]) + "@" + quoteText(MySQL, account[i+1:])
	if _, err := c.ExecContext(ctx, verb+quoteName(MySQL, grantPattern(scratch.Name, db.partialRevokes(ctx)))+".*"+to+grantee); err != nil {
		if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
			message, _, _ := strings.Cut(my.Message, " near ") // which quotes the statement
			err = &mysql.MySQLError{Number: my.Number, Message: message}
		}
		return fmt.Errorf("%s rights: %w", strings.ToLower(firstWord(verb)), err)
	}
	return nil
}

// plainWord is what a character set or collation is called.
func plainWord(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}) < 0
}

const (
	tablesInPostgres = `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r','p','v','m')`
	markInPostgres   = `SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relname = '` + scratchMark + `'`
	tablesInMySQL    = `SELECT count(*) FROM information_schema.tables WHERE table_schema = database()`
	markInMySQL      = tablesInMySQL + ` AND table_name = '` + scratchMark + `'`
)

// scratchState tells how many tables there are, and whether the mark is among them.
func (db *DB) scratchState(ctx context.Context) (tables int64, marked bool, err error) {
	all, mark := tablesInPostgres, markInPostgres
	if db.Kind != Postgres {
		all, mark = tablesInMySQL, markInMySQL
	}
	if tables, err = scan[int64](ctx, db, all); err != nil {
		return 0, false, serverError(err)
	}
	n, err := scan[int64](ctx, db, mark)
	if err != nil {
		return 0, false, serverError(err)
	}
	return tables, n > 0, nil
}

// markScratch marks an empty database, and takes one that is marked.
func markScratch(ctx context.Context, conn fleet.Conn, scratch inventory.Database) error {
	own, err := Open(ctx, conn, scratch, nil)
	if err != nil {
		return err
	}
	defer own.Close()
	tables, marked, err := own.scratchState(ctx)
	switch {
	case err != nil:
		return err
	case marked:
		return nil
	case tables > 0:
		return fmt.Errorf("it holds %d tables that no rehearsal has left: a rehearsal would empty it", tables)
	}
	return own.do(ctx, "make a table", "CREATE TABLE "+quoteName(own.Kind, scratchMark)+" (note VARCHAR(40) NOT NULL PRIMARY KEY)")
}

// DropScratch takes a scratch database away, and tells whether there was one: one that was
// made is dropped, one that was given is emptied. Nothing that has no mark is touched.
func DropScratch(ctx context.Context, conn fleet.Conn, db inventory.Database) (found bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	scratch, err := Scratch(db)
	if err != nil {
		return false, nil // there is none where none can be
	}
	if scratch.Create != nil {
		found, err = dropMade(ctx, conn, db, scratch)
	} else {
		found, err = emptyGiven(ctx, conn, scratch)
	}
	if err != nil {
		return found, &ScratchError{scratch.Name, err}
	}
	return found, nil
}

func dropMade(ctx context.Context, conn fleet.Conn, db, scratch inventory.Database) (bool, error) {
	admin, err := Open(ctx, conn, db, db.Create)
	if err != nil {
		return false, fmt.Errorf("database.create: %w", err)
	}
	defer admin.Close()
	there, err := admin.hasScratch(ctx, scratch)
	if err != nil || !there {
		return false, err
	}
	// Its name is nobody else's, but a table without the mark beside it would be.
	if err := notSomebodys(ctx, conn, scratch); err != nil {
		return true, err
	}
	if admin.Kind == Postgres {
		_, _ = admin.ExecContext(ctx, `SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = $1`, scratch.Name)
		return true, admin.do(ctx, "drop it", "DROP DATABASE IF EXISTS "+quoteName(Postgres, scratch.Name))
	}
	own, err := Open(ctx, conn, db, nil)
	if err != nil {
		return true, err
	}
	defer own.Close()
	// The rights first: a run that dies in between finds the database again, and only by it
	// that there is something left. Error 1141: they were taken already.
	err = admin.grantScratch(ctx, own, scratch, "REVOKE ALL PRIVILEGES ON ", " FROM ")
	if my, ok := errors.AsType[*mysql.MySQLError](err); err != nil && (!ok || my.Number != 1141) {
		return true, err
	}
	return true, admin.do(ctx, "drop it", "DROP DATABASE IF EXISTS "+quoteName(MySQL, scratch.Name))
}

// notSomebodys is nil for a database that is marked or has nothing in it; also for one that
// Grafana's login cannot enter yet, since a run died before it was given to it.
func notSomebodys(ctx context.Context, conn fleet.Conn, scratch inventory.Database) error {
	own, err := Open(ctx, conn, scratch, nil)
	if _, refused := errors.AsType[*LoginError](err); refused {
		return nil
	}
	if err != nil {
		return err
	}
	defer own.Close()
	tables, marked, err := own.scratchState(ctx)
	if err == nil && !marked && tables > 0 {
		err = fmt.Errorf("it holds %d tables that no rehearsal has left", tables)
	}
	return err
}

// emptyGiven empties a database that the operator gave; the mark goes last.
func emptyGiven(ctx context.Context, conn fleet.Conn, scratch inventory.Database) (bool, error) {
	own, err := Open(ctx, conn, scratch, nil)
	if err != nil {
		return false, err
	}
	defer own.Close()
	_, marked, err := own.scratchState(ctx)
	if err != nil || !marked {
		return false, err
	}
	if own.Kind == Postgres {
		if _, err := own.ExecContext(ctx, wipePostgres); err != nil {
			return true, serverError(err)
		}
	} else if err := own.emptyMySQL(ctx); err != nil {
		return true, err
	}
	return true, own.do(ctx, "drop a table", "DROP TABLE "+quoteName(own.Kind, scratchMark))
}

func (db *DB) emptyMySQL(ctx context.Context) error {
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	rows, err := c.QueryContext(ctx, strings.TrimSuffix(wipeMySQL, ";\n"))
	if err != nil {
		return serverError(err)
	}
	var drops []string
	for rows.Next() {
		var drop string
		if err := rows.Scan(&drop); err != nil {
			return errors.Join(err, rows.Close())
		}
		drops = append(drops, drop)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return serverError(err)
	}
	for _, statement := range append([]string{"SET FOREIGN_KEY_CHECKS=0"}, drops...) {
		if _, err := c.ExecContext(ctx, strings.TrimSuffix(statement, ";")); err != nil {
			return serverError(err)
		}
	}
	return nil
}

// Size is how much the database holds, in bytes, as the server counts.
func (db *DB) Size(ctx context.Context) (int64, error) {
	query := `SELECT pg_database_size(current_database())`
	if db.Kind != Postgres {
		query = `SELECT CAST(coalesce(sum(data_length + index_length), 0) AS SIGNED) FROM information_schema.tables WHERE table_schema = database()`
	}
	n, err := scan[int64](ctx, db, query)
	if err != nil {
		return 0, fmt.Errorf("read the database's size: %w", serverError(err))
	}
	return n, nil
}
