package tasks

import "github.com/ghadeploy/ghadeploy/tasks/event"

// say tells something of a host, or of the whole rollout for "", that is no step.
func (r *rollout) say(kind event.Kind, host, message string) {
	r.sink.Emit(event.Event{Kind: kind, Run: r.run, Host: host, Message: message})
}
