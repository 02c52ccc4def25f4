package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Progress shows a run while it works.
type Progress interface {
	// Event takes the next event; it is safe for concurrent use.
	Event(event.Event)
	// Aside runs ask while nothing else writes to the terminal.
	Aside(ask func())
	// Close ends the view and waits for its goroutine. What was shown stays.
	Close()
}

// Silent shows nothing.
type Silent struct{}

// Event implements [Progress].
func (Silent) Event(event.Event) {}

// Aside implements [Progress].
func (Silent) Aside(ask func()) { ask() }

// Close implements [Progress].
func (Silent) Close() {}

// NewProgress is the view that fits the terminal: live, or plain lines.
func NewProgress(s Streams, verbose bool) Progress {
	if s.Animated {
		return NewLive(s, verbose)
	}
	return NewPlain(s, verbose)
}

// stepName is a step as operators call it.
func stepName(step string) string {
	if gate, ok := strings.CutPrefix(step, "gate:"); ok {
		return "gate " + gate
	}
	return strings.TrimPrefix(step, "verify:") // a proof's name
}

// headlineOf is an event in one line, without time and host.
func headlineOf(e event.Event) string {
	name, message := stepName(e.Step), cleanLine(e.Message)
	switch e.Kind {
	case event.StepProgress:
		return join(name, progressText(e))
	case event.PhaseDone, event.StepDone, event.TurnDone:
		if e.Kind == event.TurnDone && name == "" {
			name = "turn"
		}
		if message == "" {
			message = "done"
		}
		return join(name, message) + took(e.Seconds)
	case event.StepFailed, event.TurnFailed:
		if e.Error != "" {
			message = cleanLine(e.Error)
		}
		if e.Kind == event.TurnFailed && name == "" {
			name = "turn"
		}
		return join(name, "FAILED: "+message) + took(e.Seconds)
	case event.TurnStarted:
		return join("turn begins", message)
	case event.RunStarted:
		return orWord(message, "run "+e.Run)
	}
	return join(name, message)
}

func join(name, message string) string {
	switch {
	case name == "", name == message:
		return message
	case message == "":
		return name
	case strings.HasPrefix(message, name+" "), strings.HasPrefix(message, name+":"):
		return message // it says its name by itself
	}
	return name + ": " + message
}

func took(s float64) string {
	if s <= 0 {
		return ""
	}
	return " (" + span(seconds(s)) + ")"
}

// leastBytes is from where on a total counts bytes; below it counts turns or files.
const leastBytes = 1000

// progressText is what a gate sees, or how far an upload is.
func progressText(e event.Event) string {
	message := cleanLine(e.Message)
	if e.Total <= 0 {
		return message
	}
	if e.Total < leastBytes {
		return strings.TrimSpace(fmt.Sprintf("%d of %d %s", e.Done, e.Total, message))
	}
	if e.Done >= e.Total && message != "" { // what follows the last byte
		return message
	}
	return strings.TrimSpace(fmt.Sprintf("%d %%, %s of %s %s", 100*e.Done/e.Total, size(e.Done), size(e.Total), message))
}

// event colours a line by what happened.
func (s Style) event(e event.Event, text string) string {
	switch e.Kind {
	case event.StepFailed, event.TurnFailed:
		return s.Bad(text)
	case event.Warning, event.Attention, event.TurnStarted:
		return s.Warn(text)
	case event.TurnDone:
		return s.Good(text)
	case event.PhaseStarted, event.RunStarted:
		return s.Strong(text)
	case event.Finding:
		return s.Warn(text)
	}
	return text
}

// activity is one step that is under way.
type activity struct {
	host, step string
	since      time.Time
	last       event.Event
}

// text is the activity with its age.
func (a activity) text(now time.Time) string {
	t := join(stepName(a.step), progressText(a.last))
	if a.last.Kind != event.StepProgress {
		t = join(stepName(a.step), cleanLine(a.last.Message))
	}
	if a.host != "" {
		t = a.host + " " + t
	}
	return t + ", " + span(now.Sub(a.since))
}

// isPhase: it is a phase of the whole run, and no step.
func (a activity) isPhase() bool { return a.host == "" && a.last.Kind == event.PhaseStarted }
