package check

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// A pg_dump that is older than the server is told of before it fails.
func TestAPgDumpOlderThanTheServerIsForeseen(t *testing.T) {
	tools := "dump-tool\tpg_dump\ndump-tool\tpg_restore\ndump-tool\tpsql\n"
	debian13 := goodFacts() + tools + "pg-dump\tpg_dump (PostgreSQL) 13.14 (Debian 13.14-0+deb11u1)\n"
	debian15 := goodFacts() + tools + "pg-dump\tpg_dump (PostgreSQL) 15.6 (Debian 15.6-0+deb12u1)\n"
	for name, tt := range map[string]struct {
		facts    []string
		backup   inventory.Backup
		major    int
		dump     bool
		severity Severity // empty: nothing is said
		words    string
		here     string // what this machine's pg_dump says
	}{
		"older":              {facts: []string{debian13, goodFacts()}, major: 15, severity: Warning, words: "pg_dump 13 on h1 cannot dump PostgreSQL 15"},
		"older, and now":     {facts: []string{debian13, goodFacts()}, major: 15, dump: true, severity: Fail, words: "pg_dump 13 on h1"},
		"as old":             {facts: []string{debian15, goodFacts()}, major: 15, dump: true},
		"newer":              {facts: []string{debian15, goodFacts()}, major: 13, dump: true},
		"the named one":      {facts: []string{debian13, debian15}, backup: inventory.Backup{On: "h2"}, major: 15, dump: true},
		"says nothing":       {facts: []string{goodFacts() + tools, goodFacts()}, major: 15, dump: true},
		"this machine's":     {facts: []string{goodFacts(), goodFacts()}, major: 17, dump: true, severity: Fail, words: "pg_dump 16 on this machine", here: "pg_dump (PostgreSQL) 16.1"},
		"a command of yours": {facts: []string{debian13, goodFacts()}, backup: inventory.Backup{Command: "dump-it"}, major: 15, dump: true},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			t.Setenv("PATH", bin)
			for _, tool := range []string{"pg_dump", "pg_restore", "psql"} {
				if tt.here == "" {
					continue
				}
				if err := os.WriteFile(filepath.Join(bin, tool), []byte("#!/bin/sh\necho '"+tt.here+"'\n"), 0o755); err != nil {
					t.Fatal(err)
				}
			}
			hosts := fakeHosts(tt.facts...)
			in := input(t, cluster(hosts...), hosts)
			in.Dump, in.Cluster.Database.Backup, in.Cluster.Database.Type = tt.dump, tt.backup, "postgres"
			r := &run{Input: in}
			r.gatherFacts(t.Context())
			found := r.oldDump(t.Context(), database.Report{Major: tt.major})
			if tt.severity == "" {
				if len(found) > 0 {
					t.Errorf("got %v", found)
				}
				return
			}
			if len(found) != 1 || found[0].Severity != tt.severity || !strings.Contains(found[0].What, tt.words) {
				t.Errorf("got %+v", found)
			}
		})
	}
}
