package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/redisconn"
)

// dependency is a server that all hosts of a cluster share. When it is away no host is
// at fault, and no generation, old or new, passes its gates.
type dependency struct {
	// name is what and where, for messages: "Redis at 10.0.0.9:6379".
	name string
	// away says why it does not answer through a host; nil when it does, when it
	// refuses us for good, and when nobody can tell.
	away func(ctx context.Context, h fleet.Host) error
}

// dependencies of a cluster; the database comes first.
func dependencies(c *inventory.Cluster) []dependency {
	out := []dependency{{
		name: "the database at " + c.Database.Host,
		away: func(ctx context.Context, h fleet.Host) error { return databaseAway(ctx, h, c.Database) },
	}}
	var servers []inventory.Redis
	if c.Alerting.HA == string(grafana.OnRedis) {
		servers = append(servers, c.Alerting.Redis)
	}
	for _, r := range append(servers, c.Live.Redis) {
		name := "Redis at " + r.Address
		if r.Address == "" || slices.ContainsFunc(out, func(d dependency) bool { return d.name == name }) {
			continue
		}
		out = append(out, dependency{name: name, away: func(ctx context.Context, h fleet.Host) error { return redisconn.Away(ctx, h, r) }})
	}
	return out
}

// databaseAway says why the database does not answer through a host.
func databaseAway(ctx context.Context, h fleet.Host, c inventory.Database) error {
	ctx, cancel := context.WithTimeout(ctx, readTimeout)
	defer cancel()
	db, err := database.Open(ctx, h.Conn, c, nil)
	if err == nil {
		_ = db.Close()
		return nil
	}
	login, ok := errors.AsType[*database.LoginError](err)
	waits := []database.LoginKind{database.Unreachable, database.TooMany, database.OtherLogin}
	if !ok || !slices.Contains(waits, login.Kind) || unreachable(err) || errors.Is(err, remote.ErrForwardingRefused) {
		return nil
	}
	return err
}

// awayThrough says which dependency does not answer through a host; nil when all do.
func awayThrough(ctx context.Context, h fleet.Host, all []dependency) error {
	errs := make([]error, len(all))
	var wg guard.Group
	for i, d := range all {
		wg.Go(func() {
			if err := guard.Do(func() error { return d.away(ctx, h) }); err != nil {
				errs[i] = fmt.Errorf("%s does not answer: %w", d.name, err)
			}
		})
	}
	wg.Wait()
	return fleet.Join(errs...)
}

// outage is a dependency that answers no host any more.
type outage struct {
	name  string
	cause error
}

// noteShared remembers which dependencies answer before the first turn: only of one that
// did can it be said that it went away, and not that what is rolled out names it wrongly.
func (r *rollout) noteShared(ctx context.Context, all []dependency) {
	ask := r.running()
	if len(ask) == 0 { // before a first deployment
		for _, h := range r.cluster.Hosts {
			if here, ok := r.hosts[h.Name]; ok {
				ask = append(ask, here)
			}
		}
	}
	answers := make([]bool, len(all))
	var wg guard.Group
	for i, d := range all {
		wg.Go(func() { answers[i] = guard.Do(func() error { return d.away(ctx, ask[0]) }) == nil })
	}
	wg.Wait()
	for i, d := range all {
		if answers[i] {
			r.shared = append(r.shared, d)
		}
	}
}

// outage finds the dependency that answered before the first turn, and now answers
// neither host nor any other; nil when there is none.
func (r *rollout) outage(ctx context.Context, host fleet.Host) *outage {
	ask := r.running()
	if !slices.ContainsFunc(ask, func(h fleet.Host) bool { return h.Name == host.Name }) {
		ask = append(ask, host)
	}
	for _, d := range r.shared {
		errs := make([]error, len(ask))
		var wg guard.Group
		for i, h := range ask {
			wg.Go(func() { errs[i] = guard.Do(func() error { return d.away(ctx, h) }) })
		}
		wg.Wait()
		if !slices.Contains(errs, nil) {
			return &outage{name: d.name, cause: errs[0]}
		}
	}
	return nil
}

// isOutage tells whether a turn failed for what all hosts share: the next one would too.
func isOutage(err error) bool {
	var list interface{ WrappedErrors() []error }
	if errors.As(err, &list) {
		return slices.ContainsFunc(list.WrappedErrors(), isOutage)
	}
	g, ok := errors.AsType[*GateError](err)
	return ok && g.Shared != ""
}
