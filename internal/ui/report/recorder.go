package report

import (
	"slices"
	"sync"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Recorder keeps the events of a run for its report.
type Recorder struct {
	mu     sync.Mutex
	events []event.Event
}

// NewRecorder starts with no events.
func NewRecorder() *Recorder { return &Recorder{} }

// Event is an [event.Sink]. Of the progress of a step only the last is kept.
func (r *Recorder) Event(e event.Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if e.Kind == event.StepProgress {
		for i := len(r.events) - 1; i >= 0 && i >= len(r.events)-64; i-- {
			old := r.events[i]
			if old.Kind == e.Kind && old.Host == e.Host && old.Step == e.Step {
				r.events[i].Message, r.events[i].Done, r.events[i].Total = e.Message, e.Done, e.Total
				return
			}
		}
	}
	r.events = append(r.events, e)
}

// Events are what was recorded, in order.
func (r *Recorder) Events() []event.Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.events)
}
