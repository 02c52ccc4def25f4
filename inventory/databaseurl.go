package inventory

import (
	"net/url"
	"strings"
)

// databaseURL is [database] url in parts.
type databaseURL struct{ kind, host, name, user, password, mode string }

// splitDatabaseURL takes [database] url apart as Grafana does:
// type://user:password@host:port/name?sslmode=...
func splitDatabaseURL(s string) databaseURL {
	u, err := url.Parse(s)
	if err != nil {
		return databaseURL{}
	}
	d := databaseURL{kind: u.Scheme, host: u.Host, name: strings.TrimPrefix(u.Path, "/"), mode: u.Query().Get("sslmode")}
	if d.kind == "postgresql" {
		d.kind = "postgres"
	}
	if u.User != nil {
		d.user = u.User.Username()
		d.password, _ = u.User.Password()
	}
	return d
}
