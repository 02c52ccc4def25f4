package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// interruptedError: the operator asked to stop after the turn at hand.
type interruptedError struct{ next string }

var errInterrupted error = interruptedError{}

// Error names the way on.
func (e interruptedError) Error() string {
	return "interrupted: hosts that are not named as done were not touched; next: " + e.next
}

// Is makes it a [context.Canceled], and one of its kind whatever comes next.
func (interruptedError) Is(target error) bool {
	_, same := target.(interruptedError)
	return same || target == context.Canceled
}

// PausedError is a rollout that ended at a pause, because nobody said to go on.
// Exit code 2: changes are pending.
type PausedError struct {
	Done, Total int    // hosts
	Next        string // the command that goes on
}

// Error says where the rollout stands and how it goes on.
func (e *PausedError) Error() string {
	return e.Standing() + "; next: look at them, then go on with: " + e.Next
}

// Standing says where the rollout stands.
func (e *PausedError) Standing() string {
	return fmt.Sprintf("paused: %d of %d hosts are done and healthy, the others were not touched", e.Done, e.Total)
}

// between is what happens after a batch that is not the last: the look at what the
// migrations left, bake, and pause. done are the hosts before the batch.
func (r *rollout) between(ctx context.Context, i, done int) error {
	p := r.plan.Policy
	if i == 0 && p.Migrates && r.migrated != nil {
		if err := r.migrated(ctx); err != nil {
			return err
		}
	}
	if i == 0 && p.Canary && p.Bake > 0 {
		if err := r.bake(ctx, p.Bake); err != nil {
			return err
		}
	}
	return r.pauseAfter(ctx, i, done)
}

// pauseAfter asks whether to go on where the plan pauses after batch i.
func (r *rollout) pauseAfter(ctx context.Context, i, before int) error {
	p := r.plan.Policy
	done := before + len(p.Batches[i])
	// A batch may reach beyond the number that was asked for.
	now := i == 0 && p.Canary && p.Bake == 0 || before < p.PauseAfter && done >= p.PauseAfter
	if !now || r.pause == nil {
		return nil
	}
	total := len(slices.Concat(p.Batches...))
	ok, err := r.pause(ctx, fmt.Sprintf("%d of %d hosts of %s are done and healthy; go on with the rest?", done, total, r.cluster.Name))
	if err == nil && !ok {
		err = &PausedError{Done: done, Total: total, Next: r.resumeCommand()}
	}
	return err
}

// bake watches the canary: it has to stay healthy for the whole time.
func (r *rollout) bake(ctx context.Context, d time.Duration) error {
	r.sink.Emit(event.Event{Kind: event.StepStarted, Run: r.run, Step: "bake", Message: fmt.Sprintf("watch the canary for %s", d)})
	end := time.NewTimer(d)
	defer end.Stop()
	look := time.NewTicker(time.Second)
	defer look.Stop()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-r.interrupt:
			return interruptedError{next: r.resumeCommand()}
		case <-end.C:
			r.sink.Emit(event.Event{Kind: event.StepDone, Run: r.run, Step: "bake", Seconds: d.Seconds()})
			return nil
		case <-look.C:
			if err := r.othersHealthy(ctx, nil); err != nil {
				return err
			}
		}
	}
}
