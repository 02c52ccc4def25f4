package check

import (
	"context"
	"slices"

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
			out := ok("can dump the database")
			out[0].Host = h.Name
			return out
		}
		missing.Hosts = append(missing.Hosts, h.Name)
	}
	if here && (len(missing.Hosts) > 0 || db.Backup.On == database.Operator) {
		return ok("this machine dumps the database, through a host: no host has the tools")
	}
	if db.Backup.On == "" && len(missing.Hosts) > 0 {
		missing.Hosts = append(missing.Hosts, database.Operator)
	}
	return noDump(missing, r.Dump)
}

// noDump says that nobody can dump the database.
func noDump(missing *database.NoToolsError, now bool) []Finding {
	const later = "an upgrade that has to dump the database would be refused"
	switch {
	case len(missing.Hosts) == 0:
		return []Finding{skipped("no host's facts could be read", later, "ghadeploy check again once they can")}
	case now:
		return []Finding{fail(missing.What(), "this run dumps the database before the first host changes", missing.Fix()+"; or go on without a dump: --no-backup")}
	}
	return []Finding{warn(missing.What(), later, missing.Fix()+"; or upgrade without a dump, and without a way back: --no-backup")}
}
