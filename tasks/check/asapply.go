package check

import (
	"context"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// seenChecks are of what reading a host for a plan has shown already: apply refuses by the
// same reading.
func seenChecks() []unit {
	return []unit{
		seen("service-user", "the user and the group that Grafana runs with"),
		seen("folders", "the service user may write to data and logs, and gets there"),
		seen("drop-ins", "nothing on the host changes the unit over the inventory"),
		seen("lock", "no other run, and no freeze, is in the way"),
		once(seen("archive", "the archives of the release and the plugins are there, and what the inventory says")),
		once(seen("plan", "a plan can be made: what apply would refuse to do at all")),
	}
}

// once makes a check of the hosts one of the cluster.
func once(u unit) unit {
	u.run = func(ctx context.Context, r *run) []Finding { return r.Seen(ctx, u.name, "") }
	return u
}

func seen(name, about string) unit {
	return unit{name: name, about: about,
		skip: func(r *run) string {
			if r.Seen == nil {
				return "the hosts were not read for a plan"
			}
			return ""
		},
		run: func(ctx context.Context, r *run) []Finding {
			return r.eachHost(ctx, func(ctx context.Context, h fleet.Host) []Finding { return r.Seen(ctx, name, h.Name) })
		},
	}
}
