package tasks

import (
	"context"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Lock freezes all hosts by hand, until Unlock: every run that would change one is
// refused with the message. It outlives this process.
func (r *Runner) Lock(ctx context.Context, message string) error {
	by := lock.NewHolder("lock", r.id)
	by.Message = message
	_, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (struct{}, error) {
		return struct{}{}, lock.Freeze(ctx, h, r.c.Paths.State, by)
	})
	return err
}

// Unlock ends a freeze. With force it also breaks the lock of a run: that run loses
// its journal and its protection, so it is for when its operator is known to be gone.
func (r *Runner) Unlock(ctx context.Context, force bool) error {
	_, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (struct{}, error) {
		return struct{}{}, lock.Unlock(ctx, h, r.c.Paths.State, force)
	})
	return err
}

// Holders tells who holds or froze each host.
func (r *Runner) Holders(ctx context.Context) ([]lock.Status, error) {
	return each(ctx, r, func(ctx context.Context, h fleet.Host) (lock.Status, error) {
		return lock.Read(ctx, h, r.c.Paths.State)
	})
}
