package check

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

func databaseChecks() []unit {
	return []unit{{
		name: "database", about: "login from every host, rights, limits, one writer",
		skip: func(r *run) string {
			if r.Cluster.Database.Type == "sqlite3" {
				return "database.type is sqlite3"
			}
			return ""
		},
		run: checkDatabase,
	}}
}

// checkDatabase logs in through every host; what is the same from everywhere is
// looked at through the first.
func checkDatabase(ctx context.Context, r *run) []Finding {
	var mu sync.Mutex
	reports := map[string]database.Report{}
	db := r.Cluster.Database
	all := r.eachHost(ctx, func(ctx context.Context, h fleet.Host) []Finding {
		first := h.Name == r.Hosts[0].Name
		report, err := database.Probe(ctx, h, db, database.ProbeOptions{DDL: first, Pooling: first})
		if err != nil {
			return []Finding{r.loginFailure(ctx, h, err)}
		}
		mu.Lock()
		reports[h.Name] = report
		mu.Unlock()
		return ok("%s %s on %s as %s", report.Kind, report.Version, db.Host, db.User)
	})
	for _, h := range r.Hosts {
		if report, ok := reports[h.Name]; ok {
			all = append(all, r.serverFindings(report)...)
			all = append(all, r.oldDump(ctx, report)...)
			break
		}
	}
	if len(reports) < len(r.Hosts) && database.OpenCreate(db) {
		all = append(all, warn("database.create logs in as "+db.Create.User+" without verified TLS",
			"whoever stands between could do with that session what the administrator may",
			"set database.ssl_mode: "+verifiedMode(db)+" with ca_cert, or make role and database by hand"))
	}
	return append(all, r.oneServer(reports)...)
}

// loginFailure says what a failed login means and what to do about it. A role or
// database that apply will make is no failure.
func (r *run) loginFailure(ctx context.Context, h fleet.Host, err error) Finding {
	db := r.Cluster.Database
	failed, isLogin := errors.AsType[*database.LoginError](err)
	if errors.Is(err, remote.ErrForwardingRefused) {
		return skipped("not tried: "+err.Error(), "Grafana's own login could fail and nobody would know before it starts",
			"set AllowTcpForwarding local in /etc/ssh/sshd_config, then systemctl reload sshd")
	}
	if !isLogin {
		return fail(err.Error(), "Grafana does not start without its database", "correct the database section of the inventory")
	}
	if in, ok := errors.AsType[*database.InsecureError](err); ok && db.Create == nil {
		return warn(failed.Error(), "Grafana itself gives it: whoever answers in the server's place, or listens on the way, learns the password; what is read of the database from here (migrations, content, dumps) is left out", in.Fix())
	}
	if db.Create != nil && failed.Kind != database.Unreachable && failed.Kind != database.TooMany {
		return r.creatable(ctx, h, failed)
	}
	what := failed.Error()
	const why = "Grafana does not start without its database"
	switch failed.Kind {
	case database.Unreachable:
		return fail("cannot reach the database at "+db.Host+": "+failed.Cause.Error(), why,
			unreachedFix(map[string]string{"postgres": "postgresql", "mysql": "mysql"}[db.Type], "database.host", db.Host, failed.Cause.Error()))
	case database.BadTLS:
		return fail(what, why, databaseTLSFix(db, failed.Cause.Error()))
	case database.BadPassword:
		return fail(what, why, r.passwordFix()+unproven(db))
	case database.NoDatabase:
		return fail(what, why, r.noDatabaseFix())
	case database.TooMany:
		return fail(what, why, "raise the server's max_connections, or lower database.max_open_conn")
	case database.NoAccess:
		return fail(what, why, "allow "+db.User+" from "+h.Address+" (pg_hba.conf, or GRANT ... TO '"+db.User+"'@'%')")
	}
	return fail(what, why, "read the server's log")
}

// verifiedMode is the ssl_mode that proves who answers.
func verifiedMode(db inventory.Database) string {
	if db.Type == "mysql" {
		return `"true"`
	}
	return "verify-full"
}

// unproven is the other thing that MySQL means by a wrong password.
func unproven(db inventory.Database) string {
	if db.Type != "mysql" || db.ClientCert != "" {
		return ""
	}
	return "; an account that was made with REQUIRE SSL or REQUIRE X509 says the same without database.ssl_mode or database.client_cert"
}

// databaseTLSFix is what to do about a login that TLS prevented.
func databaseTLSFix(db inventory.Database, cause string) string {
	has := func(signs ...string) bool {
		return slices.ContainsFunc(signs, func(s string) bool { return strings.Contains(cause, s) })
	}
	verify, off, name := "verify-full", "disable", "put a name that is in the server's certificate into database.host"
	if db.Type == "mysql" {
		verify, off, name = "true", "false", "put a name that is in the server's certificate into database.server_name"
	}
	switch {
	case has("unknown authority"):
		return "put the CA that signed the server's certificate into database.ca_cert"
	case has("certificate is valid for", "SANs", "not valid for any names"):
		return name
	case has("certificate required", "bad certificate", "valid client certificate", "unknown certificate"):
		return "give database.client_cert and database.client_key, signed by a CA that the server trusts"
	case has("refused TLS", "does not support TLS"):
		return "turn TLS on in the server, or set database.ssl_mode to " + off
	case has("no encryption", "SSL off", "insecure transport"):
		return "set database.ssl_mode to " + verify + ", with ca_cert"
	case has("expired"):
		return "renew the server's certificate"
	}
	return "check database.ssl_mode, ca_cert, client_cert and client_key, and the server's log"
}

// creatable tries the administrator's login instead.
func (r *run) creatable(ctx context.Context, h fleet.Host, failed *database.LoginError) Finding {
	steps, err := database.Missing(ctx, h, r.Cluster.Database)
	if _, wrong := errors.AsType[*database.PasswordError](err); wrong {
		return fail(err.Error(), "Grafana does not start without its database", r.passwordFix())
	}
	if err != nil {
		return fail(err.Error(), "role and database are absent ("+failed.Cause.Error()+") and cannot be made", r.createFix(err))
	}
	return ok("apply will %s on %s", strings.Join(steps, ", "), r.Cluster.Database.Host)[0]
}

// createFix is what an administrator lacks, or is given wrongly.
func (r *run) createFix(err error) string {
	admin := r.Cluster.Database.Create.User
	if in, ok := errors.AsType[*database.InsecureError](err); ok {
		return in.Fix()
	}
	if database.MayNotLook(err) {
		return fmt.Sprintf("GRANT SELECT ON mysql.user TO %s (the user of database.create has to see whether %s is there), or make both by hand",
			admin, r.Cluster.Database.User)
	}
	return "correct database.create, or make them by hand"
}

// Oldest servers that Grafana 10 and later document.
const (
	minPostgres     = 12
	minMySQL        = 8
	minMariaDBMajor = 10
)

func (r *run) serverFindings(p database.Report) []Finding {
	var all []Finding
	add := func(f Finding) { all = append(all, f) }
	if tooOld(p) && r.Version.Major() >= 10 {
		add(warn(fmt.Sprintf("%s %s is older than Grafana %s supports", p.Kind, p.Version, r.Version),
			"its migrations are tested with PostgreSQL 12, MySQL 8 and newer", "upgrade the server first"))
	}
	if p.ReadOnly || p.Replica {
		add(fail("the server at "+r.Cluster.Database.Host+" is a replica or read-only", "every login and migration writes (#26008)",
			"point database.host at the writer"))
	}
	if p.DDL != "" {
		add(fail("a table cannot be made, altered and dropped: "+p.DDL, "Grafana's migrations do all three",
			"GRANT ALL on database "+r.Cluster.Database.Name+" TO "+r.Cluster.Database.User+"; on PostgreSQL make it the owner"))
	}
	if p.LockTables != "" && grafana.LocksTables(r.Version) {
		add(r.tablesFinding(p.LockTables))
	}
	all = append(all, topologyFindings(p)...)
	for _, setting := range p.ForcedPrimaryKey {
		add(fail(setting+" refuses tables without a primary key", "some migrations make such tables (#12971, #33450)",
			"turn it off for Grafana's database while migrations run; on 12 and later database.delete_auto_gen_ids helps with generated keys"))
	}
	if c := strings.ToLower(p.Charset); !strings.HasPrefix(c, "utf8") {
		add(warn("the database's character set is "+p.Charset, "names outside of it cannot be saved",
			"use UTF8 (PostgreSQL) or utf8mb4 (MySQL) for a new database"))
	}
	all = append(all, r.connectionFindings(p)...)
	return all
}

// tablesFinding is of a login that may not lock tables; cause is what the server said.
func (r *run) tablesFinding(cause string) Finding {
	what, why := "no LOCK TABLES: "+cause, "from 13.0 on Grafana locks the tables that it moves to unified storage (#131361)"
	off, set := r.Cluster.Grafana.Config.Get("unified_storage", "migration_locking")
	if known, _ := grafana.KeyKnown(r.Version, "unified_storage", "migration_locking"); known && set && off.Reveal() == "false" {
		return warn(what, why+"; unified_storage.migration_locking: false leaves that out, and what is written meanwhile is lost",
			"let nobody write while the first host migrates")
	}
	fix := "GRANT LOCK TABLES ON " + r.Cluster.Database.Name + ".* TO " + r.Cluster.Database.User
	return fail(what, why,
		fix+"; where the server forbids it (pxc_strict_mode=ENFORCING): Grafana 13.2 and unified_storage.migration_locking: false")
}

func tooOld(p database.Report) bool {
	least := map[database.Kind]int{database.Postgres: minPostgres, database.MySQL: minMySQL, database.MariaDB: minMariaDBMajor}
	return p.Major < least[p.Kind]
}

// topologyFindings are of what stands between Grafana and the one writer it needs.
func topologyFindings(p database.Report) []Finding {
	var all []Finding
	add := func(f Finding) { all = append(all, f) }
	if p.TransactionPooling {
		add(fail("a pooler hands out a server per transaction (PgBouncer pool_mode=transaction)",
			"the migration lock belongs to a session and would be lost: two hosts may migrate at once",
			"set pool_mode = session for this database, or name the server itself"))
	}
	if p.MultiWriter != "" {
		add(warn(fmt.Sprintf("%s with %d writers", p.MultiWriter, p.Members), "writes on two members deadlock and log users out (#9496, #26008)",
			"point database.host at one member, or at a proxy that sends all writes to one"))
	}
	return all
}

// oneServer finds hosts that reach different servers under one name.
func (r *run) oneServer(reports map[string]database.Report) []Finding {
	groups := map[string][]string{}
	var order []string
	for _, h := range r.Hosts {
		p, ok := reports[h.Name]
		if !ok {
			continue
		}
		if groups[p.ServerID] == nil {
			order = append(order, p.ServerID)
		}
		groups[p.ServerID] = append(groups[p.ServerID], h.Name)
	}
	if len(order) < 2 {
		return nil
	}
	var parts []string
	for _, id := range order {
		parts = append(parts, strings.Join(groups[id], ", ")+" reach "+id)
	}
	return []Finding{fail("the hosts reach different servers: "+strings.Join(parts, "; "),
		"writes on two servers deadlock or diverge: logouts, lost dashboards (#9496, #26008)", "point database.host at one writer")}
}
