package tasks

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// resumePoll is how often a host whose link was lost is looked for.
const resumePoll = 300 * time.Millisecond

// lossesMax is how often a host may be lost in one step: what is lost more often has
// no link to work over.
const lossesMax = 3

// send has the host do what the verb says. When the link breaks meanwhile the host
// goes on by itself; then it is looked for for linkPatience, and what came
// of it is read there. A host that shuts down may take a connection once more and
// lose it again. A turn that still goes on there is waited for, and not undone.
func (t turn) send(ctx context.Context, v verb, to Deployed) error {
	err := t.tell(ctx, v, to)
	for range lossesMax {
		if errors.Is(err, errTurnBusy) {
			err = t.afterTheOther(ctx, v, to)
			continue
		}
		var gone *remote.UnreachableError
		if !errors.As(err, &gone) || gone.Host != t.host.Name || ctx.Err() != nil {
			return err
		}
		defer t.presence.doubt(t.host.Name)
		t.say(event.Warning, t.host.Name,
			err.Error()+"; what was begun ends on the host by itself; reconnecting for up to "+t.linkPatience().String())
		var f *Facts
		if f, err = t.found(ctx, err); err != nil {
			return err
		}
		err = t.resume(ctx, v, to, f)
	}
	return err
}

// afterTheOther waits for the end of the turn that goes on, and does what is left to do.
func (t turn) afterTheOther(ctx context.Context, v verb, to Deployed) error {
	t.say(event.Info, t.host.Name, errTurnBusy.Error()+"; wait for its end")
	wait, cancel := context.WithTimeout(ctx, t.cluster.Rollout.StartTimeout)
	defer cancel()
	f, err := t.found(wait, errTurnBusy)
	if err != nil && wait.Err() != nil && ctx.Err() == nil {
		next := "wait for it (systemctl status " + turnUnit + "), then: " + t.resumeCommand()
		return &fleet.HostError{Host: t.host.Name, Step: string(v), Cause: errTurnBusy, Next: next}
	}
	if err != nil {
		return err
	}
	return t.resume(ctx, v, to, f)
}

// resume does what a host that was lost has not done, as facts say.
func (t turn) resume(ctx context.Context, v verb, to Deployed, f *Facts) error {
	if err := t.lock.Renew(ctx, t.host); err != nil {
		return err
	}
	if v == verbStop && !f.Service.Running() || v != verbStop && f.Service.Running() && f.Service.Generation == to.Generation {
		return nil
	}
	// It was cut off before its turn, or booted anew in the middle of it.
	return t.tell(ctx, v, to)
}

// tell sends the turn. Starts of a run go one after another.
func (t turn) tell(ctx context.Context, v verb, to Deployed) (err error) {
	if v == verbStop {
		t.presence.doubt(t.host.Name)
	} else {
		t.noteBefore(ctx, t.host, t.plan.To.Version)
		t.presence.begin(t.host.Name)
		defer func() { t.presence.end(t.host.Name, err == nil) }()
	}
	if v != verbStop && locksMigrations(to.Version) {
		over, err := t.starts.next(ctx, func() {
			t.say(event.StepProgress, t.host.Name, "wait until another host has started: both would want the migration lock")
		})
		if err != nil {
			return err
		}
		defer over()
	}
	return runTurn(ctx, t.host, v, t.cluster.Paths, to.Generation, t.cluster.Rollout.StartTimeout)
}

func (t turn) linkPatience() time.Duration { return min(t.cluster.Rollout.GateTimeout, linkPatience) }

// found reads the host once it is reached again and its turn is over. The error is
// the last one of being unreachable.
func (t turn) found(ctx context.Context, lost error) (*Facts, error) {
	end := time.Now().Add(t.linkPatience())
	for {
		f, err := Observe(ctx, t.host, t.host.Name, t.cluster.Paths)
		if err == nil {
			err = t.goingDown(ctx)
		}
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

// goingDown is an error while the host shuts down: what it says then is not what it
// will do once it is booted.
func (t turn) goingDown(ctx context.Context) error {
	res, err := t.host.Run(ctx, remote.Command{
		Step: "ask whether the host shuts down", Script: "systemctl is-system-running || :", Timeout: readTimeout,
	})
	if err == nil && strings.TrimSpace(string(res.Stdout)) == "stopping" {
		err = &remote.UnreachableError{Host: t.host.Name, Cause: errors.New("the host is shutting down")}
	}
	return err
}
