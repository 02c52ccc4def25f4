package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// chart is the timeline: one row a host, one bar a step. Numbers are in units
// of the SVG's own coordinates, which is scaled to the page.
type chart struct {
	Height, Bottom int
	Rows           []chartRow
	Ticks          []tick
	Legend         []legend // classes that occur, in the order of a turn
	Summary        string   // for those who cannot see it
	Omitted        int
}

type chartRow struct {
	Host     string
	Y, TextY int
	Bars     []bar
}

type bar struct {
	X, W  float64
	Class string
	Title string
}

type legend struct{ Class, Label string }

type tick struct {
	X    float64
	Text string
}

// The measures of the drawing.
const (
	chartWidth = 1000
	rowHeight  = 44
	mostRows   = 60
	leastBar   = 2.0 // what is narrower cannot be seen
)

// classes of steps, in the order of a turn; each has a colour in page.css.
var classes = []string{"stage", "drain", "stop", "start", "gate", "settle", "proof", "failed"}

func classOf(step string) string {
	switch {
	case step == "settle", step == "gate:settle":
		return "settle"
	case strings.HasPrefix(step, "verify:"):
		return "proof"
	case strings.HasPrefix(step, "gate:"):
		return "gate"
	case step == "stop", step == "flip":
		return "stop"
	case step == "start":
		return "start"
	case step == "drain", step == "undrain":
		return "drain"
	}
	return "stage"
}

// newChart draws the steps of all hosts, those named in hosts first and in
// that order; nil when there were none. It begins with the first step: what
// passed before it was the wait for an answer.
func newChart(events []event.Event, hosts []string, end time.Time) *chart {
	spans := steps(events, end)
	if len(spans) == 0 || !end.After(spans[0].from) {
		return nil
	}
	c := &chart{}
	start := spans[0].from
	scale := chartWidth / end.Sub(start).Seconds()
	var order []string
	byHost := map[string][]step{}
	for _, s := range spans {
		if byHost[s.host] == nil {
			order = append(order, s.host)
		}
		byHost[s.host] = append(byHost[s.host], s)
	}
	place := func(host string) int {
		if i := slices.Index(hosts, host); i >= 0 {
			return i
		}
		return len(hosts)
	}
	slices.SortStableFunc(order, func(a, b string) int { return place(a) - place(b) })
	if len(order) > mostRows {
		c.Omitted = len(order) - mostRows
		order = order[:mostRows]
	}
	seen := map[string]bool{}
	for i, host := range order {
		row := chartRow{Host: host, Y: i*rowHeight + 23, TextY: i*rowHeight + 17}
		for _, s := range byHost[host] {
			seen[s.class] = true
			row.Bars = append(row.Bars, bar{
				X: s.from.Sub(start).Seconds() * scale, W: max(leastBar, s.to.Sub(s.from).Seconds()*scale), Class: s.class,
				Title: fmt.Sprintf("%s: %s, %s", host, s.name, span(s.to.Sub(s.from))),
			})
		}
		c.Rows = append(c.Rows, row)
	}
	c.Bottom = len(c.Rows)*rowHeight + 4
	c.Height = c.Bottom + 26
	c.Ticks = ticks(end.Sub(start), scale)
	c.Legend = legendOf(seen)
	c.Summary = fmt.Sprintf("Timeline of %d hosts over %s: staging, drain, stop, start, gates and settle of each, from left to right.",
		len(c.Rows), span(end.Sub(start)))
	return c
}

// legendOf names the classes. A turn's stop, flip and start are one command on
// the host, so where there is no separate start the bar is all three.
func legendOf(seen map[string]bool) []legend {
	var out []legend
	for _, class := range classes {
		if !seen[class] {
			continue
		}
		label := class
		if class == "stop" && !seen["start"] {
			label = "stop, flip, start"
		}
		out = append(out, legend{class, label})
	}
	return out
}

// step is one bar to be.
type step struct {
	host, name, class string
	from, to          time.Time
}

// steps pairs beginnings and ends. What has no end lasted to the end of the run.
func steps(events []event.Event, end time.Time) []step {
	type key struct{ host, step string }
	open := map[key]time.Time{}
	var order []key
	var out []step
	closeStep := func(k key, at time.Time, class string) {
		from, ok := open[k]
		if !ok {
			return
		}
		delete(open, k)
		order = slices.DeleteFunc(order, func(o key) bool { return o == k })
		out = append(out, step{k.host, k.step, class, from, at})
	}
	for _, e := range events {
		k := key{e.Host, e.Step}
		switch {
		case e.Host == "":
		case e.Kind == event.StepStarted:
			closeStep(k, e.Time, classOf(e.Step))
			open[k] = e.Time
			order = append(order, k)
		case e.Kind == event.StepDone:
			closeStep(k, e.Time, classOf(e.Step))
		case e.Kind == event.StepFailed:
			closeStep(k, e.Time, "failed")
		}
	}
	for _, k := range slices.Clone(order) {
		closeStep(k, end, classOf(k.step))
	}
	slices.SortStableFunc(out, func(a, b step) int { return a.from.Compare(b.from) })
	return out
}

// ticks are round moments, at most eight of them.
func ticks(total time.Duration, scale float64) []tick {
	every := time.Second
	for _, d := range []time.Duration{time.Second, 2 * time.Second, 5 * time.Second, 10 * time.Second, 30 * time.Second, time.Minute,
		2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour} {
		every = d
		if total/d <= 8 {
			break
		}
	}
	var out []tick
	for at := time.Duration(0); at <= total; at += every {
		text := fmt.Sprintf("%.0f s", at.Seconds())
		if every >= time.Minute {
			text = fmt.Sprintf("%.0f min", at.Minutes())
		}
		out = append(out, tick{X: at.Seconds() * scale, Text: text})
	}
	return out
}
