package grafana

import (
	"testing"
	"time"
)

func TestParseLogLine(t *testing.T) {
	for _, c := range []struct {
		name, line string
		want       LogLine
	}{
		{"logfmt in the journal", `Nov 23 02:44:23.472426 h1 grafana[188]: logger=migrator t=2026-11-23T02:44:23.472378023Z level=info msg="migrations completed" performed=526 skipped=0 duration=1.770799171s`,
			LogLine{Event: LogMigrationsCompleted, Level: "info", Logger: "migrator", Performed: 526, Duration: 1770799171}},
		{"json", `{"duration":"1.5s","level":"info","logger":"migrator","msg":"migrations completed","performed":3,"skipped":523,"t":"2026-11-23T02:44:23Z"}`,
			LogLine{Event: LogMigrationsCompleted, Level: "info", Logger: "migrator", Performed: 3, Skipped: 523, Duration: 1500 * time.Millisecond}},
		{"console", `INFO [11-23|02:44:23] migrations completed                     logger=migrator performed=0 skipped=526 duration=412.1µs`,
			LogLine{Event: LogMigrationsCompleted, Level: "info", Logger: "migrator", Skipped: 526, Duration: 412100}},
		{"console of 7", `INFO[05-28|00:42:01] Starting DB migration                   logger=migrator`,
			LogLine{Event: LogMigrationsStarting, Level: "info", Logger: "migrator", Performed: -1, Skipped: -1}},
		{"coloured console", "\x1b[32mINFO\x1b[0m[05-28|00:42:01] Executing migration                      \x1b[32mlogger\x1b[0m=migrator \x1b[32mid\x1b[0m=\"create user table\"",
			LogLine{Event: LogMigration, Level: "info", Logger: "migrator", ID: "create user table", Performed: -1, Skipped: -1}},
		{"old logfmt", `t=2020-04-11T16:23:16-0700 lvl=info msg="Starting Grafana" logger=server version=6.7.2 commit=423a25fc32`,
			LogLine{Event: LogStarting, Level: "info", Logger: "server", Version: "6.7.2", Performed: -1, Skipped: -1}},
		{"migration", `logger=migrator t=2026-11-23T02:44:22Z level=info msg="Executing migration" id="add index \"x\""`,
			LogLine{Event: LogMigration, Level: "info", Logger: "migrator", ID: `add index "x"`, Performed: -1, Skipped: -1}},
		{"migrations start", `logger=migrator t=2026-11-23T02:44:21Z level=info msg="Starting DB migrations"`,
			LogLine{Event: LogMigrationsStarting, Level: "info", Logger: "migrator", Performed: -1, Skipped: -1}},
		{"migration fails", `t=2021-01-01T00:00:00Z lvl=eror msg="Executing migration failed" logger=migrator id="x" error="boom"`,
			LogLine{Event: LogMigrationFailed, Level: "error", Logger: "migrator", ID: "x", Error: "boom", Performed: -1, Skipped: -1}},
		{"lock", `logger=sqlstore t=2022-02-01T00:00:00Z level=error msg="Failed to lock database" error="failed to obtain lock"`,
			LogLine{Event: LogLockLost, Level: "error", Logger: "sqlstore", Error: "failed to obtain lock", Performed: -1, Skipped: -1}},
		{"lock, last words", `Failed to start grafana. error: failed to obtain lock`, LogLine{Event: LogLockLost, Performed: -1, Skipped: -1}},
		{"gossip", `logger=ngalert.multiorg.alertmanager component=clustering t=2026-11-23T02:44:35Z level=info msg="gossip settled; proceeding" elapsed=12.005s`,
			LogLine{Event: LogGossipSettled, Level: "info", Logger: "ngalert.multiorg.alertmanager", Performed: -1, Skipped: -1}},
		{"gossip not yet", `logger=a level=info msg="gossip not settled" polls=0`, LogLine{Level: "info", Logger: "a", Performed: -1, Skipped: -1}},
		{"listening", `logger=http.server t=2026-11-23T02:44:23Z level=info msg="HTTP Server Listen" address=[::]:3000 protocol=http subUrl= socket=`,
			LogLine{Event: LogListening, Level: "info", Logger: "http.server", Address: "[::]:3000", Performed: -1, Skipped: -1}},
		{"noise", `unable to read: "x`, LogLine{Performed: -1, Skipped: -1}},
		{"broken json", `{"msg":`, LogLine{Performed: -1, Skipped: -1}},
		{"empty", ``, LogLine{Performed: -1, Skipped: -1}},
	} {
		got := ParseLogLine(c.line)
		got.Fields, got.Message = nil, ""
		if got.Event != c.want.Event || got.Level != c.want.Level || got.Logger != c.want.Logger || got.ID != c.want.ID || got.Error != c.want.Error ||
			got.Address != c.want.Address || got.Version != c.want.Version || got.Performed != c.want.Performed || got.Skipped != c.want.Skipped || got.Duration != c.want.Duration {
			t.Errorf("%s:\n got %+v\nwant %+v", c.name, got, c.want)
		}
	}
}

func FuzzParseLogLine(f *testing.F) {
	f.Add(`logger=a t=b level=info msg="x" k="y\"z"`)
	f.Add(`{"a":1,"b":[{}]}`)
	f.Add("INFO[05-28|00:42:01] a b=c")
	f.Fuzz(func(t *testing.T, line string) {
		l := ParseLogLine(line)
		if l.Event == LogMigrationsCompleted && l.Message != "migrations completed" {
			t.Errorf("%q: got %+v", line, l)
		}
	})
}
