package journal

import (
	"strings"
	"testing"
)

// Two hosts' journals of one run, a line that a crash cut short, and a run of another
// cluster on the same hosts.
const lines = `{"time":"2026-11-24T10:00:00Z","run":"r1","cluster":"c","step":"run","result":"started","data":{"user":"anna"}}
{"time":"2026-11-24T10:00:09Z","run":"r1","cluster":"c","step":"run","result":"done","data":{"h1":"done"}}
{"time":"2026-11-24T10:00:00Z","run":"r1","cluster":"c","step":"run","result":"started","data":{"user":"anna"}}
{"time":"2026-11-24T10:00:05Z","run":"r1","host":"h1","step":"stop","result":"done"}
{"time":"2026-11-24T11:00:00Z","run":"other","cluster":"d","step":"run","result":"started"}
{"time":"2026-11-24T12:00:00Z","run":"r2","cluster":"c","step":"run","result":"started"}
{"time":"2026-11-24T12:00:01Z","run":"r2","st`

func TestRunsAreGatheredFromWhatTheHostsKept(t *testing.T) {
	runs := Runs("c", Read([]byte(lines)))
	if len(runs) != 2 || runs[0].ID != "r2" || runs[0].Outcome != "unfinished" {
		t.Fatalf("runs: %+v", runs)
	}
	r := runs[1]
	var steps []string
	for _, e := range r.Entries {
		steps = append(steps, e.Step+" "+e.Result)
	}
	if got := strings.Join(steps, ", "); got != "run started, stop done, run done" {
		t.Errorf("entries: %s", got)
	}
	if r.Outcome != "done" || r.User != "anna" || r.Hosts["h1"] != "done" {
		t.Errorf("run: %+v", r)
	}
}

func TestAnEntryWrittenHereIsReadHere(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	if none, err := ReadLocal("c"); err != nil || len(none) != 0 {
		t.Fatalf("before the first run: %v, %v", none, err)
	}
	for _, step := range []string{"drain", "stop"} {
		f := Append("c")
		f.Write(Entry{Run: "r", Step: step, Result: "done"})
		f.Close()
		f.Write(Entry{Run: "r", Step: "after the end"})
	}
	got, err := ReadLocal("c")
	if err != nil || len(got) != 2 || got[0].Step != "drain" || got[1].Step != "stop" {
		t.Errorf("read %+v, %v", got, err)
	}
}
