package database

import (
	"context"
	"fmt"
	"strings"
)

// Identity is equal for two logins that are on the same tables, whatever name, address,
// alias or pooler they come by, and differs for copies of them. It is for comparing only.
type Identity string

// Identity asks the server. PostgreSQL has an identifier of its own, which a replica shares:
// that one is told by being in recovery, and one that was promoted by its timeline. MySQL
// has server_uuid. MariaDB has nothing of the kind, so there its place, and when its
// tables were made, stand for it. The nodes of one Galera or group replication are one.
func (db *DB) Identity(ctx context.Context) (Identity, error) {
	if db.Kind == Postgres {
		return db.postgresIdentity(ctx)
	}
	name, err := scan[string](ctx, db, "SELECT COALESCE(DATABASE(), '')")
	if err != nil {
		return "", fmt.Errorf("ask the server who it is: %w", serverError(err))
	}
	for _, group := range []string{db.status(ctx, "wsrep_cluster_state_uuid"), db.setting(ctx, "group_replication_group_name"),
		db.setting(ctx, "server_uuid")} {
		if len(group) >= len("00000000-0000-0000-0000-000000000000") {
			return Identity("mysql " + group + " " + name), nil
		}
	}
	made, err := scan[string](ctx, db,
		"SELECT COALESCE(CONCAT(COUNT(*), ' ', MIN(CREATE_TIME)), '') FROM information_schema.TABLES WHERE TABLE_SCHEMA = DATABASE()")
	if err != nil {
		return "", fmt.Errorf("ask the server who it is: %w", serverError(err))
	}
	where := []string{"mariadb", name, made, db.version}
	for _, v := range []string{"hostname", "port", "datadir", "server_id", "socket"} {
		where = append(where, db.setting(ctx, v))
	}
	return Identity(strings.Join(where, " ")), nil
}

func (db *DB) postgresIdentity(ctx context.Context) (Identity, error) {
	const place = "SELECT oid::text || ' ' || COALESCE(current_schema(), '') || ' ' || pg_is_in_recovery()::text FROM pg_database WHERE datname = current_database()"
	at, err := scan[string](ctx, db, place)
	if err != nil {
		return "", fmt.Errorf("ask the server who it is: %w", serverError(err))
	}
	server, err := scan[string](ctx, db,
		"SELECT s.system_identifier::text || ' ' || c.timeline_id::text FROM pg_control_system() s, pg_control_checkpoint() c")
	if err != nil { // some keep these functions for themselves
		server, err = scan[string](ctx, db, "SELECT COALESCE(host(inet_server_addr()), '') || ' ' || COALESCE(inet_server_port()::text, '') || ' ' || pg_postmaster_start_time()::text")
	}
	if err != nil {
		return "", fmt.Errorf("ask the server who it is: %w", serverError(err))
	}
	return Identity("postgres " + server + " " + at), nil
}
