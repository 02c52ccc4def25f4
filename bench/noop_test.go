package bench

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

func TestNoOpApply(t *testing.T) {
	b := need(t)
	for _, n := range []int{3, 12} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			names := hosts(1, n)
			b.Wipe(t, names...)
			inv := b.Inventory(t, labtest.Options{Hosts: names})
			b.ghadeploy(t, "apply", inv.Path, "--yes")
			ours, theirs := b.alternate(
				func(int) time.Duration {
					return timed(func() { b.ghadeploy(t, "apply", inv.Path, "--yes") })
				},
				func(int) time.Duration {
					return timed(func() {
						each(t, names, func(ctx context.Context, h string) error { return b.ssh(ctx, h, "true") })
					})
				})
			report.add(row{what: fmt.Sprintf("apply with nothing to do, %d hosts", n), ours: ours,
				peer: "`ssh HOST true` on all at once", theirs: theirs, goal: "≤ 0.7"})
		})
	}
}
