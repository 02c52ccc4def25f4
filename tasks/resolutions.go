package tasks

import (
	"context"
	"fmt"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// resolutionsTake is how long a cluster may need to tell that an alert has resolved,
// or 0 where that is not waited for. Grafana keeps a resolution in memory until the
// group's next tick, and each host after the first waits for its position; when all
// hosts restart within that time nobody is left who knows of it
// (docs/alerting.md has what was measured).
func resolutionsTake(c *inventory.Cluster) time.Duration {
	if c.Alerting.GroupInterval <= 0 || !clustered(c) {
		return 0
	}
	return c.Alerting.GroupInterval + time.Duration(len(c.Hosts))*grafana.PeerTimeout(c.Alerting.PeerTimeout)
}

// resolutionsTold waits before batch i, when it is the last of several, until what
// resolved before the first one has been told by a host that was there at both times.
func (r *rollout) resolutionsTold(ctx context.Context, i int) error {
	p := r.plan.Policy
	if i == 0 || i < len(p.Batches)-1 || p.Kind != PolicyRolling {
		return nil
	}
	d := time.Until(r.firstDone.Add(resolutionsTake(r.cluster)))
	if d <= 0 {
		return nil
	}
	return r.rest(ctx, "", d, fmt.Sprintf("wait for %s, until alerts that resolved before the roll are told", d.Round(time.Second)))
}
