// Package event is what a run tells the world while it works: one stream, with
// the terminal, plain lines, JSON, the report and the journal as its readers.
package event

import "time"

// Kind says what an event is about.
type Kind string

// The kinds of events.
const (
	RunStarted   Kind = "run_started"
	PhaseStarted Kind = "phase_started" // connect, observe, check, plan, stage, rollout, verify
	PhaseDone    Kind = "phase_finished"
	StepStarted  Kind = "step_started"  // one action on one host: upload, unpack, drain, stop, start, a gate
	StepProgress Kind = "step_progress" // bytes done, or what a gate sees at the moment
	StepDone     Kind = "step_finished"
	StepFailed   Kind = "step_failed"
	TurnStarted  Kind = "turn_started" // a host's turn begins: it will be disrupted
	TurnDone     Kind = "turn_finished"
	TurnFailed   Kind = "turn_failed"
	Warning      Kind = "warning"
	Info         Kind = "info"
	Finding      Kind = "finding"   // of a check
	Attention    Kind = "attention" // what the operator has to do
)

// Event is one thing that happened. It never holds a secret.
type Event struct {
	Time time.Time `json:"time"`
	Kind Kind      `json:"kind"`
	Run  string    `json:"run,omitempty"`
	Host string    `json:"host,omitempty"`
	// Step is the name of the phase, step or gate: "upload", "gate:members".
	Step string `json:"step,omitempty"`
	// Message is one line for people.
	Message string `json:"message,omitempty"`
	// Done and Total are bytes of an upload, or turns of a rollout.
	Done  int64 `json:"done,omitempty"`
	Total int64 `json:"total,omitempty"`
	// Duration of what finished, in seconds.
	Seconds float64 `json:"seconds,omitempty"`
	Error   string  `json:"error,omitempty"`
	// Detail is more than a line: a diff, journal lines, a gate's last sight.
	Detail string `json:"detail,omitempty"`
	// Value is a typed payload for JSON readers: a finding, a gate's reading.
	Value any `json:"value,omitempty"`
}

// Sink takes events. It must be safe for concurrent use and must not block for long.
type Sink func(Event)

// Emit stamps e with the time and sends it; a nil Sink drops it.
func (s Sink) Emit(e Event) {
	if s == nil {
		return
	}
	if e.Time.IsZero() {
		e.Time = time.Now()
	}
	s(e)
}

// Tee sends every event to all sinks in order.
func Tee(sinks ...Sink) Sink {
	return func(e Event) {
		for _, s := range sinks {
			s.Emit(e)
		}
	}
}
