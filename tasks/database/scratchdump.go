package database

import (
	"context"
	"fmt"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// scratchDumps is the folder, beside the dumps, of those that only fill a scratch database.
const scratchDumps = "rehearsal"

// forScratch is db whose dumps go to a folder of their own, one at most, by the tools
// that can put them back: what an operator's own command makes is not known.
func forScratch(h fleet.Host, db inventory.Database, cluster string) (inventory.Database, error) {
	dir, err := backupDir(h, db, cluster)
	if err != nil {
		return db, err
	}
	db.Backup.Dir, db.Backup.Keep, db.Backup.Command = path.Join(dir, scratchDumps), 1, ""
	if _, here := onOperator(h); here {
		db.Backup.On = Operator
	}
	return db, nil
}

// freeScript tells how much a folder's disk has free, in KiB, also before there is the folder.
const freeScript = `d=$1; while [ ! -d "$d" ]; do d=${d%/*}; d=${d:-/}; done; df -Pk "$d" | awk 'END { print $4 }'`

// FillScratch dumps db with the tools on host and plays the dump into its scratch
// database, of the same server. size is what db holds, in bytes: a disk without as much is
// refused before. The dump is removed by [CleanScratchDumps].
func FillScratch(ctx context.Context, host fleet.Host, db, scratch inventory.Database, opts BackupOptions, size int64) error {
	if scratch.Name == db.Name {
		return fmt.Errorf("database %s is the one that Grafana uses", db.Name) // never, whatever else is wrong
	}
	db, err := forScratch(host, db, opts.Cluster)
	if err != nil {
		return err
	}
	res, err := host.Run(ctx, remote.Command{Step: "look for room for the dump", Script: freeScript, Args: []string{db.Backup.Dir}, Become: true, Timeout: 15 * time.Second})
	if err != nil {
		return err
	}
	free, err := strconv.ParseInt(strings.TrimSpace(string(res.Stdout)), 10, 40)
	if err == nil && free<<10 < size {
		return fmt.Errorf("the disk of %s on %s has %d MB free, and the database holds %d MB", db.Backup.Dir, host.Name, free>>10, size>>20)
	}
	b, err := Dump(ctx, host, db, opts)
	if err != nil {
		return err
	}
	return Restore(ctx, host, scratch, b.Path)
}

// removeDumpsScript removes the folder and tells whether there was one.
const removeDumpsScript = `[ -d "$1" ] || exit 0; case $1 in */rehearsal) rm -rf "$1" && echo found ;; esac`

// CleanScratchDumps removes what FillScratch left on a host, and tells whether there was
// anything.
func CleanScratchDumps(ctx context.Context, host fleet.Host, db inventory.Database, cluster string) (found bool, err error) {
	if db, err = forScratch(host, db, cluster); err != nil {
		return false, err
	}
	res, err := host.Run(ctx, remote.Command{Step: "remove the dump", Script: removeDumpsScript, Args: []string{db.Backup.Dir}, Become: true, Timeout: time.Minute})
	return strings.Contains(string(res.Stdout), "found"), err
}
