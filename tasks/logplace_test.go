package tasks

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Lines of level info are in the journal, in a file, or nowhere.
func TestWhereTheLogIs(t *testing.T) {
	section := func(name, key, value string) inventory.Section {
		return inventory.Section{Name: name, Keys: []inventory.Key{{Name: key, Value: inventory.PlainValue(value)}}}
	}
	const file = "/var/log/grafana/grafana.log"
	for name, tt := range map[string]struct {
		config                 inventory.Config
		only, info, hiddenWord string
	}{
		"as Grafana's default":     {},
		"console":                  {config: inventory.Config{section("log", "mode", "console")}},
		"syslog":                   {config: inventory.Config{section("log", "mode", "syslog")}},
		"file":                     {config: inventory.Config{section("log", "mode", "file")}, only: file, info: file},
		"errors only":              {config: inventory.Config{section("log", "level", "error")}, hiddenWord: "error"},
		"console has only errors":  {config: inventory.Config{section("log.console", "level", "error")}, info: file},
		"a console that has more":  {config: inventory.Config{section("log", "level", "warn"), section("log.console", "level", "debug")}},
		"a file that has too few":  {config: inventory.Config{section("log", "mode", "file"), section("log.file", "level", "critical")}, only: file, hiddenWord: "critical"},
		"both, by a comma's grace": {config: inventory.Config{section("log", "mode", "file,console")}},
	} {
		t.Run(name, func(t *testing.T) {
			c := testCluster("h1")
			c.Hosts[0].Config, c.Paths.Logs, c.File = tt.config, "/var/log/grafana", "prod.yaml"
			if got := logFile(c.Hosts[0], c.Paths); got != tt.only {
				t.Errorf("the log is only in %q, want %q", got, tt.only)
			}
			got, hidden := infoLines(c.Hosts[0], c.Paths)
			if got != tt.info || !strings.Contains(hidden, tt.hiddenWord) || (hidden == "") != (tt.hiddenWord == "") {
				t.Errorf("info is in %q, hidden by %q", got, hidden)
			}
			notes := LogFiles(c, c.Hosts)
			if (len(notes) > 0) != (tt.only != "") {
				t.Errorf("logs would say %q", notes)
			}
			for _, n := range notes {
				if !strings.Contains(n, "ghadeploy exec prod.yaml -b --limit h1 -- runuser -u grafana -- tail -n 100 "+file) {
					t.Errorf("no command in %q", n)
				}
			}
		})
	}
}
