// Package database connects to PostgreSQL or MySQL as Grafana does and keeps
// the schema: the same connection strings, migration log and lock.
package database

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"strings"

	"github.com/go-sql-driver/mysql"

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

// The types of database that are supported.
const (
	Postgres = "postgres"
	MySQL    = "mysql"
)

// target is the database that the settings name, url= already taken apart.
type target struct {
	settings.Database
	query url.Values
}

func resolve(s settings.Database) (target, error) {
	t := target{Database: s}
	if s.URL == "" {
		return t, nil
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return t, err
	}
	t.Type, t.Host, t.query = u.Scheme, u.Host, u.Query()
	if parts := strings.Split(u.Path, "/"); len(parts) > 1 {
		t.Name = parts[1]
	}
	if u.User != nil {
		t.User = u.User.Username()
		t.Password, _ = u.User.Password()
	}
	return t, nil
}

// dsn is the driver's connection string. It is unquoted on purpose: a password
// that breaks Grafana's must break this one (facts 1.3).
func (t target) dsn() (string, error) {
	if t.ConnectionString != "" {
		return t.ConnectionString, nil
	}
	switch t.Type {
	case Postgres:
		return t.postgres()
	case MySQL:
		return t.mysql()
	case "sqlite3":
		return "", errors.New("the stand-in has no sqlite3: set [database] type to postgres or mysql")
	}
	return "", fmt.Errorf("unknown database type: %s", t.Type)
}

func (t target) postgres() (string, error) {
	host, port := t.Host, "5432"
	if h, p, err := net.SplitHostPort(t.Host); err == nil {
		host, port = h, p
	} else if strings.Count(t.Host, ":") == 1 {
		return "", fmt.Errorf("invalid host specifier '%s': %w", t.Host, err)
	}
	args := []any{t.User, host, port, t.Name, t.SSLMode, t.ClientCert, t.ClientKey, t.CACert}
	for i, a := range args {
		if a == "" {
			args[i] = "''"
		}
	}
	dsn := fmt.Sprintf("user=%s host=%s port=%s dbname=%s sslmode=%s sslcert=%s sslkey=%s sslrootcert=%s", args...)
	if t.Password != "" {
		dsn += " password=" + t.Password
	}
	return dsn + t.extra(" "), nil
}

func (t target) mysql() (string, error) {
	protocol := "tcp"
	if strings.HasPrefix(t.Host, "/") {
		protocol = "unix"
	}
	dsn := fmt.Sprintf("%s:%s@%s(%s)/%s?collation=utf8mb4_unicode_ci&allowNativePasswords=true&clientFoundRows=true",
		t.User, t.Password, protocol, t.Host, t.Name)
	if t.SSLMode == "true" || t.SSLMode == "skip-verify" {
		conf, err := t.tls()
		if err != nil {
			return "", err
		}
		if err := mysql.RegisterTLSConfig("custom", conf); err != nil {
			return "", err
		}
		dsn += "&tls=custom"
	}
	if t.Isolation != "" {
		dsn += "&transaction_isolation=" + url.QueryEscape("'"+t.Isolation+"'")
	}
	return dsn + t.extra("&"), nil
}

func (t target) extra(sep string) string {
	var b strings.Builder
	for key, values := range t.query {
		for _, v := range values {
			b.WriteString(sep + key + "=" + v)
		}
	}
	return b.String()
}

func (t target) tls() (*tls.Config, error) {
	pem, err := os.ReadFile(t.CACert)
	if err != nil {
		return nil, fmt.Errorf("could not read DB CA Cert path %q: %w", t.CACert, err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(pem) {
		return nil, errors.New("failed to append CA PEM from file") //nolint:staticcheck // Grafana's words
	}
	conf := &tls.Config{RootCAs: pool, ServerName: t.ServerName, InsecureSkipVerify: t.SSLMode == "skip-verify"} //nolint:gosec // asked for by ssl_mode
	if t.ClientCert != "" && t.ClientKey != "" {
		pair, err := tls.LoadX509KeyPair(t.ClientCert, t.ClientKey)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}
