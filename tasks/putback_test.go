package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

func TestWhatADumpTakesAwayIsTold(t *testing.T) {
	at := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	dump := func(c database.Counts, made time.Time) *foundDump {
		return &foundDump{host: fleet.Host{Host: &inventory.Host{Name: "h1"}}, path: "/b/x.dump", made: database.Backup{Counts: c, Time: made}}
	}
	now := database.Counts{"dashboards": 12, "users": 3}
	for _, tt := range []struct {
		name string
		d    *foundDump
		now  database.Counts
		want []string
	}{
		{"fewer then", dump(database.Counts{"dashboards": 11, "users": 3}, at.Add(-2*time.Hour)), now, []string{"dashboards: now 12, in the dump 11", "2h0m0s ago"}},
		{"as many", dump(database.Counts{"dashboards": 12, "users": 3}, at.Add(-time.Minute)), now, []string{"the numbers are the same", "1m0s ago", "what was written since is lost"}},
		{"an old dump", dump(nil, at.Add(-time.Hour)), now, []string{"not recorded", "1h0m0s ago", "now there are 3 users, 12 dashboards"}},
		{"a dump of somewhere else", dump(nil, time.Time{}), now, []string{"unknown age", "now there are 3 users"}},
		{"a database that does not answer", dump(now, at), nil, []string{"could not be counted", "3 users, 12 dashboards"}},
		{"neither", dump(nil, at), nil, []string{"neither could be counted"}},
	} {
		text := lostBy(tt.d, tt.now, at)
		for _, w := range tt.want {
			if !strings.Contains(text, w) {
				t.Errorf("%s: %s\ndoes not say %q", tt.name, text, w)
			}
		}
	}
}
