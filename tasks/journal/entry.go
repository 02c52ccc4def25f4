package journal

import (
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Entry is one line of a journal.
type Entry struct {
	Time    time.Time `json:"time"`
	Run     string    `json:"run"`
	Cluster string    `json:"cluster,omitempty"`
	Host    string    `json:"host,omitempty"`
	// Step is "run", "stage", "drain", "stop", "flip", "start", "gate:health", ...
	Step string `json:"step"`
	// Result is "started", "done" or "failed".
	Result  string            `json:"result"`
	Message string            `json:"message,omitempty"`
	Seconds float64           `json:"seconds,omitempty"`
	Data    map[string]string `json:"data,omitempty"` // of the first line of a run
	// Source is the host whose journal has the line; set when it is read, and empty
	// for the operator's own journal.
	Source string `json:"source,omitempty"`
}

// FromEvent is what an event of a run says in a journal; false when it says nothing
// there.
func FromEvent(run, cluster string, e event.Event) (Entry, bool) {
	results := map[event.Kind]string{
		event.StepDone: "done", event.StepFailed: "failed", event.TurnStarted: "started", event.TurnDone: "done", event.TurnFailed: "failed",
	}
	result, ok := results[e.Kind]
	if !ok {
		return Entry{}, false
	}
	step := e.Step
	if step == "" {
		step = "turn"
	}
	msg := e.Message
	if e.Error != "" {
		msg = e.Error
	}
	return Entry{Time: e.Time.UTC(), Run: run, Cluster: cluster, Host: e.Host, Step: step, Result: result, Message: msg, Seconds: e.Seconds},
		true
}
