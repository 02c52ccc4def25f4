package tasks

import (
	"fmt"
	"strings"
	"testing"
)

// The cause of a host that does not start is Grafana's own last error, and each line of
// trouble stands there once, however often systemd has repeated the start.
func TestTheCauseOfAFailedStartIsTheErrorLine(t *testing.T) {
	long := strings.Repeat("SELECT x ", 300)
	var b strings.Builder
	for i := range 6 {
		fmt.Fprintf(&b, "2026-11-24T12:00:%02d+0000 h1 grafana[%d]: logger=settings t=2026-11-24T12:00:%02dZ level=info msg=\"Starting Grafana\" version=10.3.1\n", i, 100+i, i)
		fmt.Fprintf(&b, "2026-11-24T12:00:%02d+0000 h1 grafana[%d]: logger=migrator level=error msg=\"%s\"\n", i, 100+i, long)
		fmt.Fprintf(&b, "2026-11-24T12:00:%02d+0000 h1 grafana[%d]: Error: ✗ failed to connect to database: pq: password authentication failed for user \"grafana\"\n", i, 100+i)
		fmt.Fprintf(&b, "2026-11-24T12:00:%02d+0000 h1 systemd[1]: grafana-server.service: Main process exited, code=exited, status=1/FAILURE\n", i)
		fmt.Fprintf(&b, "2026-11-24T12:00:%02d+0000 h1 systemd[1]: grafana-server.service: Failed with result 'exit-code'.\n", i)
	}
	cause, lines := relevant(b.String())
	if !strings.Contains(cause, "password authentication failed") {
		t.Errorf("cause %q", cause)
	}
	if n := strings.Count(lines, "password authentication failed"); n != 1 {
		t.Errorf("the cause stands there %d times:\n%s", n, lines)
	}
	got := strings.Split(lines, "\n")
	if len(got) > relevantLines {
		t.Errorf("%d lines", len(got))
	}
	for _, l := range got {
		if len([]rune(l)) > longestLine {
			t.Errorf("a line of %d characters", len([]rune(l)))
		}
	}
	for name, tt := range map[string]struct{ log, cause string }{
		"a field":              {`logger=x level=error msg="Failed to start" error="listen tcp :3000: bind: address already in use"`, "address already in use"},
		"JSON":                 {`{"level":"error","msg":"Stopped background service","error":"dial tcp: lookup db: no such host"}`, "no such host"},
		"a panic":              {"goroutine 1\npanic: runtime error: index out of range", "index out of range"},
		"the old level's name": {`t=2020 lvl=eror msg="Server shutdown" logger=server err="pq: database \"x\" does not exist"`, "does not exist"},
		"nothing bad":          {"logger=x level=info msg=\"fine, no error here\"", ""},
	} {
		if cause, lines := relevant(tt.log); !strings.Contains(cause, tt.cause) || tt.cause == "" && cause != "" || lines == "" {
			t.Errorf("%s: cause %q of %q", name, cause, lines)
		}
	}
}
