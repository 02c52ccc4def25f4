package database

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// createTimeout bounds [Missing] and [Create]: a CREATE DATABASE copies a
// template, which a loaded server takes seconds for.
const createTimeout = 60 * time.Second

// Steps of [Create], as [Missing] lists them.
const (
	StepRole     = "create role"
	StepDatabase = "create database"
	StepGrant    = "grant rights"
)

// PasswordError is a role that exists with another password than the inventory's.
// Create never changes a password: another cluster may be using it.
type PasswordError struct {
	User, Address string
	Cause         error
}

// Error says what to do.
func (e *PasswordError) Error() string {
	return fmt.Sprintf("database role %s exists on %s, but its login fails with the inventory's password (%v); put the right database.password into the inventory or change it on the server", e.User, e.Address, e.Cause)
}

// Unwrap gives the failed login.
func (e *PasswordError) Unwrap() error { return e.Cause }

// Missing lists what [Create] would do; empty when nothing. It only reads.
// Without db.Create it only tries Grafana's own login, and that error is returned.
func Missing(ctx context.Context, conn fleet.Conn, db inventory.Database) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	if ready(ctx, conn, db) == nil {
		return nil, nil
	}
	if db.Create == nil {
		return nil, ready(ctx, conn, db)
	}
	admin, err := Open(ctx, conn, db, db.Create)
	if err != nil {
		return nil, fmt.Errorf("database.create: %w", err)
	}
	defer admin.Close()
	return admin.missing(ctx, conn, db)
}

// ready is nil when Grafana's login works and may make tables: nothing to create.
func ready(ctx context.Context, conn fleet.Conn, db inventory.Database) error {
	own, err := Open(ctx, conn, db, nil)
	if err != nil {
		return err
	}
	defer own.Close()
	if own.Kind != Postgres {
		return nil
	}
	ok, err := scan[bool](ctx, own, `SELECT has_schema_privilege(current_schema(), 'CREATE')`)
	if err == nil && !ok {
		err = errors.New("the login may not create tables in the schema " + db.Name)
	}
	return err
}

// missing looks with the administrator's eyes.
func (db *DB) missing(ctx context.Context, conn fleet.Conn, want inventory.Database) ([]string, error) {
	role, database, err := db.existing(ctx, want)
	if err != nil {
		return nil, err
	}
	var steps []string
	if !role {
		steps = append(steps, StepRole)
	}
	if !database {
		steps = append(steps, StepDatabase)
	}
	if role && database {
		// Both are there and the login still fails: it is the password, or rights.
		_, err := Open(ctx, conn, want, nil)
		if failed, ok := errors.AsType[*LoginError](err); ok && failed.Kind == BadPassword {
			return nil, &PasswordError{User: want.User, Address: want.Host, Cause: failed.Cause}
		}
	}
	return append(steps, StepGrant), nil
}

// MayNotLook tells of an administrator without the right to read mysql.user.
func MayNotLook(err error) bool {
	my, ok := errors.AsType[*mysql.MySQLError](err)
	return ok && (my.Number == 1142 || my.Number == 1143) // SELECT denied on a table, or on a column
}

// existing tells whether role and database are there.
func (db *DB) existing(ctx context.Context, want inventory.Database) (role, database bool, err error) {
	roles := `SELECT count(*) > 0 FROM pg_roles WHERE rolname = $1`
	if db.Kind != Postgres {
		roles = `SELECT count(*) > 0 FROM mysql.user WHERE user = ?`
	}
	if role, err = scan[bool](ctx, db, roles, want.User); err != nil {
		return false, false, fmt.Errorf("look for database role %s as %s: %w", want.User, db.User, err)
	}
	if database, err = db.hasDatabase(ctx, want.Name); err != nil {
		return false, false, fmt.Errorf("look for database %s as %s: %w", want.Name, db.User, err)
	}
	return role, database, nil
}

// hasDatabase tells whether the server has a database of that name.
func (db *DB) hasDatabase(ctx context.Context, name string) (bool, error) {
	query := `SELECT count(*) > 0 FROM pg_database WHERE datname = $1`
	if db.Kind != Postgres {
		query = `SELECT count(*) > 0 FROM information_schema.schemata WHERE schema_name = ?`
	}
	return scan[bool](ctx, db, query, name)
}

// Create makes the role and the database when they are absent, with db.Create's
// login, and gives the role its rights. It returns the steps it took; none on a
// second run. An existing role with another password is a *[PasswordError].
func Create(ctx context.Context, conn fleet.Conn, db inventory.Database) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, createTimeout)
	defer cancel()
	steps, err := Missing(ctx, conn, db)
	if err != nil || len(steps) == 0 {
		return nil, err
	}
	admin, err := Open(ctx, conn, db, db.Create)
	if err != nil {
		return nil, fmt.Errorf("database.create: %w", err)
	}
	defer admin.Close()
	make := admin.createPostgres
	if admin.Kind != Postgres {
		make = admin.createMySQL
	}
	if err := make(ctx, conn, db, steps); err != nil {
		return nil, err
	}
	own, err := Open(ctx, conn, db, nil)
	if failed, ok := errors.AsType[*LoginError](err); ok && failed.Kind == BadPassword && !slices.Contains(steps, StepRole) {
		return nil, &PasswordError{User: db.User, Address: db.Host, Cause: failed.Cause}
	}
	if err != nil {
		return nil, fmt.Errorf("log in after creating role and database: %w", err)
	}
	return steps, own.Close()
}

func (db *DB) createPostgres(ctx context.Context, conn fleet.Conn, want inventory.Database, steps []string) error {
	role, name := quoteName(Postgres, want.User), quoteName(Postgres, want.Name)
	if slices.Contains(steps, StepRole) {
		password, err := db.storedPassword(ctx, want)
		if err != nil {
			return err
		}
		if err := db.do(ctx, "create role "+want.User, "CREATE ROLE "+role+" LOGIN PASSWORD "+quoteText(Postgres, password)); err != nil {
			return err
		}
	}
	if slices.Contains(steps, StepDatabase) {
		// An administrator who is no superuser must be a member of the role to make
		// it an owner. A superuser needs it not, and an error shows at CREATE anyway.
		if super, err := scan[bool](ctx, db, `SELECT rolsuper FROM pg_roles WHERE rolname = current_user`); err == nil && !super {
			_, _ = db.ExecContext(ctx, "GRANT "+role+" TO CURRENT_USER")
		}
		return db.do(ctx, "create database "+want.Name, "CREATE DATABASE "+name+" OWNER "+role+" ENCODING 'UTF8' TEMPLATE template0")
	}
	if err := db.do(ctx, "grant rights on database "+want.Name, "GRANT CONNECT, CREATE, TEMPORARY ON DATABASE "+name+" TO "+role); err != nil {
		return err
	}
	// Since PostgreSQL 15 only a database's owner may make tables in "public".
	inside, err := open(ctx, conn,
		login{Database: want, user: want.Create.User, password: want.Create.Password.Reveal(), name: want.Name, admin: true})
	if err != nil {
		return fmt.Errorf("database.create: %w", err)
	}
	defer inside.Close()
	return inside.do(ctx, "grant rights on schema public", "GRANT USAGE, CREATE ON SCHEMA public TO "+role)
}

// storedPassword is what stands in CREATE ROLE: a verifier, which logs nobody in. The
// password itself goes only to a server that is verified and too old for one: what a
// server says of its password_encryption would be whatever suits who answers.
func (db *DB) storedPassword(ctx context.Context, want inventory.Database) (string, error) {
	password := want.Password.Reveal()
	how, err := scan[string](ctx, db, `SELECT current_setting('password_encryption')`)
	if err != nil {
		return "", fmt.Errorf("read password_encryption: %w", err)
	}
	if VerifiedTLS(want) && how != "scram-sha-256" {
		return password, nil
	}
	return scramVerifier(password)
}

func (db *DB) createMySQL(ctx context.Context, _ fleet.Conn, want inventory.Database, steps []string) error {
	// One session: the quoting below holds in this sql_mode only.
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	if _, err := c.ExecContext(ctx, "SET SESSION sql_mode = ''"); err != nil {
		return fmt.Errorf("set sql_mode: %w", err)
	}
	name, user := quoteName(MySQL, want.Name), quoteText(MySQL, want.User)+"@'%'"
	grantee := quoteName(MySQL, grantPattern(want.Name, db.partialRevokes(ctx)))
	statements := map[string]string{
		StepDatabase: "CREATE DATABASE IF NOT EXISTS " + name + " CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci",
		StepRole:     "CREATE USER " + user + " IDENTIFIED BY " + quoteText(MySQL, want.Password.Reveal()),
		StepGrant:    "GRANT ALL PRIVILEGES ON " + grantee + ".* TO " + user,
	}
	if slices.Contains(steps, StepRole) && !VerifiedTLS(want) {
		// Nobody has verified who reads the statement.
		if db.Kind != MariaDB {
			return &InsecureError{Type: "mysql", Wanted: "the password of the role to be made, in clear", Admin: true}
		}
		statements[StepRole] = "CREATE USER " + user + " IDENTIFIED BY PASSWORD " + quoteText(MySQL, nativeHash(want.Password.Reveal()))
	}
	for _, step := range []string{StepDatabase, StepRole, StepGrant} {
		if !slices.Contains(steps, step) {
			continue
		}
		if _, err := c.ExecContext(ctx, statements[step]); err != nil {
			return fmt.Errorf("%s for database %s on %s: %w", step, want.Name, want.Host, serverError(err))
		}
	}
	return nil
}

// partialRevokes is MySQL 8's mode in which a database name in GRANT is no pattern.
func (db *DB) partialRevokes(ctx context.Context) bool {
	on, err := scan[bool](ctx, db, `SELECT @@partial_revokes`)
	return err == nil && on
}

// grantPattern escapes what GRANT takes for wildcards: without it, rights on
// graf_a are rights on grafXa too.
func grantPattern(name string, literal bool) string {
	if literal {
		return name
	}
	return strings.NewReplacer(`\`, `\\`, `_`, `\_`, `%`, `\%`).Replace(name)
}

// do runs a statement of which no part may show in an error.
func (db *DB) do(ctx context.Context, what, statement string) error {
	if _, err := db.ExecContext(ctx, statement); err != nil {
		return fmt.Errorf("%s as %s: %w", what, db.User, serverError(err))
	}
	return nil
}
