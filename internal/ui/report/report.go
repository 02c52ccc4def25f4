package report

import (
	"cmp"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

//go:embed page.html
var pageText string

//go:embed page.css
var styleText string

// Run is what a page is made of.
type Run struct {
	Cluster, Command string
	Tool             string // version of ghadeploy
	Events           []event.Event
	Result           *tasks.Result  // nil for verify, and when a run failed early
	Proof            *verify.Report // of verify
	Failures         []ui.Failure
}

// Write writes the page.
func Write(w io.Writer, run Run) error {
	page, err := template.New("page").Funcs(template.FuncMap{
		"css":  func() template.CSS { return template.CSS(styleText) },
		"span": span,
		"diff": diffLines,
		"time": func(t time.Time) string { return t.Local().Format("15:04:05") },
	}).Parse(pageText)
	if err != nil {
		return fmt.Errorf("parse the page: %w", err)
	}
	if err := page.Execute(ui.CleanWriter(w), newView(run)); err != nil {
		return fmt.Errorf("render the page: %w", err)
	}
	return nil
}

// view is the page's data.
type view struct {
	Title, Outcome, Class string
	Run, Tool             string
	Started               string
	Took                  string
	Failures              []ui.Failure
	Attention             []string
	Hosts                 []hostRow
	Chart                 *chart
	Changes               []change
	Gates                 []gate
	Steps                 []verify.Step
	Journal               []excerpt
	Log                   []event.Event
	Omitted               int
}

type hostRow struct{ Name, Outcome, Class, Runs, Detail string }

// change is one diff, with all hosts that get it.
type change struct {
	Hosts      []string
	Path, Note string
	Unified    string
	Open       bool // of interest at once: a change, not a file that is new
}

// gate is how one gate of one host went.
type gate struct {
	Host, Name, Class, Saw string
	Took                   string
}

// excerpt is what an event told at length.
type excerpt struct{ Title, Text string }

// The limits that keep a page of a thousand hosts under 300 kB.
const (
	mostLog     = 400
	mostChanges = 60
	mostDiff    = 6000 // bytes of one diff
	mostGates   = 300
	mostJournal = 20
	mostText    = 4000 // bytes of one excerpt
)

func newView(run Run) view {
	v := view{
		Title: run.Command + " of " + run.Cluster, Tool: run.Tool, Failures: run.Failures,
		Outcome: "done", Class: "good",
	}
	start, end := bounds(run)
	v.Started, v.Took = start.Local().Format("2006-01-02 15:04:05 MST"), span(end.Sub(start))
	if run.Result != nil {
		v.Run = run.Result.Run
		v.Attention = append(v.Attention, run.Result.Warnings...)
		v.Hosts = hostRows(run.Result)
		v.Changes = changes(run.Result.Plan)
		if !run.Result.Changed {
			v.Outcome = "nothing to do"
		}
	}
	if run.Proof != nil {
		v.Steps = proofOrder(run.Proof.Steps)
		v.Outcome = fmt.Sprintf("%s proved", ui.Count(len(run.Proof.Steps)-len(run.Proof.Failed()), "step"))
		if !run.Proof.OK {
			v.Outcome, v.Class = fmt.Sprintf("%s failed", ui.Count(len(run.Proof.Failed()), "step")), "bad"
		}
	}
	if len(run.Failures) > 0 {
		v.Outcome, v.Class = "failed", "bad"
	}
	hosts := make([]string, len(v.Hosts))
	for i, h := range v.Hosts {
		hosts[i] = h.Name
	}
	v.Chart = newChart(run.Events, hosts, end)
	v.events(run.Events)
	return v
}

// bounds are when the run began and ended.
func bounds(run Run) (start, end time.Time) {
	if len(run.Events) == 0 {
		if run.Proof != nil {
			return run.Proof.Started, run.Proof.Started.Add(time.Duration(run.Proof.Seconds * float64(time.Second)))
		}
		return start, end
	}
	return run.Events[0].Time, run.Events[len(run.Events)-1].Time
}

// events sorts the events into what needs attention, gates, excerpts and log.
func (v *view) events(events []event.Event) {
	for _, e := range events {
		v.event(e)
	}
	if len(v.Log) > mostLog {
		v.Omitted = len(v.Log) - mostLog
		v.Log = v.Log[v.Omitted:]
	}
}

func (v *view) event(e event.Event) {
	bad := e.Kind == event.StepFailed || e.Kind == event.TurnFailed
	if e.Kind == event.Attention || e.Kind == event.Warning {
		v.Attention = append(v.Attention, strings.TrimPrefix(e.Host+": ", ": ")+e.Message)
	}
	if name, ok := strings.CutPrefix(e.Step, "gate:"); ok && (bad || e.Kind == event.StepDone) && len(v.Gates) < mostGates {
		g := gate{Host: cmp.Or(e.Host, "cluster"), Name: name, Class: "good", Saw: e.Message,
			Took: span(time.Duration(e.Seconds * float64(time.Second)))}
		if bad {
			g.Class, g.Saw = "bad", strings.TrimSpace(e.Message+" "+e.Error)
		}
		v.Gates = append(v.Gates, g)
	}
	if e.Detail != "" && bad && len(v.Journal) < mostJournal {
		v.Journal = append(v.Journal, excerpt{strings.TrimSpace(e.Host + " " + e.Step), tail(e.Detail)})
	}
	if e.Kind != event.StepProgress && e.Kind != event.StepStarted {
		e.Detail, e.Value = "", nil
		v.Log = append(v.Log, e)
	}
}

// tail is the end of a long text, where the cause stands.
func tail(text string) string {
	if len(text) <= mostText {
		return text
	}
	return "…" + strings.ToValidUTF8(text[len(text)-mostText:], "")
}

func proofOrder(steps []verify.Step) []verify.Step {
	var failed, rest []verify.Step
	for _, s := range steps {
		if !s.OK && !s.Skipped {
			failed = append(failed, s)
		} else {
			rest = append(rest, s)
		}
	}
	return append(failed, rest...)
}
