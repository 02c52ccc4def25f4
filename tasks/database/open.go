package database

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strconv"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Kind is a family of servers.
type Kind string

// The kinds of servers. MariaDB is told from MySQL by its version once connected.
const (
	Postgres Kind = "postgres"
	MySQL    Kind = "mysql"
	MariaDB  Kind = "mariadb"
)

// DialTimeout bounds one dial and login; a server that drops packets must not
// hold a check for longer.
const DialTimeout = 4 * time.Second

// DB is a small pool of connections to the database, through one host. Close it.
type DB struct {
	*sql.DB
	// Kind is Postgres, MySQL or MariaDB.
	Kind Kind
	// Name is the database; User the login.
	Name, User string

	version string // as the server says it
	bounds  *bounds
	stop    context.CancelFunc
	// refused is what the server asked for in vain, where the driver cannot say; nil: it can.
	refused func() error
}

// Close closes all connections, also those that a query still waits on.
func (db *DB) Close() error {
	defer db.stop()
	return db.DB.Close()
}

// Open connects to db through conn, as Grafana's user or, when as is set, as an
// administrator (on PostgreSQL to the database "postgres", since the other may
// not exist yet). ctx bounds the whole life of the result. The server has been
// spoken to when it returns: a wrong password is a *[LoginError] of kind
// BadPassword, a missing database one of kind NoDatabase, a server that cannot be
// reached one of kind Unreachable.
func Open(ctx context.Context, conn fleet.Conn, db inventory.Database, as *inventory.Credentials) (*DB, error) {
	l := login{Database: db, user: db.User, password: db.Password.Reveal(), name: db.Name}
	if as != nil {
		l.user, l.password, l.name, l.admin = as.User, as.Password.Reveal(), "", true
		if db.Type == "postgres" {
			l.name = "postgres"
		}
	}
	return open(ctx, conn, l)
}

// login is who connects to which database.
type login struct {
	inventory.Database
	user, password, name string
	// admin is the login of database.create, which is worth more than Grafana's own.
	admin bool
}

func open(ctx context.Context, conn fleet.Conn, l login) (*DB, error) {
	life, stop := context.WithCancel(ctx)
	out := &DB{Name: l.name, User: l.user, stop: stop, bounds: newBounds()}
	var err error
	switch l.Type {
	case "postgres":
		out.Kind = Postgres
		out.DB, err = openPostgres(life, conn, l, out.bounds)
	case "mysql":
		out.Kind = MySQL
		out.DB, out.refused, err = openMySQL(life, conn, l, out.bounds)
	default:
		err = fmt.Errorf("database.type %q is not a server that hosts can share", l.Type)
	}
	if err != nil {
		stop()
		return nil, err
	}
	out.SetMaxOpenConns(4)
	if err := out.hello(ctx); err != nil {
		_ = out.Close()
		return nil, classify(l, out.Reason(err))
	}
	return out, nil
}

// hello logs in, and tells MariaDB from MySQL.
func (db *DB) hello(ctx context.Context) error {
	ctx, cancel := context.WithTimeoutCause(ctx, DialTimeout, errNoAnswer)
	defer cancel()
	var version string
	if err := db.QueryRowContext(ctx, "SELECT version()").Scan(&version); err != nil {
		if ctx.Err() != nil && errors.Is(context.Cause(ctx), errNoAnswer) {
			return errNoAnswer
		}
		return err
	}
	db.version = version
	if db.Kind == MySQL && isMariaDB(version) {
		db.Kind = MariaDB
	}
	return nil
}

func openPostgres(life context.Context, conn fleet.Conn, l login, b *bounds) (*sql.DB, error) {
	host, port, err := hostPort(l.Host, 5432)
	if err != nil {
		return nil, err
	}
	// The operator's own PGSERVICE, PGSSLMODE, ~/.pgpass and the like must not
	// change what a host is tested with, so every field is set after parsing.
	cfg, err := pgx.ParseConfig("sslmode=disable passfile=/dev/null host=placeholder port=5432 user=placeholder password=placeholder target_session_attrs=any")
	if err != nil {
		return nil, fmt.Errorf("prepare the PostgreSQL login (a PG... variable of this shell may be in the way): %w", err)
	}
	cfg.Host, cfg.Port = host, uint16(port)
	cfg.User, cfg.Password, cfg.Database = l.user, l.password, l.name
	cfg.ConnectTimeout = DialTimeout
	cfg.Fallbacks, cfg.ValidateConnect = nil, nil
	cfg.SSLNegotiation, cfg.SSLCertMode, cfg.ChannelBinding, cfg.RequireAuth = "", "", "prefer", requireAuth(l)
	cfg.RuntimeParams = map[string]string{"application_name": "ghadeploy"}
	if cfg.TLSConfig, err = tlsConfig(l.Database, host); err != nil {
		return nil, err
	}
	// Names are resolved where Grafana resolves them: on the host.
	cfg.LookupFunc = func(_ context.Context, host string) ([]string, error) { return []string{host}, nil }
	cfg.DialFunc, cfg.BuildFrontend = boundDial(life, conn.Dial), b.frontend
	// No named prepared statements: behind a transaction pooler, which is one of
	// the things to find out, they fail in confusing ways.
	cfg.DefaultQueryExecMode = pgx.QueryExecModeExec
	return stdlib.OpenDB(*cfg), nil
}

func openMySQL(life context.Context, conn fleet.Conn, l login, b *bounds) (*sql.DB, func() error, error) {
	host, port, err := hostPort(l.Host, 3306)
	if err != nil {
		return nil, nil, err
	}
	cfg := mysql.NewConfig()
	cfg.User, cfg.Passwd, cfg.DBName = l.user, l.password, l.name
	cfg.Net, cfg.Addr = "tcp", net.JoinHostPort(host, strconv.Itoa(port))
	cfg.Timeout, cfg.ReadTimeout, cfg.WriteTimeout = DialTimeout, time.Minute, time.Minute
	cfg.Collation = "utf8mb4_unicode_ci" // as Grafana connects
	cfg.Logger = noLog{}                 // errors are returned; the driver prints them as well
	secure, err := tlsConfig(l.Database, host)
	if err != nil {
		return nil, nil, err
	}
	dial := boundDial(life, conn.Dial)
	if VerifiedTLS(l.Database) {
		cfg.TLS = secure
		cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
			c, err := dial(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &countedConn{Conn: c, answers: answers{of: b}}, nil
		}
		connector, err := mysql.NewConnector(cfg)
		if err != nil {
			return nil, nil, fmt.Errorf("prepare the MySQL login: %w", err)
		}
		return sql.OpenDB(sturdy{connector}), nil, nil
	}
	var mu sync.Mutex
	var last *mysqlGuard
	cfg.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		mu.Lock()
		defer mu.Unlock()
		last = guardMySQL(c, secure, false)
		last.answers = &mysqlAnswers{answers: answers{of: b}}
		return last, nil
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, nil, fmt.Errorf("prepare the MySQL login: %w", err)
	}
	refused := func() error {
		mu.Lock()
		defer mu.Unlock()
		if last == nil {
			return nil
		}
		return last.refused()
	}
	return sql.OpenDB(sturdy{connector}), refused, nil
}

// noLog drops what the MySQL driver would print on the operator's terminal.
type noLog struct{}

// Print implements [mysql.Logger].
func (noLog) Print(...any) {}

type dialFunc = func(ctx context.Context, network, address string) (net.Conn, error)

// boundDial closes what dial opens when life ends, so that no query outlives it
// whatever its driver does about contexts.
func boundDial(life context.Context, dial dialFunc) dialFunc {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := dial(ctx, network, address)
		if err != nil {
			return nil, err
		}
		b := &boundConn{Conn: c}
		b.unbind = context.AfterFunc(life, func() { _ = c.Close() })
		return b, nil
	}
}

type boundConn struct {
	net.Conn
	once   sync.Once
	unbind func() bool
}

// Close closes the connection and forgets its bound.
func (c *boundConn) Close() error {
	c.once.Do(func() { c.unbind() })
	return c.Conn.Close()
}

// hostPort splits database.host, filling in the server's usual port.
func hostPort(address string, usual int) (host string, port int, err error) {
	host, p, err := net.SplitHostPort(address)
	if err != nil {
		return address, usual, nil
	}
	port, err = strconv.Atoi(p)
	if err != nil || port < 1 || port > 65535 {
		return "", 0, fmt.Errorf("database.host %q: the port is not a number from 1 to 65535", address)
	}
	return host, port, nil
}
