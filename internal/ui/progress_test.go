package ui

import (
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// hand is a clock that tests move.
type hand struct{ now time.Time }

func (h *hand) time() time.Time { return h.now }

func TestPlainTellsWhatIsUnderWayWhenNothingElseIsSaid(t *testing.T) {
	var out bytes.Buffer
	h := &hand{noon}
	p := newPlain(&out, Style{}, false, h.time)
	p.Event(event.Event{Time: h.now, Kind: event.StepStarted, Host: "g1", Step: "gate:members"})
	p.Event(event.Event{Time: h.now, Kind: event.StepProgress, Host: "g1", Step: "gate:members", Message: "2 of 3 members"})
	p.sign()
	if out.Len() != 0 {
		t.Errorf("said at once: %s", out.String())
	}
	h.now = noon.Add(1100 * time.Millisecond)
	p.sign()
	if want := "12:00:01  ... g1 gate members: 2 of 3 members, 1.1 s\n"; out.String() != want {
		t.Errorf("after a second it says %q, want %q", out.String(), want)
	}
	out.Reset()
	h.now = noon.Add(5 * time.Second)
	p.sign()
	if out.Len() != 0 {
		t.Errorf("repeats itself after 4 s: %s", out.String())
	}
	h.now = noon.Add(12 * time.Second)
	p.sign()
	if out.Len() == 0 {
		t.Error("says nothing for 11 s")
	}
}

func TestPlainShowsFailuresWithTheirDetail(t *testing.T) {
	var out bytes.Buffer
	p := newPlain(&out, Style{}, false, func() time.Time { return noon })
	p.Event(event.Event{Time: noon, Kind: event.StepFailed, Host: "g2", Step: "start", Error: "exit status 1", Detail: "line one\nline two", Seconds: 2})
	want := "12:00:00  g2  start: FAILED: exit status 1 (2.0 s)\n          line one\n          line two\n"
	if out.String() != want {
		t.Errorf("shows\n%s\nwant\n%s", out.String(), want)
	}
}

func TestBoardFitsEveryTerminal(t *testing.T) {
	b := newBoard(Style{Color: true}, noon)
	events := 0
	send := func(_ time.Duration, e event.Event) {
		e.Time = noon
		b.take(e)
		if events++; events%37 != 0 { // every step of the way, not every event
			return
		}
		for _, columns := range []int{40, 80, 120} {
			for _, rows := range []int{0, 8, 24, 60} {
				lines := b.render(noon.Add(3*time.Second), columns, rows, 1)
				if rows > 0 && len(lines) >= rows {
					t.Fatalf("%d lines on a terminal of %d rows", len(lines), rows)
				}
				for _, l := range lines {
					if width(l) > columns {
						t.Fatalf("%d columns on a terminal of %d: %q", width(l), columns, l)
					}
				}
			}
		}
	}
	playRollout(40, send)
}

func TestBoardFoldsHostsThatDoNothing(t *testing.T) {
	b := newBoard(Style{}, noon)
	for _, e := range []event.Event{
		{Kind: event.StepStarted, Host: "g01", Step: "upload"}, {Kind: event.StepDone, Host: "g01", Step: "upload"},
		{Kind: event.StepStarted, Host: "g02", Step: "upload"}, {Kind: event.StepDone, Host: "g02", Step: "upload"},
		{Kind: event.StepStarted, Host: "g03", Step: "upload"}, {Kind: event.StepDone, Host: "g03", Step: "upload"},
		{Kind: event.StepStarted, Host: "g04", Step: "upload"}, {Kind: event.StepFailed, Host: "g04", Step: "upload"},
		{Kind: event.TurnDone, Host: "g05"},
		{Kind: event.TurnStarted, Host: "g06", Done: 2, Total: 6}, {Kind: event.StepStarted, Host: "g06", Step: "gate:health", Message: "503"},
	} {
		e.Time = noon
		b.take(e)
	}
	got := strings.Join(b.render(noon.Add(2*time.Second), 79, 24, 0), "\n")
	for _, want := range []string{"turn 2 of 6", "x failed 1: g04", "+ done 1: g05", "= waiting 3: g[01:03]", "gate health"} {
		if !strings.Contains(got, want) {
			t.Errorf("the board does not show %q:\n%s", want, got)
		}
	}
}

// cursorUp is how a live view goes back to the beginning of its block.
var cursorUp = regexp.MustCompile(`\x1b\[(\d+)A\x1b\[0J`)

func TestLiveErasesWhatAResizeWrapped(t *testing.T) {
	var out bytes.Buffer
	columns := 80
	l := newLive(&out, Style{}, func() (int, int) { return columns, 24 }, false, func() time.Time { return noon })
	l.Event(event.Event{Time: noon, Kind: event.StepStarted, Host: "g1", Step: "start"})
	l.draw()
	if out.Len() == 0 || len(l.drawn) != 2 {
		t.Fatalf("drew %q", l.drawn)
	}
	out.Reset()
	columns = 40 // the row of 79 columns now takes two lines
	l.draw()
	if m := cursorUp.FindStringSubmatch(shown(out.String())); m == nil || m[1] != "2" {
		t.Errorf("went up %v lines, want 2: %q", m, out.String())
	}
}

func TestLiveKeepsHistoryAndTakesItsBlockAway(t *testing.T) {
	var out bytes.Buffer
	s := Streams{Err: &out, Size: func() (int, int) { return 80, 24 }}
	l := NewLive(s, false)
	l.Event(event.Event{Time: noon, Kind: event.StepDone, Host: "g1", Step: "upload", Message: "66 MB"})
	l.Close()
	if !strings.HasSuffix(out.String(), "12:00:00  g1  upload: 66 MB\n") {
		t.Errorf("the terminal ends with %q", out.String())
	}
}

func TestNDJSONWritesADocumentALine(t *testing.T) {
	var out bytes.Buffer
	n := NewNDJSON(&out)
	n.Event(event.Event{Time: noon, Kind: event.Info, Message: "a <b>\nc"})
	if err := n.Last(map[string]int{"exit_code": 0}); err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(out.String()), "\n")
	if len(lines) != 2 {
		t.Fatalf("%d lines: %s", len(lines), out.String())
	}
	for _, l := range lines {
		if !json.Valid([]byte(l)) {
			t.Errorf("no JSON: %s", l)
		}
	}
}

func TestAskDefaultsToNoAndNeedsATerminal(t *testing.T) {
	for answer, want := range map[string]bool{"y\n": true, "YES\n": true, "\n": false, "n\n": false, "sure\n": false} {
		s := Streams{In: strings.NewReader(answer), Err: io.Discard, InTTY: true, ErrTTY: true}
		if yes, err := Ask(t.Context(), s, "Apply?"); err != nil || yes != want {
			t.Errorf("%q is %v, %v; want %v", answer, yes, err, want)
		}
	}
	s := Streams{In: strings.NewReader("y\n"), Err: io.Discard, ErrTTY: true}
	if _, err := Ask(t.Context(), s, "Apply?"); err == nil || err.Error() != "cannot ask without a terminal; use --yes" {
		t.Errorf("without a terminal: %v", err)
	}
}

func TestConfirmQuestionNamesClusterAndWhatStops(t *testing.T) {
	if q := ConfirmQuestion(examplePlan(4)); q != "Apply on prod? Grafana restarts on g[001:004], one after another." {
		t.Error(q)
	}
}

func TestConfirmQuestionSaysWhatIsRemoved(t *testing.T) {
	p := &tasks.Plan{Cluster: "prod", Command: "remove", Hosts: []tasks.HostPlan{{Host: "g3", Actions: []tasks.Action{{Kind: tasks.ActionRemove, Disrupts: true}}}}}
	if q := ConfirmQuestion(p); q != "Remove on prod? Grafana stops on g3; Grafana is REMOVED from g3." {
		t.Error(q)
	}
}

func TestNamesFoldsRanges(t *testing.T) {
	for want, hosts := range map[string][]string{
		"h[1:3]":                   {"h1", "h2", "h3"},
		"h1, h2":                   {"h1", "h2"},
		"g[08:11].example.com, db": {"g08.example.com", "g09.example.com", "g10.example.com", "g11.example.com", "db"},
		"h[8:11]":                  {"h8", "h9", "h10", "h11"},
		"h08, h9, h010":            {"h08", "h9", "h010"},
		"10.0.0.1, 10.0.0.2, x":    {"10.0.0.1", "10.0.0.2", "x"},
	} {
		if got := names(hosts); got != want {
			t.Errorf("names(%v) is %q, want %q", hosts, got, want)
		}
	}
}

func TestCleanDisarmsTerminals(t *testing.T) {
	if got := Clean("a\x1b[2Jb\r\x07\tc\n\u009b"); strings.ContainsAny(got, "\x1b\r\x07\u009b") {
		t.Errorf("still armed: %q", got)
	}
}

func BenchmarkPlan200Hosts(b *testing.B) {
	p := examplePlan(200)
	for b.Loop() {
		if err := (PlanText{Style: Style{Color: true}, Width: 120}).Write(io.Discard, p); err != nil {
			b.Fatal(err)
		}
	}
}
