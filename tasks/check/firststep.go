package check

import (
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// What to type first about what people get wrong most often. A fix begins with what works
// for most; what else may be meant follows it.

// secretFix is how the secret of a key of the inventory is given another value: by what it
// refers to.
func secretFix(key string, s inventory.Secret) string {
	kind, name, _ := strings.Cut(s.Source(), ":")
	switch kind {
	case "file":
		return "write it into " + name
	case "env":
		return "read -rs " + name + " && export " + name
	case "cmd":
		return "correct what the command of " + key + " in INVENTORY prints"
	}
	return "correct " + key + " in INVENTORY"
}

// passwordFix is for a server that refuses the database's password.
func (r *run) passwordFix() string {
	db := r.Cluster.Database
	if db.Type == "mysql" {
		return secretFix("database.password", db.Password) + ": the password that " + db.User + " has on the server; or set it there: " +
			"ALTER USER " + db.User + " IDENTIFIED BY ..."
	}
	return secretFix("database.password", db.Password) + ": the password that " + db.User + " has on the server; or set it there: " +
		remote.Quote("psql", "-h", hostOf(db.Host), "-p", portOf(db.Host, "5432"), "-U", "postgres", "-c", `\password `+db.User)
}

// noDatabaseFix is the command that makes the database.
func (r *run) noDatabaseFix() string {
	db := r.Cluster.Database
	const instead = "; or let apply make it: database.create in INVENTORY"
	if db.Type == "mysql" {
		return remote.Quote("mysql", "-h", hostOf(db.Host), "-P", portOf(db.Host, "3306"), "-u", "root", "-p", "-e",
			fmt.Sprintf("CREATE DATABASE `%s` CHARACTER SET utf8mb4; GRANT ALL ON `%s`.* TO '%s'@'%%'", db.Name, db.Name, db.User)) + instead
	}
	return remote.Quote("createdb", "-h", hostOf(db.Host), "-p", portOf(db.Host, "5432"), "-U", "postgres", "-O", db.User, db.Name) + instead
}

func hostOf(address string) string {
	if host, _, err := net.SplitHostPort(address); err == nil {
		return host
	}
	return address
}

func portOf(address, otherwise string) string {
	if _, port, err := net.SplitHostPort(address); err == nil {
		return port
	}
	return otherwise
}

// unreachedFix is for a server that does not answer a host: cause is what happened instead.
func unreachedFix(service, key, address, cause string) string {
	switch {
	case strings.Contains(cause, "no such host"), strings.Contains(cause, "not known"), strings.Contains(cause, "resolve"),
		strings.Contains(cause, "name resolution"):
		return "correct " + key + " in INVENTORY: the hosts cannot resolve " + hostOf(address)
	case strings.Contains(cause, "refused"):
		return "start the server there and let it listen on " + address + " (systemctl status " + service + "), or correct " +
			key + " in INVENTORY"
	}
	return "correct " + key + " in INVENTORY, or open the firewall between the hosts and " + address
}

// freePort is one that no host listens on, above the one that is taken.
func (r *run) freePort(taken int) int {
	for port := taken + 1; port < 65535; port++ {
		used := func(h fleet.Host) bool {
			return slices.ContainsFunc(r.facts[h.Name].sockets(), func(s socket) bool { return s.port == port })
		}
		if !slices.ContainsFunc(r.Hosts, used) {
			return port
		}
	}
	return taken
}
