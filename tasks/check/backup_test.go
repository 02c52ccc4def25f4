package check

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Missing tools stop a run that will dump before anything is touched; they are no
// failure for a run that will not.
func TestBackupTools(t *testing.T) {
	const dump, restore, client = "dump-tool\tpg_dump", "dump-tool\tpg_restore", "dump-tool\tpsql"
	all := goodFacts(dump) + restore + "\n" + client + "\n"
	for name, tt := range map[string]struct {
		facts    []string
		backup   inventory.Backup
		kind     string
		dump     bool
		severity Severity
		host     string
		words    []string
		here     bool // this machine has the tools
	}{
		"there":                  {facts: []string{goodFacts(), all}, dump: true, severity: OK, host: "h2"},
		"nowhere":                {facts: []string{goodFacts(), goodFacts()}, dump: true, severity: Fail, words: []string{"none of h1, h2, this machine has pg_dump", "apt-get install postgresql-client", "--no-backup"}},
		"half":                   {facts: []string{goodFacts(dump), goodFacts()}, dump: true, severity: Fail, words: []string{"pg_restore"}},
		"not where it is named":  {facts: []string{goodFacts(), all}, backup: inventory.Backup{On: "h1"}, dump: true, severity: Fail, words: []string{"none of h1 has"}},
		"named, no dump now":     {facts: []string{goodFacts(), all}, backup: inventory.Backup{On: "h1"}, severity: Warning, words: []string{"none of h1 has"}},
		"not asked for":          {facts: []string{goodFacts(), goodFacts()}, severity: Warning, words: []string{"an upgrade", "this machine", "--no-backup"}},
		"on this machine":        {facts: []string{goodFacts(), goodFacts()}, dump: true, here: true, severity: OK, words: []string{"this machine dumps"}},
		"there and here":         {facts: []string{goodFacts(), all}, dump: true, here: true, severity: OK, host: "h2"},
		"asked for here":         {facts: []string{goodFacts(), all}, backup: inventory.Backup{On: "operator"}, dump: true, here: true, severity: OK, words: []string{"this machine"}},
		"asked for, not here":    {facts: []string{goodFacts(), all}, backup: inventory.Backup{On: "operator"}, dump: true, severity: Fail, words: []string{"none of this machine has"}},
		"a command of one's own": {facts: []string{goodFacts(), goodFacts()}, backup: inventory.Backup{Command: "dump-it"}, dump: true, severity: Skipped, words: []string{"database.backup.command"}},
		"MariaDB's names":        {facts: []string{goodFacts("dump-tool\tmariadb-dump") + "dump-tool\tmariadb\n", goodFacts()}, kind: "mysql", dump: true, severity: OK, host: "h1"},
	} {
		t.Run(name, func(t *testing.T) {
			bin := t.TempDir()
			t.Setenv("PATH", bin)
			for _, tool := range []string{"pg_dump", "pg_restore", "psql"} {
				if err := os.WriteFile(filepath.Join(bin, tool), nil, 0o755); tt.here && err != nil {
					t.Fatal(err)
				} else if !tt.here {
					_ = os.Remove(filepath.Join(bin, tool))
				}
			}
			hosts := fakeHosts(tt.facts...)
			in := input(t, cluster(hosts...), hosts)
			in.Dump, in.Cluster.Database.Backup = tt.dump, tt.backup
			if tt.kind != "" {
				in.Cluster.Database.Type = tt.kind
			}
			found := only(t, in, "backup")
			want(t, found, tt.severity, tt.host, tt.words...)
			if len(found) != 1 {
				t.Errorf("%d findings: %v", len(found), found)
			}
		})
	}
}
