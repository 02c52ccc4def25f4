package balancer

import (
	"context"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// none stands for no balancer, or for one that nobody can tell anything: it
// finds out by its own health checks.
type none struct{ interval time.Duration }

func (none) name() string { return "none" }
func (none) blind()       {}

func (none) drain(context.Context, *inventory.Host) error   { return nil }
func (none) undrain(context.Context, *inventory.Host) error { return nil }

// waitIdle waits for one round of the balancer's checks; the interval was given
// by the operator, so it counts even when it is longer than max.
func (n none) waitIdle(ctx context.Context, _ *inventory.Host, _ time.Duration) error {
	if n.interval > 0 && fleet.Pause(ctx, n.interval) != nil {
		return ctx.Err()
	}
	return nil
}

func (n none) state(_ context.Context, hosts []*inventory.Host) (map[string]State, error) {
	states := map[string]State{}
	for _, h := range hosts {
		states[h.Name] = State{Status: Unknown, Sessions: -1, CheckedBy: "nobody: load_balancer.type is none"}
	}
	return states, nil
}
