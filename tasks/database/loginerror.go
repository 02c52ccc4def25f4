package database

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-sql-driver/mysql"
	"github.com/jackc/pgx/v5/pgconn"
)

// LoginKind says why a login failed.
type LoginKind string

// The ways in which a login fails.
const (
	Unreachable LoginKind = "unreachable"
	BadPassword LoginKind = "bad_password"
	NoDatabase  LoginKind = "no_database"
	NoAccess    LoginKind = "no_access" // pg_hba.conf, or no rights on the database
	TooMany     LoginKind = "too_many_connections"
	BadTLS      LoginKind = "tls"      // a certificate, or one side wants TLS and the other has none
	Insecure    LoginKind = "insecure" // the server asked for what nobody gets without verified TLS
	OtherLogin  LoginKind = "other"
)

var errNoAnswer = fmt.Errorf("no answer within %s", DialTimeout)

// LoginError is a login that failed. Its text never holds the password.
type LoginError struct {
	Kind                  LoginKind
	Address, User, Target string
	Cause                 error
}

// Error says what was tried and what the server said.
func (e *LoginError) Error() string {
	what := "log in to " + e.Address + " as " + e.User
	if e.Target != "" {
		what += ", database " + e.Target
	}
	return fmt.Sprintf("%s: %v", what, e.Cause)
}

// Unwrap gives what the driver said.
func (e *LoginError) Unwrap() error { return e.Cause }

// postgresLogin maps SQLSTATEs, mysqlLogin error numbers.
var (
	postgresLogin = map[string]LoginKind{
		"28P01": BadPassword, "28000": NoAccess, "3D000": NoDatabase, "42501": NoAccess, "53300": TooMany,
	}
	mysqlLogin = map[uint16]LoginKind{
		1045: BadPassword, 1698: BadPassword, 1049: NoDatabase, 1044: NoAccess, 1130: NoAccess, 1040: TooMany, 1203: TooMany, 1226: TooMany,
	}
)

func classify(l login, err error) error {
	e := &LoginError{Kind: OtherLogin, Address: l.Host, User: l.user, Target: l.name, Cause: err}
	if in := insecure(l, err); in != nil {
		e.Kind, e.Cause = Insecure, in
		return e
	}
	if pg, ok := errors.AsType[*pgconn.PgError](err); ok {
		if k, known := postgresLogin[pg.Code]; known {
			e.Kind = k
		}
		e.Cause = fmt.Errorf("%s (SQLSTATE %s)", pg.Message, pg.Code)
		if isTLS(pg.Message) {
			e.Kind = BadTLS
		}
		return e
	}
	if my, ok := errors.AsType[*mysql.MySQLError](err); ok {
		if k, known := mysqlLogin[my.Number]; known {
			e.Kind = k
		}
		e.Cause = fmt.Errorf("%s (error %d)", my.Message, my.Number)
		if isTLS(my.Message) {
			e.Kind = BadTLS
		}
		return e
	}
	switch {
	case isTLS(err.Error()):
		e.Kind = BadTLS
	case isUnreachable(err):
		e.Kind = Unreachable
	}
	// pgconn wraps the dial in a text that repeats user and database.
	if cause := errors.Unwrap(err); cause != nil && strings.HasPrefix(err.Error(), "failed to connect to") {
		e.Cause = cause
	}
	return e
}

// insecure recognises a server that asked for too much; nil: it did not.
func insecure(l login, err error) *InsecureError {
	if in, ok := errors.AsType[*InsecureError](err); ok {
		return &InsecureError{Type: in.Type, Wanted: in.Wanted, Admin: l.admin}
	}
	// pgconn has no type for it.
	_, after, found := strings.Cut(err.Error(), "authentication method requirement ")
	if l.Type != "postgres" || !found {
		return nil
	}
	in := &InsecureError{Type: l.Type, Admin: l.admin, Wanted: "a login by a method that shows too much"}
	switch {
	case strings.Contains(after, "requested password"):
		in.Wanted = "the password in clear (password in pg_hba.conf)"
	case strings.Contains(after, "requested md5"):
		in.Wanted = "an MD5 of the password"
	case strings.Contains(after, "did not complete authentication"):
		in.Wanted = "no proof of the password at all (trust in pg_hba.conf), and gives none that it is the server"
	}
	return in
}

// isTLS tells errors of TLS, of Go's own and of both servers. pgconn begins all of
// its errors with "failed to connect to", so this comes before isUnreachable.
func isTLS(text string) bool {
	for _, sign := range []string{
		"x509:", "tls:", "server refused TLS connection", "TLS requested but server does not support TLS",
		"no encryption", "SSL off", "valid client certificate", "insecure transport",
	} {
		if strings.Contains(text, sign) {
			return true
		}
	}
	return false
}

func isUnreachable(err error) bool {
	if errors.Is(err, errNoAnswer) || errors.Is(err, context.DeadlineExceeded) {
		return true
	}
	text := err.Error()
	for _, sign := range []string{"connect to ", "connection refused", "no route to host", "timeout", "no such host", "connect failed",
		"name resolution"} {
		if strings.Contains(strings.ToLower(text), sign) {
			return true
		}
	}
	return false
}

// isMariaDB tells from a version text ("10.11.6-MariaDB-0+deb12u1").
func isMariaDB(version string) bool { return strings.Contains(strings.ToLower(version), "mariadb") }
