package database

import (
	"fmt"
	"net"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// VerifiedTLS tells whether ssl_mode proves who answers: the certificate comes from a
// known CA and is for the name of the server. Every other mode, verify-ca among them
// (any host of the same CA could answer), leaves open who is at the other end.
func VerifiedTLS(db inventory.Database) bool {
	return db.Type == "postgres" && db.SSLMode == "verify-full" || db.Type == "mysql" && db.SSLMode == "true"
}

// Loopback tells whether the address is the host's own: nobody stands in between.
func Loopback(address string) bool {
	if strings.Contains(address, ",") { // several
		return false
	}
	host, _, err := hostPort(address, 1)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(strings.Trim(host, "[]"))
	return ip != nil && ip.IsLoopback()
}

// OpenCreate tells whether database.create logs in over a way on which somebody else
// could stand, and nothing proves who answers.
func OpenCreate(db inventory.Database) bool {
	return db.Create != nil && !VerifiedTLS(db) && !Loopback(db.Host)
}

// requireAuth is what a PostgreSQL server may ask for, in libpq's words; empty:
// anything. A server that asks for the password in clear gets it: whoever answers has
// to be known first. MD5's answer can be guessed from and replayed, so an
// administrator's login is not given for it either. SCRAM shows nothing that logs in.
func requireAuth(l login) string {
	switch {
	case VerifiedTLS(l.Database), l.password == "":
		return ""
	case l.admin && Loopback(l.Host):
		return "scram-sha-256,none"
	case l.admin:
		return "scram-sha-256"
	}
	return "scram-sha-256,md5,none"
}

// InsecureError is a server that asked for what is not given to a server that nobody
// has verified: the password itself, or the password under a key that it brought along.
type InsecureError struct {
	Type   string // database.type
	Wanted string // what the server asked for
	Admin  bool   // it was the login of database.create
}

// Error says what the server wanted, and why it did not get it.
func (e *InsecureError) Error() string {
	return fmt.Sprintf("the server asks for %s, and without verified TLS nobody knows who answers there: nothing was sent", e.Wanted)
}

// Fix says what to write.
func (e *InsecureError) Fix() string {
	if e.Type == "postgres" {
		fix := "set database.ssl_mode: verify-full with ca_cert"
		if e.Admin {
			return fix + "; or store that password as SCRAM-SHA-256 (SET password_encryption = 'scram-sha-256', set it again, scram-sha-256 in pg_hba.conf); or make role and database by hand and leave database.create out"
		}
		return fix + "; or scram-sha-256 instead of password in pg_hba.conf"
	}
	fix := "set database.ssl_mode: \"true\" with ca_cert (and server_name where the certificate has another name)"
	if e.Admin {
		return fix + "; or make role and database by hand and leave database.create out"
	}
	return fix
}
