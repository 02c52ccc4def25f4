// Package database is the one database that all hosts share: reach it, look at
// it, make it, dump it and put a dump back.
//
//	Open ──▶ DB ──▶ Probe            what a server is and what Grafana's login may do there
//	            ──▶ Migrations       what Grafana's migrator has done to the schema
//	            ──▶ Counts           what would be missed: dashboards, folders, rules, ...
//	Missing, Create                  role and database, made with an administrator's login
//	PickHost, Dump, ListBackups, Restore
//
// A login is always tried through a host's own connection, with the real
// drivers, so that what is tested is what Grafana on that host will reach.
// Dumps are made by the database's own tools, on a host where one has them (a
// Grafana database may be larger than the operator's line), else on the operator's
// machine, through a host. What a server says, and what stands in a dump, is not
// trusted: guards stand before the logins, and no tool runs as root.
package database
