package tasks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// A resolution that is not told yet lives in the memory of Alertmanagers: until its
// group's next tick, and each host after the first waits for its position. A host that
// ticked just before may then tell the alert as firing once more, and only that host
// corrects it, at its own next tick. So no host is stopped while a resolution is
// younger than that (docs/alerting.md has what was measured).

// resolutionsTake is how long a cluster may need to tell a resolution, given the longest
// group_interval of its notification policies.
func resolutionsTake(c *inventory.Cluster, groupInterval time.Duration) time.Duration {
	return groupInterval + time.Duration(len(c.Hosts))*grafana.PeerTimeout(c.Alerting.PeerTimeout)
}

// waitsForResolved tells whether turns wait for resolutions. A rollback does not: it
// ends something worse.
func waitsForResolved(c *inventory.Cluster, command string) bool {
	return clustered(c) && !strings.HasPrefix(command, "rollback") && (c.Alerting.GroupIntervalAuto || c.Alerting.GroupInterval > 0)
}

// resolutionsMax bounds the waiting in a rollout, unless one resolution takes longer:
// where alerts resolve all the time, a rollout has to end as well.
const resolutionsMax = 6 * time.Minute

// waitForResolved waits before batch i until what resolved has been told.
func (r *rollout) waitForResolved(ctx context.Context, i int) error {
	p := r.plan.Policy
	if !waitsForResolved(r.cluster, r.plan.Command) || !p.waitsForResolved(i) || !r.anyUp(p.Batches[i]) {
		return nil
	}
	begun := time.Now()
	for {
		a, err := r.readAlerts(ctx)
		if err != nil || !a.Known {
			return r.outwaitResolved(ctx, i)
		}
		take := resolutionsTake(r.cluster, a.GroupInterval)
		d := take - a.Resolved
		if a.Resolved < 0 || d <= 0 || r.interrupted() {
			return nil
		}
		if time.Since(begun) >= take || r.waited+d > max(take, resolutionsMax) {
			r.say(event.Warning, "", fmt.Sprintf("alerts go on resolving: the turn begins although one resolved %s ago, "+
				"and receivers may miss that", a.Resolved))
			return nil
		}
		why := fmt.Sprintf("wait for %s: an alert resolved %s ago, and telling it may take %s; "+
			"alerting.group_interval: 0s does not wait", d, a.Resolved, take)
		if err := r.rest(ctx, "", d, why); err != nil {
			return err
		}
		r.waited += d
	}
}

// readAlerts reads the database; what the inventory says of the policies counts more.
func (r *rollout) readAlerts(ctx context.Context) (database.Alerts, error) {
	if r.alerts == nil {
		return database.Alerts{}, nil
	}
	a, err := r.alerts(ctx)
	if !r.cluster.Alerting.GroupIntervalAuto {
		a.GroupInterval = r.cluster.Alerting.GroupInterval
	}
	return a, err
}

// outwaitResolved is for where nobody says when an alert resolved: the last batch
// waits until what resolved before the first one has been told, by a host that was
// there at both times. Where the policies are not known either, nothing is waited for.
func (r *rollout) outwaitResolved(ctx context.Context, i int) error {
	last := i == len(r.plan.Policy.Batches)-1
	if i == 0 || !last || r.cluster.Alerting.GroupIntervalAuto {
		return nil
	}
	d := time.Until(r.firstDone.Add(resolutionsTake(r.cluster, r.cluster.Alerting.GroupInterval)))
	if d <= 0 {
		return nil
	}
	return r.rest(ctx, "", d, fmt.Sprintf("wait for %s, until alerts that resolved before the roll are told", d.Round(time.Second)))
}
