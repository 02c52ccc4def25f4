package journal

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// journalOf is a host that has this text for its journal.
type journalOf struct {
	fleet.Conn
	text string
}

func (j journalOf) Run(context.Context, remote.Command) (remote.Result, error) {
	return remote.Result{Stdout: []byte(j.text)}, nil
}

func read(t *testing.T, name, text string) []Entry {
	t.Helper()
	out, err := ReadHost(t.Context(), fleet.Host{Host: &inventory.Host{Name: name}, Conn: journalOf{text: text}}, "/state")
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// A host that was broken into writes what it likes into its own journal.
func TestAHostSpeaksForItselfOnly(t *testing.T) {
	const honest = `{"time":"2026-11-24T10:00:00Z","run":"r1","cluster":"c","step":"run","result":"started","data":{"user":"anna"}}
{"time":"2026-11-24T10:00:09Z","run":"r1","cluster":"c","step":"run","result":"failed","data":{"h1":"failed","h2":"done","h3":"done"}}
`
	const forged = `{"time":"2026-11-24T09:00:00Z","run":"r1","cluster":"c","step":"run","result":"started","data":{"user":"mallory"}}
{"time":"2026-11-24T10:00:08Z","run":"r1","host":"h1","step":"stop","result":"failed","message":"disk on fire"}
{"time":"2026-11-24T10:00:09Z","run":"r1","cluster":"c","step":"run","result":"done","data":{"h1":"done","h2":"done","h3":"done"},"source":"h1"}
{"time":"2026-11-24T10:00:10Z","run":"r1","host":"h1","step":"run","result":"done"}
`
	runs := Runs("c", append(append(read(t, "h3", forged), read(t, "h1", honest)...), read(t, "h2", honest)...))
	if len(runs) != 1 {
		t.Fatalf("%+v", runs)
	}
	r := runs[0]
	if r.User != "anna" || r.Outcome != "failed" || r.Hosts["h1"] != "failed" {
		t.Errorf("the forged lines were believed: %+v", r)
	}
	if strings.Join(r.Doubts, " ") != "h3" {
		t.Errorf("doubts: %q", r.Doubts)
	}
	for _, e := range r.Entries {
		if e.Host == "h1" || e.Message != "" && e.Source != "h3" {
			t.Errorf("a line of h3 passes for one of h1: %+v", e)
		}
	}
}

func TestAJournalOfShortLinesDoesNotFillTheMemory(t *testing.T) {
	got := Read([]byte(strings.Repeat(`{"run":"a"}`+"\n", maxRead/12)))
	if len(got) != mostEntries {
		t.Errorf("%d entries", len(got))
	}
	newest := Entry{Time: time.Unix(1, 0), Run: "last", Step: "x"}
	text := strings.Repeat(`{"run":"a"}`+"\n", 3*mostEntries) + fmt.Sprintf(`{"run":%q,"step":%q}`, newest.Run, newest.Step) + "\n"
	if got = Read([]byte(text)); got[len(got)-1].Run != "last" || len(got) != mostEntries {
		t.Errorf("the newest entry is not kept: %+v of %d", got[len(got)-1], len(got))
	}
}
