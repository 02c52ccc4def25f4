package check

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/database"
)

func backupChecks() []unit {
	return []unit{{
		name: "backup", about: "the tools for a dump of the database",
		skip: func(r *run) string {
			switch {
			case r.Cluster.Database.Type == "sqlite3":
				return "database.type is sqlite3"
			case r.Cluster.Database.Backup.Command != "":
				return "database.backup.command makes the dump"
			}
			return ""
		},
		run: checkBackup,
	}}
}

// checkBackup looks for a host, or this machine, that can dump the database. Without one,
// a run that has to is refused before it stages anything; the others are warned.
func checkBackup(_ context.Context, r *run) []Finding {
	host, missing := r.dumpsOn()
	switch {
	case host == database.Operator:
		return ok("this machine dumps the database, through a host: no host has the tools")
	case host != "":
		out := ok("can dump the database")
		out[0].Host = host
		return out
	}
	return noDump(missing, r.Dump)
}

// dumpsOn is the host, or this machine, that would dump the database; empty when none
// has the tools, with those that were looked at.
func (r *run) dumpsOn() (string, *database.NoToolsError) {
	db := r.Cluster.Database
	missing := &database.NoToolsError{Type: db.Type}
	here := (db.Backup.On == "" || db.Backup.On == database.Operator) && database.OperatorHas(db.Type)
	if db.Backup.On == database.Operator && !here {
		missing.Hosts = []string{database.Operator}
	}
	for _, h := range r.Hosts {
		f, known := r.facts[h.Name]
		if !known || db.Backup.On != "" && h.Name != db.Backup.On {
			continue
		}
		if database.HasTools(db.Type, func(c string) bool { return slices.Contains(f.values["dump-tool"], c) }) {
			return h.Name, missing
		}
		missing.Hosts = append(missing.Hosts, h.Name)
	}
	if here && (len(missing.Hosts) > 0 || db.Backup.On == database.Operator) {
		return database.Operator, missing
	}
	if db.Backup.On == "" && len(missing.Hosts) > 0 {
		missing.Hosts = append(missing.Hosts, database.Operator)
	}
	return "", missing
}

// oldDump foresees that pg_dump refuses a server of a later major version than its own
// (its documentation: it "cannot dump from PostgreSQL servers newer than its own major
// version").
func (r *run) oldDump(ctx context.Context, server database.Report) []Finding {
	db := r.Cluster.Database
	if db.Type != "postgres" || db.Backup.Command != "" {
		return nil
	}
	host, _ := r.dumpsOn()
	var tool int
	if host == database.Operator {
		tool = database.OperatorDumpMajor(ctx)
	} else if f, known := r.facts[host]; known {
		tool = database.DumpMajor(strings.Join(f.values["pg-dump"], " "))
	}
	if tool == 0 || server.Major <= tool {
		return nil
	}
	where := strings.Replace(host, database.Operator, "this machine", 1)
	what := fmt.Sprintf("pg_dump %d on %s cannot dump PostgreSQL %d: it refuses a server that is newer than itself", tool, where, server.Major)
	fix := fmt.Sprintf("install postgresql-client-%d there, or name a host that has it: database.backup.on", server.Major)
	if r.Dump {
		return []Finding{fail(what, "this run dumps the database before the first host changes", fix+"; or go on without a dump: --no-backup")}
	}
	return []Finding{warn(what, "an upgrade that has to dump the database would fail there", fix)}
}

// noDump says that nobody can dump the database.
func noDump(missing *database.NoToolsError, now bool) []Finding {
	const later = "an upgrade that has to dump the database would be refused"
	switch {
	case len(missing.Hosts) == 0:
		return []Finding{skipped("no host's facts could be read", later, "ghadeploy check again once they can")}
	case now:
		return []Finding{fail(missing.What(), "this run dumps the database before the first host changes",
			missing.Fix()+"; or go on without a dump: --no-backup")}
	}
	return []Finding{warn(missing.What(), later, missing.Fix()+"; or upgrade without a dump, and without a way back: --no-backup")}
}
