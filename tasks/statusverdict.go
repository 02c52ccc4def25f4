package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// The levels of a cluster.
const (
	LevelHealthy  = "healthy"
	LevelDegraded = "degraded"
	LevelDown     = "down"
)

// seeLock notes whose run is at work on the host, or who froze it.
func (s *HostStatus) seeLock(l lock.Status) {
	if h := l.Held; h != nil {
		s.AtWork = fmt.Sprintf("%s runs %s since %s", h.Who(), cmp.Or(h.Command, "something"), h.Since.Local().Format("15:04:05"))
	}
}

// answers tells whether Grafana on the host says of itself that it is well.
func (s *HostStatus) answers() bool {
	return s.Reachable && s.Service == "running" && s.Database == "ok"
}

// answering is how many hosts do: who is counted by the others at the least.
func (s *Status) answering() (n int) {
	for i := range s.Hosts {
		if s.Hosts[i].answers() {
			n++
		}
	}
	return n
}

// decide gives every host its state and the cluster its verdict. A host has one line for
// one fact: what follows from its state is said by the state.
func (s *Status) decide(parts []string) {
	var states []string
	by := map[string][]string{}
	healthy := 0
	s.Serving, s.AtWork = 0, ""
	for i := range s.Hosts {
		h := &s.Hosts[i]
		h.decide()
		if h.Healthy = len(h.Problems) == 0; h.Healthy {
			healthy++
		}
		if h.Serves {
			s.Serving++
		}
		if s.AtWork == "" {
			s.AtWork = h.AtWork
		}
		if h.State != StateHealthy {
			if by[h.State] == nil {
				states = append(states, h.State)
			}
			by[h.State] = append(by[h.State], h.Host)
		}
	}
	s.Healthy = healthy == len(s.Hosts)
	switch {
	case s.Healthy:
		s.Level = LevelHealthy
		parts = append([]string{fmt.Sprintf("%d of %d hosts healthy", healthy, len(s.Hosts))}, parts...)
	default:
		s.Level = LevelDegraded
		if s.Serving == 0 {
			s.Level = LevelDown
		}
		head := []string{fmt.Sprintf("%s: %d of %d serve", s.Level, s.Serving, len(s.Hosts))}
		for _, state := range states {
			head = append(head, inWords(by[state])+" "+state)
		}
		parts = append(head, parts...)
	}
	s.Verdict = strings.Join(slices.DeleteFunc(parts, func(p string) bool { return p == "" }), ", ")
}

// decide gives a host its state, and says what the state does not.
func (s *HostStatus) decide() {
	inBalancer := slices.Contains([]string{"", string(balancer.Up), string(balancer.Unknown)}, s.Balancer)
	s.Serves = s.answers() && inBalancer
	switch {
	case !s.Reachable:
		s.State = StateUnreachable
	case s.turn, s.AtWork != "" && (!s.Serves || len(s.Problems) > 0):
		s.State = StateRollout
		s.problem("in rollout: %s", cmp.Or(s.AtWork, "a turn that an earlier run began goes on by itself"))
	case s.Service == "starting":
		s.State = StateStarting
		s.problem("Grafana is starting")
	case s.Stopped != "":
		s.State = StateByHand
		s.problem("stopped by hand: %s; next: ghadeploy start INVENTORY %s", s.Stopped, s.Host)
	case s.Service != "running":
		s.State = StateDown
		s.problem("Grafana is %s", s.Service)
	case s.Drained != "" && s.answers():
		s.State = StateDrained
		s.problem("drained by hand: %s; next: ghadeploy undrain INVENTORY %s", s.Drained, s.Host)
	case s.Serves && len(s.Problems) == 0:
		s.State = StateHealthy
	case s.Serves:
		s.State = StateUnhealthy
	default:
		s.State = StateDown
		if s.answers() {
			s.problem("the load balancer has it %s", s.Balancer)
		}
	}
}
