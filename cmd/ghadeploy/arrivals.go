package main

import (
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// patienceForAll is how long hosts that answered are held back for the table of
// all; a dead host takes connect_timeout, and nobody should wait for it.
const patienceForAll = 700 * time.Millisecond

// arrivals tells on a terminal what each host is as it answers, once the table
// lets one wait.
type arrivals struct {
	tell  func(tasks.HostStatus)
	timer *time.Timer

	mu   sync.Mutex
	late bool
	held []tasks.HostStatus
}

// arrivals are silent where nobody watches. End them.
func (s *session) arrivals() *arrivals {
	a := &arrivals{}
	if s.json() || !s.streams.ErrTTY {
		return a
	}
	a.tell = func(h tasks.HostStatus) {
		kind := event.Info
		if !h.Reachable {
			kind = event.Warning
		}
		s.options.Sink.Emit(event.Event{Kind: kind, Host: h.Host, Message: ui.HostLine(h)})
	}
	a.timer = time.AfterFunc(patienceForAll, a.flush)
	return a
}

// host takes the next host's answer.
func (a *arrivals) host(h tasks.HostStatus) {
	if a.tell == nil {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.late {
		a.tell(h)
		return
	}
	a.held = append(a.held, h)
}

func (a *arrivals) flush() {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.late = true
	for _, h := range a.held {
		a.tell(h)
	}
	a.held = nil
}

// end is when the table follows.
func (a *arrivals) end() {
	if a.timer != nil {
		a.timer.Stop()
	}
}
