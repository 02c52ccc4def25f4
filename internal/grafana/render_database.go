package grafana

import (
	"net"
	"strconv"
)

const db = "database"

func (s *settings) database() {
	d := s.node.Database
	s.set(db, "type", d.Type)
	switch d.Type {
	case "postgres":
		s.postgres(d)
	case "mysql":
		s.mysql(d)
	case "sqlite3":
		if len(s.node.Alerting.Peers) > 1 {
			s.refuse("database.type", "database.type sqlite3 cannot be shared by %d hosts (#23233); use postgres or mysql",
				len(s.node.Alerting.Peers))
		}
		return
	default:
		s.refuse("database.type", "database.type %q: want postgres or mysql", d.Type)
		return
	}
	if d.Host == "" || d.Name == "" || d.User == "" {
		s.refuse("database", "database host, name and user must be set")
	}
	s.set(db, "host", d.Host)
	s.set(db, "name", d.Name)
	s.set(db, "ca_cert_path", d.CACert)
	s.set(db, "client_cert_path", d.ClientCert)
	s.set(db, "client_key_path", d.ClientKey)
	s.pool(d)
	if MigrationLock(s.node.Version) == KeyLock || s.isKnown(db, "migration_locking") {
		s.want(db, "migration_locking", "true")
	}
}

func (s *settings) pool(d Database) {
	if d.MaxOpenConn == 1 {
		s.refuse("database.max_open_conn",
			"database.max_open_conn 1 deadlocks: the migration lock holds one connection while migrations use another")
	}
	if d.MaxOpenConn < 0 || d.MaxIdleConn < 0 || d.ConnMaxLifetime < 0 {
		s.refuse("database", "database pool settings must not be negative")
	}
	if d.MaxOpenConn > 0 && d.MaxIdleConn > d.MaxOpenConn {
		s.warn("database.max_idle_conn %d is above max_open_conn %d and is cut to it", d.MaxIdleConn, d.MaxOpenConn)
	}
	for key, n := range map[string]int{
		"max_open_conn": d.MaxOpenConn, "max_idle_conn": d.MaxIdleConn, "conn_max_lifetime": d.ConnMaxLifetime,
	} {
		if n > 0 {
			s.set(db, key, strconv.Itoa(n))
		}
	}
}

// postgres writes what lib/pq is given. Its modes are disable, require,
// verify-ca and verify-full; the server's name is that of the host.
func (s *settings) postgres(d Database) {
	switch d.SSLMode {
	case "", "disable", "require", "verify-ca", "verify-full":
	default:
		s.refuse("database.ssl_mode", "database.ssl_mode %q: for postgres Grafana knows disable, require, verify-ca and verify-full", d.SSLMode)
	}
	s.set(db, "ssl_mode", d.SSLMode)
	user, err := postgresValue(d.User, s.node.Version)
	if err != nil {
		s.refuse("database.user", "database.user cannot be given to Grafana: %w", err)
	}
	s.set(db, "user", user)
	password, err := postgresValue(d.Password, s.node.Version)
	if err != nil {
		s.refuse("database.password", "database.password cannot be given to Grafana: %w", err)
	}
	s.secret(db, "password", password)
	if !plainDSNName.MatchString(d.Name) {
		s.refuse("database.name", "database.name %q: Grafana puts it into a connection string; letters, digits, _ and - only", d.Name)
	}
	s.dsnPaths(d)
}

// mysql writes what go-sql-driver is given. Inventories may use PostgreSQL's
// words for the TLS modes; MySQL's own are true, skip-verify and false.
func (s *settings) mysql(d Database) {
	mode, ok := map[string]string{
		"": "", "disable": "false", "false": "false", "require": "skip-verify", "skip-verify": "skip-verify",
		"verify-ca": "true", "verify-full": "true", "true": "true",
	}[d.SSLMode]
	if !ok {
		s.refuse("database.ssl_mode", "database.ssl_mode %q: for mysql Grafana knows true, skip-verify and false", d.SSLMode)
	}
	s.set(db, "ssl_mode", mode)
	if mode == "true" || mode == "skip-verify" {
		if d.CACert == "" {
			s.refuse("database.ca_cert", "database.ca_cert must be given: with ssl_mode %s Grafana reads a CA file for MySQL and fails without",
				mode)
		}
		name := d.ServerName
		if name == "" {
			name = d.Host
			if h, _, err := net.SplitHostPort(d.Host); err == nil {
				name = h
			}
		}
		s.set(db, "server_cert_name", name)
	}
	if err := mysqlUser(d.User); err != nil {
		s.refuse("database.user", "database.user cannot be given to Grafana: %w", err)
	}
	s.set(db, "user", d.User)
	if err := mysqlPassword(d.Password); err != nil {
		s.refuse("database.password", "database.password cannot be given to Grafana: %w", err)
	}
	s.secret(db, "password", d.Password)
	if !plainDSNName.MatchString(d.Name) {
		s.refuse("database.name", "database.name %q: Grafana puts it into a connection string; letters, digits, _ and - only", d.Name)
	}
}

func (s *settings) dsnPaths(d Database) {
	for key, p := range map[string]string{"ca_cert_path": d.CACert, "client_cert_path": d.ClientCert, "client_key_path": d.ClientKey} {
		if p != "" && needsQuotes(p) {
			s.refuse("database."+key, "database.%s: Grafana puts the path into a connection string unquoted; no spaces, quotes or backslashes", key)
		}
	}
}
