package main

import (
	"syscall"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// The first signal finishes the host at hand and says how to go on; the second ends
// the run at once.
func TestAnInterruptedRolloutFinishesTheHostAtHand(t *testing.T) {
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: rollout(map[string]any{"settle": "20s", "drain": "1s"})})
	for _, sig := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		t.Run(sig.String(), func(t *testing.T) {
			c.theme(t, "/"+sig.String())
			r := c.begin(t, "apply", "--yes")
			host := r.until("a turn", step(event.StepStarted, "flip")).Host
			if err := r.cmd.Process.Signal(sig); err != nil {
				t.Fatal(err)
			}
			if code := r.wait(); code != exitInterrupted {
				t.Errorf("exit %d, want %d\n%s", code, exitInterrupted, r.story())
			}
			for h, o := range r.outcomes() {
				want := "not reached"
				if h == host {
					want = "done"
				}
				if o != want {
					t.Errorf("%s is left as %q, want %q", h, o, want)
				}
			}
			wantSays(t, r, "interrupted", "ghadeploy apply")
			c.wantNoneDrained(t)
			c.waitUnlocked(t, labTimeout)
		})
	}
	t.Run("twice", func(t *testing.T) {
		c.theme(t, "/twice")
		r := c.begin(t, "apply", "--yes")
		r.until("a turn", step(event.StepStarted, "flip"))
		for range 2 {
			if err := r.cmd.Process.Signal(syscall.SIGINT); err != nil {
				t.Fatal(err)
			}
			r.until("the turn", func(e event.Event) bool { return e.Kind == event.TurnStarted })
		}
		if code := r.wait(); code != exitInterrupted {
			t.Errorf("exit %d, want %d\n%s", code, exitInterrupted, r.story())
		}
		c.waitServing(t, labTimeout)
		c.waitUnlocked(t, labTimeout)
		c.inv.Edit(t, rollout(map[string]any{"settle": "0s", "drain": "1s"}))
		c.must(t, "apply", "--yes")
		c.wantConverged(t)
	})
}
