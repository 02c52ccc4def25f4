package tasks

import (
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// A turn that still goes on when ours is sent is waited for, and ours follows: the host
// is neither called failed nor taken back in the middle of it.
func TestATurnThatStillGoesOnIsWaitedFor(t *testing.T) {
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	for _, words := range []string{"already exists.", "was already loaded or has a fragment file."} {
		synctest.Test(t, func(t *testing.T) {
			s := newScripted(t, "h1", "h2")
			s.deployed(t)
			h, busy := s.hosts.Host("h2"), 2
			h.Fail = func(cmd remote.Command) error {
				if cmd.Step != "flip" || busy == 0 {
					return nil
				}
				busy--
				return &remote.ExitError{Host: "h2", Step: "flip", Status: 1, Stderr: "Failed to start transient service unit: Unit ghadeploy-turn.service " + words}
			}
			s.Alerting.Label = "other"
			r := s.runner("apply", Options{})
			defer r.Close()
			res, err := r.Apply(t.Context())
			s.wantPlan(t, res, err)
			if res.Hosts["h2"].Outcome != "done" || busy != 0 {
				t.Errorf("h2 is left as %+v", res.Hosts["h2"])
			}
			if !slices.ContainsFunc(s.events, func(e event.Event) bool {
				return e.Kind == event.Info && strings.Contains(e.Message, "wait for its end")
			}) {
				t.Error("nothing says what is waited for")
			}
		})
	}
}
