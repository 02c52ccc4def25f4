package tasks

import (
	"context"
	"slices"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// History gives the runs of the cluster, newest first: from the hosts' journals, or
// from the operator's own when local. Runs that another cluster's inventory made on
// the same hosts are left out.
func (r *Runner) History(ctx context.Context, local bool) ([]journal.Run, error) {
	if local {
		entries, err := journal.ReadLocal(r.c.Name)
		return journal.Runs(r.c.Name, entries), err
	}
	all, err := each(ctx, r, func(ctx context.Context, h fleet.Host) ([]journal.Entry, error) {
		return journal.ReadHost(ctx, h, r.c.Paths.State)
	})
	return journal.Runs(r.c.Name, slices.Concat(all...)), err
}
