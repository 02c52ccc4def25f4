package database

import (
	"context"
	"encoding/json"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// countsTimeout bounds counting before a dump, which is made whether that works or not.
const countsTimeout = 15 * time.Second

// countsBefore counts the content of a database that is about to be dumped; nil where it
// cannot be counted, as with a database that only the tools reach.
func countsBefore(ctx context.Context, host fleet.Host, db inventory.Database) Counts {
	ctx, cancel := context.WithTimeout(ctx, countsTimeout)
	defer cancel()
	open, err := Open(ctx, host, db, nil)
	if err != nil {
		return nil
	}
	defer func() { _ = open.Close() }()
	counts, err := open.Counts(ctx)
	if err != nil {
		return nil
	}
	return counts
}

// countsScript writes what was counted beside a dump, readable by root only.
const countsScript = `set -eu
umask 077
printf '%s\n' "$1" >"$2.counts.tmp"
mv -f "$2.counts.tmp" "$2.counts"`

// noteCounts records beside a dump what it holds.
func noteCounts(ctx context.Context, host fleet.Host, b Backup) error {
	if len(b.Counts) == 0 {
		return nil
	}
	text, err := json.Marshal(b.Counts)
	if err != nil {
		return err
	}
	_, err = host.Run(ctx, remote.Command{Script: countsScript, Args: []string{string(text), b.Path}, Become: true, Timeout: 15 * time.Second,
		Step: "note what the dump holds"})
	return err
}

// parseCounts reads what a host has beside a dump; nil where that is nothing of ours.
func parseCounts(text string) Counts {
	var all map[string]int64
	if json.Unmarshal([]byte(text), &all) != nil {
		return nil
	}
	counts := Counts{}
	for _, kind := range []string{Dashboards, Folders, AlertRules, Users, DataSources} {
		if n, there := all[kind]; there && n >= 0 {
			counts[kind] = n
		}
	}
	return counts
}
