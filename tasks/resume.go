package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// resumePoll is how often a host whose link was lost is looked for.
const resumePoll = 300 * time.Millisecond

// send has the host do what the verb says. When the link breaks meanwhile the host
// goes on by itself; then it is looked for for linkPatience, and what came
// of it is read there.
func (t turn) send(ctx context.Context, v verb, to Deployed) error {
	err := t.tell(ctx, v, to)
	var gone *remote.UnreachableError
	if !errors.As(err, &gone) || gone.Host != t.host.Name {
		return err
	}
	t.sink.Emit(event.Event{Kind: event.Warning, Run: t.run, Host: t.host.Name, Message: err.Error() + "; what was begun ends on the host by itself; look for it for up to " + t.linkPatience().String()})
	f, err := t.found(ctx, err)
	if err != nil {
		return err
	}
	if err := t.lock.Renew(ctx, t.host); err != nil {
		return err
	}
	if v == verbStop && !f.Service.Running() || v != verbStop && f.Service.Running() && f.Service.Generation == to.Generation {
		return nil
	}
	// It was cut off before its turn, or booted anew in the middle of it.
	return t.tell(ctx, v, to)
}

func (t turn) tell(ctx context.Context, v verb, to Deployed) error {
	return runTurn(ctx, t.host, v, t.cluster.Paths, to.Generation, t.cluster.Rollout.StartTimeout)
}

func (t turn) linkPatience() time.Duration { return min(t.cluster.Rollout.GateTimeout, linkPatience) }

// found reads the host once it is reached again and its turn is over. The error is
// the last one of being unreachable.
func (t turn) found(ctx context.Context, lost error) (*Facts, error) {
	end := time.Now().Add(t.linkPatience())
	for {
		f, err := Observe(ctx, t.host, t.host.Name, t.cluster.Paths)
		switch {
		case err == nil && !f.Turn:
			return f, nil
		case err == nil:
			// A migration may take as long as a start may; the link stands.
			end = time.Now().Add(t.linkPatience())
		case unreachable(err):
			lost = err
		}
		if time.Now().After(end) {
			return nil, lost
		}
		if err := fleet.Pause(ctx, resumePoll); err != nil {
			return nil, err
		}
	}
}
