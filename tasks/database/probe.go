package database

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Report is what a server is and what Grafana's login may do there.
type Report struct {
	Kind    Kind   `json:"kind"`
	Version string `json:"version"` // "15.14", "10.11.14-MariaDB-0+deb12u2"
	Major   int    `json:"major"`
	Minor   int    `json:"minor"`
	User    string `json:"user"` // as the server sees it
	Charset string `json:"charset"`
	// ServerID tells two servers behind one name apart.
	ServerID string `json:"server_id"`

	MaxConnections int `json:"max_connections"`
	Connections    int `json:"connections"` // in use now

	// ReadOnly is a server that takes no writes; Replica one that follows another.
	ReadOnly bool `json:"read_only"`
	Replica  bool `json:"replica"`
	// MultiWriter names a cluster in which every member takes writes: "galera" or
	// "group replication"; Members is its size.
	MultiWriter string `json:"multi_writer,omitempty"`
	Members     int    `json:"members,omitempty"`
	// ForcedPrimaryKey are the settings that refuse tables without a primary key,
	// which some of Grafana's migrations make: "sql_require_primary_key=ON".
	ForcedPrimaryKey []string `json:"forced_primary_key,omitempty"`
	// TransactionPooling: a pooler (PgBouncer) hands a session's transactions to
	// different servers, so the migration lock is none.
	TransactionPooling bool `json:"transaction_pooling"`

	// DDL is empty when a scratch table could be made, altered and dropped; else
	// what the server said. DDLTried is false when it was not tried.
	DDL      string `json:"ddl,omitempty"`
	DDLTried bool   `json:"ddl_tried"`
	// LockTables is empty when LOCK TABLES works, which 13.0 and later need on
	// MySQL; else what the server said. Always empty on PostgreSQL.
	LockTables string `json:"lock_tables,omitempty"`
}

// ProbeOptions say how far a probe goes.
type ProbeOptions struct {
	// DDL makes, alters and drops a scratch table called ghadeploy_check_<random>.
	DDL bool
	// Pooling opens a second connection to find a transaction pooler.
	Pooling bool
}

// Probe looks at the server. Nothing it makes stays: on PostgreSQL the scratch
// table lives in a transaction that is rolled back, on MySQL it is dropped, also
// when ctx ends in between.
func (db *DB) Probe(ctx context.Context, opts ProbeOptions) (Report, error) {
	r := Report{Kind: db.Kind}
	look := db.probePostgres
	if db.Kind != Postgres {
		look = db.probeMySQL
	}
	if err := look(ctx, &r); err != nil {
		return r, fmt.Errorf("look at the %s server: %w", db.Kind, serverError(err))
	}
	r.Major, r.Minor = numbers(r.Version)
	if opts.DDL && !r.ReadOnly {
		r.DDLTried = true
		if db.Kind == Postgres {
			r.DDL = db.scratchPostgres(ctx)
		} else {
			r.DDL, r.LockTables = db.scratchMySQL(ctx)
		}
	}
	if opts.Pooling && db.Kind == Postgres {
		r.TransactionPooling = db.pooled(ctx)
	}
	return r, nil
}

// Probe opens db through conn, looks, and closes.
func Probe(ctx context.Context, conn fleet.Conn, db inventory.Database, opts ProbeOptions) (Report, error) {
	open, err := Open(ctx, conn, db, nil)
	if err != nil {
		return Report{}, err
	}
	defer open.Close()
	return open.Probe(ctx, opts)
}

func (db *DB) probePostgres(ctx context.Context, r *Report) error {
	const query = `SELECT current_setting('server_version'), current_user::text, current_setting('server_encoding'),
  current_setting('max_connections')::int, (SELECT count(*)::int FROM pg_stat_activity),
  pg_is_in_recovery(), current_setting('transaction_read_only') = 'on' OR pg_is_in_recovery(),
  coalesce(inet_server_addr()::text, 'local') || ' started ' || pg_postmaster_start_time()::text`
	return db.QueryRowContext(ctx, query).Scan(&r.Version, &r.User, &r.Charset,
		&r.MaxConnections, &r.Connections, &r.Replica, &r.ReadOnly, &r.ServerID)
}

func (db *DB) scratchPostgres(ctx context.Context) string {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return serverError(err).Error()
	}
	defer func() { _ = tx.Rollback() }()
	table := quoteName(Postgres, scratchName())
	for _, statement := range []string{
		"CREATE TABLE " + table + " (id SERIAL PRIMARY KEY, name VARCHAR(40) NOT NULL)",
		"ALTER TABLE " + table + " ADD COLUMN note TEXT",
		"CREATE INDEX ON " + table + " (name)",
		"DROP TABLE " + table,
	} {
		if _, err := tx.ExecContext(ctx, statement); err != nil {
			return firstWord(statement) + ": " + serverError(err).Error()
		}
	}
	return ""
}

// pooled finds a transaction pooler by what cannot be without one: two client
// connections, both open, that see the same server process. PgBouncer hands out
// the server that became free last, so the second connection gets the first one's.
func (db *DB) pooled(ctx context.Context) bool {
	one, err := db.Conn(ctx)
	if err != nil {
		return false
	}
	defer one.Close()
	two, err := db.Conn(ctx)
	if err != nil {
		return false
	}
	defer two.Close()
	var first, second, again int
	const pid = "SELECT pg_backend_pid()"
	if one.QueryRowContext(ctx, pid).Scan(&first) != nil {
		return false
	}
	tx, err := two.BeginTx(ctx, nil)
	if err != nil {
		return false
	}
	defer func() { _ = tx.Rollback() }()
	if tx.QueryRowContext(ctx, pid).Scan(&second) != nil || one.QueryRowContext(ctx, pid).Scan(&again) != nil {
		return false
	}
	return first == second || first != again
}

func (db *DB) probeMySQL(ctx context.Context, r *Report) error {
	const query = `SELECT version(), current_user(), @@character_set_database, @@max_connections, @@read_only, @@hostname, @@port`
	var hostname string
	var port int
	if err := db.QueryRowContext(ctx, query).Scan(&r.Version, &r.User, &r.Charset, &r.MaxConnections, &r.ReadOnly, &hostname,
		&port); err != nil {
		return err
	}
	r.ServerID = hostname + ":" + strconv.Itoa(port) + db.setting(ctx, "server_uuid")
	r.Connections, _ = strconv.Atoi(db.status(ctx, "Threads_connected"))
	r.ReadOnly = r.ReadOnly || isOn(db.setting(ctx, "super_read_only"))
	// Running only on a server that follows another; 0 or absent elsewhere.
	r.Replica = isOn(db.status(ctx, "Slave_running")) || isOn(db.status(ctx, "Replica_running"))
	r.MultiWriter, r.Members = db.multiWriter(ctx)
	for _, name := range []string{"sql_require_primary_key", "innodb_force_primary_key", "pxc_strict_mode"} {
		value := db.setting(ctx, name)
		if isOn(value) || value == "ENFORCING" || value == "MASTER" {
			r.ForcedPrimaryKey = append(r.ForcedPrimaryKey, name+"="+value)
		}
	}
	return nil
}

func (db *DB) multiWriter(ctx context.Context) (name string, members int) {
	if isOn(db.setting(ctx, "wsrep_on")) {
		members, _ = strconv.Atoi(db.status(ctx, "wsrep_cluster_size"))
		return "galera", members
	}
	if db.setting(ctx, "group_replication_group_name") == "" {
		return "", 0
	}
	if isOn(db.setting(ctx, "group_replication_single_primary_mode")) {
		return "", 0
	}
	members, _ = scan[int](ctx, db, `SELECT count(*) FROM performance_schema.replication_group_members`)
	return "group replication", members
}

func (db *DB) scratchMySQL(ctx context.Context) (ddl, lock string) {
	c, err := db.Conn(ctx)
	if err != nil {
		return serverError(err).Error(), ""
	}
	defer c.Close()
	table := quoteName(MySQL, scratchName())
	create := "CREATE TABLE " + table + " (id BIGINT AUTO_INCREMENT PRIMARY KEY, name VARCHAR(40) NOT NULL)"
	if _, err := c.ExecContext(ctx, create); err != nil {
		return "CREATE: " + serverError(err).Error(), ""
	}
	dropped := false
	defer func() {
		if dropped {
			return
		}
		after, cancel := context.WithTimeout(context.WithoutCancel(ctx), DialTimeout)
		defer cancel()
		_, _ = c.ExecContext(after, "DROP TABLE IF EXISTS "+table)
	}()
	if _, err := c.ExecContext(ctx, "ALTER TABLE "+table+" ADD COLUMN note TEXT, ADD INDEX (name)"); err != nil {
		return "ALTER: " + serverError(err).Error(), ""
	}
	if _, err := c.ExecContext(ctx, "LOCK TABLES "+table+" WRITE"); err != nil {
		lock = serverError(err).Error()
	}
	_, _ = c.ExecContext(ctx, "UNLOCK TABLES")
	if _, err := c.ExecContext(ctx, "DROP TABLE "+table); err != nil {
		return "DROP: " + serverError(err).Error() + "; drop table " + table + " by hand", lock
	}
	dropped = true
	return "", lock
}

func scratchName() string {
	var b [6]byte
	_, _ = rand.Read(b[:])
	return "ghadeploy_check_" + hex.EncodeToString(b[:])
}

func firstWord(s string) string {
	word, _, _ := strings.Cut(s, " ")
	return word
}

func isOn(value string) bool { return strings.EqualFold(value, "ON") || value == "1" }

// numbers reads the leading "major.minor" of a version text.
func numbers(version string) (major, minor int) {
	parts := strings.FieldsFunc(version, func(r rune) bool { return r < '0' || r > '9' })
	if len(parts) > 0 {
		major, _ = strconv.Atoi(parts[0])
	}
	if len(parts) > 1 {
		minor, _ = strconv.Atoi(parts[1])
	}
	return major, minor
}
