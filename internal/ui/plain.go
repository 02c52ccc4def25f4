package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// How often plain lines tell that something still works: soon at first, so
// that nobody wonders, and then seldom, so that a CI log stays readable.
const (
	firstSign = time.Second
	laterSign = 10 * time.Second
)

// Plain shows events as timestamped lines.
type Plain struct {
	w       io.Writer
	style   Style
	verbose bool
	now     func() time.Time
	// columns to wrap lines at; nil: lines go to no terminal and stay whole.
	columns func() int

	mu      sync.Mutex
	running []activity
	written time.Time     // when the last line was
	wait    time.Duration // until the next sign of life

	stop chan struct{}
	done chan struct{}
}

// NewPlain starts a view of lines on s.Err. verbose adds the beginning of
// every step and details. Close it.
func NewPlain(s Streams, verbose bool) *Plain {
	p := newPlain(s.Err, s.ErrStyle, verbose, time.Now)
	guard.Go(func() { p.heartbeat(time.NewTicker(firstSign / 2)) })
	return p
}

func newPlain(w io.Writer, s Style, verbose bool, now func() time.Time) *Plain {
	return &Plain{w: w, style: s, verbose: verbose, now: now, written: now(), wait: firstSign, stop: make(chan struct{}),
		done: make(chan struct{})}
}

// Event implements [Progress].
func (p *Plain) Event(e event.Event) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = track(p.running, e)
	if p.shows(e) && headlineOf(e) != "" {
		p.line(e)
		p.wait = firstSign
	}
}

// shows tells what is worth a line: what is over rather than what begins,
// because the sign of life tells what is under way.
func (p *Plain) shows(e event.Event) bool {
	switch e.Kind {
	case event.StepProgress:
		return false
	case event.StepStarted, event.PhaseDone:
		return p.verbose
	case event.Finding:
		return p.verbose || e.Error != ""
	}
	return true
}

func (p *Plain) line(e event.Event) {
	host := ""
	if e.Host != "" {
		host = e.Host + "  "
	}
	at := clock(e.Time)
	for i, l := range p.wrapped(headlineOf(e), width(at+host)+2) {
		if i > 0 { // deeper than what it belongs to
			at, host = strings.Repeat(" ", width(at)), strings.Repeat(" ", width(host)+2)
		}
		fmt.Fprintf(p.w, "%s  %s\n", p.style.Faint(at), p.style.event(e, host+l))
	}
	failed := e.Kind == event.StepFailed || e.Kind == event.TurnFailed || e.Kind == event.Attention
	if e.Detail != "" && (p.verbose || failed) {
		fmt.Fprintln(p.w, indent(Clean(e.Detail), "          "))
	}
	p.written = p.now()
}

// wrapped is a line as the terminal has room for it, beside what stands before it.
func (p *Plain) wrapped(text string, before int) []string {
	if p.columns == nil || before+width(text) < p.columns() {
		return []string{text}
	}
	return wrap(text, p.columns()-before-3)
}

// heartbeat tells what is under way when nothing else was said for a while.
func (p *Plain) heartbeat(t *time.Ticker) {
	defer close(p.done)
	defer t.Stop()
	for {
		select {
		case <-p.stop:
			return
		case <-t.C:
			p.sign()
		}
	}
}

// mostSigns is how many activities one line names.
const mostSigns = 3

func (p *Plain) sign() {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.now()
	if len(p.running) == 0 || now.Sub(p.written) < p.wait {
		return
	}
	running := atWork(p.running)
	var parts []string
	for _, a := range running[:min(mostSigns, len(running))] {
		parts = append(parts, a.text(now))
	}
	if more := len(running) - mostSigns; more > 0 {
		parts = append(parts, fmt.Sprintf("and %d more", more))
	}
	fmt.Fprintf(p.w, "%s  %s\n", p.style.Faint(clock(now)), p.style.Faint("... "+strings.Join(parts, "; ")))
	p.written, p.wait = now, laterSign
}

// atWork are the steps under way; phases, which were told when they began, only
// where there is no step, and then without their words.
func atWork(running []activity) []activity {
	steps := slices.DeleteFunc(slices.Clone(running), activity.isPhase)
	if len(steps) > 0 {
		return steps
	}
	phase := running[len(running)-1]
	phase.last.Message = ""
	return []activity{phase}
}

// Aside implements [Progress].
func (p *Plain) Aside(ask func()) {
	p.mu.Lock()
	defer p.mu.Unlock()
	ask()
	p.written = p.now()
}

// Close implements [Progress].
func (p *Plain) Close() {
	close(p.stop)
	<-p.done
}

// track keeps the list of what is under way, oldest first.
func track(running []activity, e event.Event) []activity {
	i := slices.IndexFunc(running, func(a activity) bool { return a.host == e.Host && a.step == e.Step })
	if i < 0 && e.Kind == event.StepProgress { // of the host's step, or of a step that names its host itself
		i = slices.IndexFunc(running, func(a activity) bool {
			return e.Step == "" && a.host == e.Host || e.Host == "" && a.step == e.Step
		})
	}
	switch e.Kind {
	case event.StepStarted, event.PhaseStarted:
		if i < 0 {
			return append(running, activity{host: e.Host, step: e.Step, since: e.Time, last: e})
		}
		running[i].since, running[i].last = e.Time, e
	case event.StepProgress:
		if i < 0 {
			return append(running, activity{host: e.Host, step: e.Step, since: e.Time, last: e})
		}
		running[i].last = e
	case event.StepDone, event.StepFailed, event.PhaseDone:
		if i >= 0 {
			return slices.Delete(running, i, i+1)
		}
	case event.TurnDone, event.TurnFailed:
		return slices.DeleteFunc(running, func(a activity) bool { return a.host == e.Host })
	}
	return running
}
