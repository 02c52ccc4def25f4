package database

import (
	"context"
	"encoding/base64"
	"fmt"
	"path"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Statements that empty a schema. What a later version made is in no older dump:
// left behind, it would stop that version's migrations the next time. The mark of a
// scratch database stays.
const (
	wipePostgres = `DO $wipe$ DECLARE r record; BEGIN
FOR r IN SELECT c.relkind, c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind IN ('r','p','v','m') AND c.relname <> '` + scratchMark + `' LOOP
  IF to_regclass(r.name::text) IS NOT NULL THEN
    EXECUTE 'DROP ' || CASE r.relkind WHEN 'v' THEN 'VIEW ' WHEN 'm' THEN 'MATERIALIZED VIEW ' ELSE 'TABLE ' END || r.name || ' CASCADE';
  END IF;
END LOOP;
FOR r IN SELECT c.oid::regclass AS name FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace AND c.relkind = 'S' LOOP
  EXECUTE 'DROP SEQUENCE ' || r.name || ' CASCADE';
END LOOP;
FOR r IN SELECT p.oid::regprocedure AS name FROM pg_proc p WHERE p.pronamespace = current_schema()::regnamespace
  AND NOT EXISTS (SELECT 1 FROM pg_depend d WHERE d.objid = p.oid AND d.deptype = 'e') LOOP
  EXECUTE 'DROP ROUTINE ' || r.name || ' CASCADE';
END LOOP;
END $wipe$;
`
	wipeMySQL = "SELECT CONCAT(IF(TABLE_TYPE='VIEW','DROP VIEW ','DROP TABLE '), '`', REPLACE(TABLE_NAME,'`','``'), '`;') FROM information_schema.TABLES WHERE TABLE_SCHEMA=DATABASE() AND TABLE_NAME <> '" + scratchMark + "';\n"
)

// Restore puts a dump on host back into the database and removes everything else
// from its schema. No Grafana may be running on it. On PostgreSQL all of it is one
// transaction: a failure leaves the database as it was; MySQL cannot do that, there
// the dump is verified before the first table is dropped.
func Restore(ctx context.Context, host fleet.Host, db inventory.Database, dump string) error {
	if ok, err := hasTools(ctx, host, db.Type); err != nil {
		return err
	} else if !ok {
		return &NoToolsError{Hosts: []string{host.Name}, Type: db.Type}
	}
	if via, here := onOperator(host); here && db.Type == "postgres" {
		if err := VerifyDump(ctx, host, db, dump); err != nil {
			return err
		}
		return restoreHere(ctx, via, db, dump)
	}
	reach, err := reachFrom(ctx, host, db)
	if err != nil {
		return err
	}
	args, stdin, err := toolInput(db, reach)
	if err != nil {
		return reach.Close(err)
	}
	wipe := wipePostgres
	if db.Type != "postgres" {
		wipe = wipeMySQL
	}
	stdin.WriteString(base64.StdEncoding.EncodeToString([]byte(wipe)) + "\n")
	_, err = host.Run(ctx, remote.Command{Script: lowScript + verifyScript + restoreScript, Args: append(args, dump), Become: true, Stdin: stdin, Timeout: -1, Step: "restore the database from " + dump})
	return reach.Close(err)
}

// VerifyDump tells whether host has a dump and what it takes to put it back: the
// database's tools, the file, its checksum and its form.
func VerifyDump(ctx context.Context, host fleet.Host, db inventory.Database, dump string) error {
	if ok, err := hasTools(ctx, host, db.Type); err != nil {
		return err
	} else if !ok {
		return &NoToolsError{Hosts: []string{host.Name}, Type: db.Type}
	}
	ssl := ""
	if _, here := onOperator(host); here {
		ssl = "relay"
	}
	_, err := host.Run(ctx, remote.Command{Script: lowScript + verifyScript + verifyOnly, Args: []string{db.Type, dump, ssl}, Become: true, Timeout: -1, Step: "verify " + dump})
	return err
}

// verifyOnly runs verify.sh without a database.
const verifyOnly = `
set -eu
kind=$1 ssl=$3 tmp=/nonexistent
unprivileged 2>/dev/null
verify "$1" "$2"`

// listScript prints size, hash and name of the dumps.
const listScript = `[ -d "$1" ] || exit 0
cd "$1"
ls -1r | grep -E "^$2\$" | while read -r f; do
  sum=-; [ ! -r "$f.sha256" ] || read -r sum rest <"$f.sha256"
  c=; [ ! -r "$f.counts" ] || c=$(head -c 1000 "$f.counts" | head -n 1)
  printf '%s %s %s\t%s\n' "$(($(wc -c <"$f")))" "$sum" "$f" "$c"
done`

// ListBackups lists the cluster's dumps on host, newest first.
func ListBackups(ctx context.Context, host fleet.Host, db inventory.Database, cluster string) ([]Backup, error) {
	dir, err := backupDir(host, db, cluster)
	if err != nil {
		return nil, err
	}
	res, err := host.Run(ctx, remote.Command{Script: listScript, Args: []string{dir, familyPattern(cluster)}, Become: true, Timeout: 15 * time.Second, Step: "list the dumps"})
	if err != nil {
		return nil, err
	}
	name := regexp.MustCompile(`^(\d+) (\S+) (` + regexp.QuoteMeta(cluster) + `-(\d{8}T\d{6}Z)-(.*)\.dump)$`)
	var all []Backup
	for line := range strings.Lines(string(res.Stdout)) {
		line, counts, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		m := name.FindStringSubmatch(strings.TrimSpace(line))
		if m == nil {
			continue
		}
		b := Backup{Host: host.Name, Path: path.Join(dir, m[3]), SHA256: strings.TrimPrefix(m[2], "-"), Version: m[5], Counts: parseCounts(counts)}
		if b.Size, err = strconv.ParseInt(m[1], 10, 64); err != nil {
			return nil, fmt.Errorf("%s: list the dumps: %w", host.Name, err)
		}
		if b.Time, err = time.Parse(stamp, m[4]); err != nil {
			return nil, fmt.Errorf("%s: list the dumps: %w", host.Name, err)
		}
		all = append(all, b)
	}
	return all, nil
}
