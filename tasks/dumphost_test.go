package tasks

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// The plan names the host that will make the dump, and says before anything is
// touched when none can.
func TestThePlanNamesTheHostOfTheDump(t *testing.T) {
	for name, tt := range map[string]struct {
		tools   string // the host that has them
		backup  inventory.Backup
		host    string
		refused bool
		here    bool // this machine has the tools
	}{
		"the first that can":       {tools: "h2", host: "h2"},
		"the one that is named":    {tools: "h3", backup: inventory.Backup{On: "h3"}, host: "h3"},
		"named without the tools":  {tools: "h2", backup: inventory.Backup{On: "h3"}, host: "h3", refused: true},
		"none":                     {host: "h1", refused: true},
		"this machine alone":       {host: "operator", here: true},
		"a host before us":         {tools: "h2", host: "h2", here: true},
		"this machine, as asked":   {tools: "h2", backup: inventory.Backup{On: "operator"}, host: "operator", here: true},
		"asked, and has none":      {tools: "h2", backup: inventory.Backup{On: "operator"}, host: "operator", refused: true},
		"a command needs no tools": {backup: inventory.Backup{Command: "dump-it"}, host: "h1"},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster()
			c.Database.Backup = tt.backup
			now := desiredOf(t, c, "9.5.0")
			in := planInput{cluster: c, command: "upgrade", selected: map[string]bool{"h1": true, "h2": true, "h3": true}, desired: desiredOf(t, c, "10.3.1"),
				facts: map[string]*Facts{}, old: map[string]map[string][]byte{}, here: tt.here, hereDir: "/home/ops/dumps"}
			for _, h := range c.Hosts {
				f := converged(now[h.Name], 100)
				f.Tools = map[string]bool{}
				if h.Name == tt.tools {
					f.Tools["pg_dump"], f.Tools["pg_restore"], f.Tools["psql"] = true, true, true
				}
				in.facts[h.Name] = f
			}
			p, err := makePlan(in)
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Before) != 1 || p.Before[0].Kind != ActionBackup || p.Before[0].Host != tt.host {
				t.Errorf("before the turns: %+v, want a dump on %s", p.Before, tt.host)
			}
			if says := strings.Contains(p.Before[0].Summary, "into /home/ops/dumps"); says != (tt.host == "operator") {
				t.Errorf("summary %q", p.Before[0].Summary)
			}
			if refused := strings.Contains(strings.Join(p.Warnings, "\n"), "apply will refuse: back up the database"); refused != tt.refused {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}
