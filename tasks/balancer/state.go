package balancer

import (
	"slices"
	"strings"
	"time"
)

// Status is what a balancer does with a host.
type Status string

// The statuses, from best to worst.
const (
	Up      Status = "up"      // gets requests
	Drain   Status = "drain"   // taken out by an operator; existing sessions go on
	Maint   Status = "maint"   // taken out by an operator, checks paused too
	Down    Status = "down"    // the balancer's health check fails
	Unknown Status = "unknown" // the balancer did not say, or does not have the host
)

var severity = []Status{Up, Drain, Maint, Down, Unknown}

// worse tells whether s is worse than t.
func (s Status) worse(t Status) bool {
	return slices.Index(severity, s) > slices.Index(severity, t)
}

// State is one host as the balancers see it. With several balancers it is the
// worst of their opinions.
type State struct {
	Status Status `json:"status"`
	// Drained: at least one balancer has it taken out by an operator, whatever
	// its health. Status alone cannot tell that of a host that is down too.
	Drained bool `json:"drained"`
	// Sessions that the balancers have open with the host now, all together;
	// WebSockets count. -1: not known.
	Sessions int `json:"sessions"`
	// Since is when the status last changed, as far as the balancer keeps that.
	Since time.Time `json:"since,omitzero"`
	// CheckedBy says which balancer saw this and how: "lb1: L7OK 200".
	CheckedBy string `json:"checked_by,omitempty"`
	// Balancers is the opinion of each balancer by its name.
	Balancers map[string]Status `json:"balancers,omitempty"`
}

// merge adds the opinion of one more balancer.
func (s State) merge(balancer string, o State) State {
	if s.Balancers == nil {
		s = State{Status: o.Status, Sessions: o.Sessions, Since: o.Since, CheckedBy: o.CheckedBy, Drained: o.Drained,
			Balancers: map[string]Status{}}
	} else {
		switch {
		case o.Status.worse(s.Status):
			s.Status, s.Since, s.CheckedBy = o.Status, o.Since, o.CheckedBy
		case o.Status == s.Status:
			s.CheckedBy = strings.Trim(s.CheckedBy+"; "+o.CheckedBy, "; ")
		}
		s.Drained = s.Drained || o.Drained
		if o.Sessions < 0 || s.Sessions < 0 {
			s.Sessions = max(s.Sessions, o.Sessions)
		} else {
			s.Sessions += o.Sessions
		}
	}
	s.Balancers[balancer] = o.Status
	return s
}
