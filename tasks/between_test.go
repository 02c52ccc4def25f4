package tasks

import (
	"context"
	"errors"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// TestAPauseComesOnceSoManyAreDone: also where a batch reaches beyond the number; and
// the command that goes on is the one that was under way, without who is done already.
func TestAPauseComesOnceSoManyAreDone(t *testing.T) {
	for _, tt := range []struct {
		command string
		after   int
		done    int // at the pause; 0: there is none
		next    string
	}{
		{"apply", 2, 2, "ghadeploy apply INVENTORY"},
		{"apply", 1, 2, "ghadeploy apply INVENTORY"},
		{"upgrade", 3, 4, "ghadeploy upgrade INVENTORY --to 10.4.0"},
		{"restart", 2, 2, "ghadeploy restart INVENTORY --limit h3,h4,h5"},
		{"rollback", 4, 4, "ghadeploy rollback INVENTORY --limit h5"},
		{"apply", 0, 0, ""},
	} {
		p := &Plan{Command: tt.command, Policy: Policy{PauseAfter: tt.after, Batches: [][]string{{"h1", "h2"}, {"h3", "h4"}, {"h5"}}}}
		for _, b := range p.Policy.Batches {
			for _, h := range b {
				p.Hosts = append(p.Hosts, HostPlan{Host: h, To: Deployed{Version: "10.4.0"}})
			}
		}
		r := &rollout{cluster: testCluster(), plan: p, sink: func(event.Event) {}, outcomes: map[string]HostOutcome{},
			pause: func(context.Context, string) (bool, error) { return false, nil }}
		done := 0
		var paused *PausedError
		for i, b := range p.Policy.Batches[:2] {
			for _, h := range b {
				r.outcome(h, HostOutcome{Outcome: "done"})
			}
			if err := r.between(t.Context(), i, done); err != nil {
				if !errors.As(err, &paused) {
					t.Fatal(err)
				}
				break
			}
			done += len(b)
		}
		switch {
		case paused == nil && tt.done > 0:
			t.Errorf("%s, pause after %d: no pause", tt.command, tt.after)
		case paused != nil && (paused.Done != tt.done || paused.Next != tt.next || paused.Total != 5):
			t.Errorf("%s, pause after %d: %+v, want %d done and %q", tt.command, tt.after, paused, tt.done, tt.next)
		}
	}
}

// TestAnInterruptIsOneWhateverComesNext: what goes on differs, what it is does not.
func TestAnInterruptIsOneWhateverComesNext(t *testing.T) {
	err := error(interruptedError{next: "ghadeploy upgrade INVENTORY --to 10.4.0"})
	if !errors.Is(err, errInterrupted) || !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		t.Error("it is not taken for an interrupt")
	}
}
