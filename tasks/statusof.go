package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Status reads the selected hosts. each, when not nil, is called with every host as
// it answers, one at a time; a dead host delays no other.
func (r *Runner) Status(ctx context.Context, each func(HostStatus)) (*Status, error) {
	s := &Status{Schema: 1, Cluster: r.c.Name, Time: time.Now().UTC()}
	hosts := r.limited()
	out := make([]HostStatus, len(hosts))
	errs := make([]error, len(hosts))
	var states map[string]balancer.State
	var lbErr error
	var wg, lb guard.Group
	var mu sync.Mutex
	lb.Go(func() { states, lbErr = r.balancerStates(ctx) })
	for i, h := range hosts {
		wg.Go(func() {
			errs[i] = guard.Do(func() (err error) {
				out[i], err = r.hostStatus(ctx, h)
				return err
			})
			out[i].fault(h, errs[i])
			if each != nil {
				mu.Lock()
				defer mu.Unlock()
				each(out[i])
			}
		})
	}
	wg.Wait()
	lb.Wait()
	for i := range out {
		out[i].seeBalancer(states, lbErr)
	}
	s.Hosts = out
	s.judge(r.c)
	return s, fleet.Join(errs...)
}

// limited are the selected hosts in inventory order.
func (r *Runner) limited() []*inventory.Host {
	sel := r.selected()
	return slices.DeleteFunc(slices.Clone(r.c.Hosts), func(h *inventory.Host) bool { return !sel[h.Name] })
}

func (r *Runner) balancerStates(ctx context.Context) (map[string]balancer.State, error) {
	b, err := r.openBalancer(ctx)
	if b == nil {
		return nil, err
	}
	return b.State(ctx)
}

// hostStatus reads one host: systemd's view and Grafana's own, at the same time.
func (r *Runner) hostStatus(ctx context.Context, h *inventory.Host) (HostStatus, error) {
	s := HostStatus{Host: h.Name, Address: h.Address, Service: "unknown"}
	conn, err := r.connect(ctx, h)
	if err != nil {
		s.Error = err.Error()
		s.Problems = append(s.Problems, "unreachable")
		return s, err
	}
	var v Vitals
	var held lock.Status
	var wg guard.Group
	shall := desired.Listens(h)
	wg.Go(func() { v = newProbe(r.c.Paths, conn, shall).guarded(ctx) })
	// That the lock cannot be read is no news: what matters of the host is read beside it.
	wg.Go(func() { held, _ = lock.Read(ctx, conn, r.c.Paths.State) })
	f, err := Observe(ctx, conn, h.Name, r.c.Paths)
	wg.Wait()
	if now, ok := f.Listens(); ok && now != shall && err == nil {
		v = newProbe(r.c.Paths, conn, now).guarded(ctx) // a change of where it answers is not applied yet
	}
	if err != nil {
		s.Error = err.Error()
		s.Problems = append(s.Problems, "not readable")
		return s, err
	}
	s.Reachable = true
	s.seeLock(held)
	s.seeHost(f)
	s.seeGrafana(v)
	return s, nil
}

// fault is the status of a host whose reading panicked.
func (s *HostStatus) fault(h *inventory.Host, err error) {
	if _, ok := errors.AsType[*guard.PanicError](err); ok {
		*s = HostStatus{Host: h.Name, Address: h.Address, Service: "unknown", Error: err.Error(), Problems: []string{"not readable"}}
	}
}

// seeHost takes what the host said.
func (s *HostStatus) seeHost(f *Facts) {
	s.Current, s.Generation, s.PID, s.Restarts = f.Current, f.Service.Generation, f.Service.PID, f.Service.Restarts
	s.DiskFree, s.Drained, s.turn = f.DiskFree, f.Drained, f.Turn
	s.Version = runs(f).Version
	if f.Service.Age > 0 {
		s.Since = f.Clock.Add(-f.Service.Age).UTC()
	}
	switch {
	case f.Service.Load == "not-found" || f.Service.Load == "":
		s.Service = "absent"
	case f.Service.Active == "active":
		s.Service = "running"
	case f.Service.Active == "activating":
		s.Service = "starting"
	case f.Service.Active == "failed":
		s.Service = "failed"
	default:
		s.Service = "stopped"
	}
	if s.Service == "stopped" {
		s.Stopped = f.Stopped
	}
	if s.Service == "running" && s.Generation != s.Current {
		s.problem("runs generation %s, but %s is current: apply again", orNone(s.Generation), orNone(s.Current))
	}
	if s.Service == "running" && !f.Service.Enabled {
		s.problem("the unit is disabled and would stay down after a reboot: apply again")
	}
}

func orNone(s string) string {
	if s == "" {
		return "none of ours"
	}
	return s
}

func (s *HostStatus) problem(format string, args ...any) {
	s.Problems = append(s.Problems, fmt.Sprintf(format, args...))
}

// seeGrafana takes what the node said of itself.
func (s *HostStatus) seeGrafana(v Vitals) {
	if v.HealthErr != nil {
		if s.Service == "running" {
			s.problem("health: %v", shortError(v.HealthErr))
		}
		return
	}
	s.Database = v.Health.Database
	latency := v.Latency.Seconds()
	s.DatabaseLatency = &latency
	if !v.Health.OK() {
		s.problem("database %s", v.Health.Database)
	}
	if !v.Version().IsZero() {
		s.Version = v.Version().String()
	}
	s.Members, s.Position, s.LiveNodes = number(v.Metrics.Members), number(v.Metrics.Position), number(v.Metrics.LiveNodes)
	open, limit := v.Metrics.OpenConnections()
	s.Connections, s.ConnectionsLimit = number(open), number(limit)
}

func shortError(err error) string {
	var u *remote.UnreachableError
	if errors.As(err, &u) {
		return u.Cause.Error()
	}
	s := err.Error()
	if i := strings.LastIndex(s, ": "); i > 0 && len(s) > 120 {
		return s[i+2:]
	}
	return s
}

func number(g grafana.Gauge) *int {
	if !g.Has {
		return nil
	}
	n := int(g.Value)
	return &n
}

func (s *HostStatus) seeBalancer(states map[string]balancer.State, err error) {
	st, ok := states[s.Host]
	switch {
	case ok && st.Status == balancer.Unknown && err != nil:
		s.Balancer = "unknown"
		s.problem("load balancer: %v", err)
	case ok:
		s.Balancer = string(st.Status)
	case err != nil:
		s.Balancer = "unknown"
		s.problem("load balancer: %v", err)
	}
}

// liveSettles is how long after a host's start Live may count wrong: the host sees
// itself alone for up to 10 s, and the others its old process for up to 20 s.
// Messages arrive all the same.
const liveSettles = 30 * time.Second

// judge adds what only the hosts together show, and the verdict.
func (s *Status) judge(c *inventory.Cluster) {
	n := len(c.Hosts)
	var parts []string
	if n > 1 && (c.Alerting.HA == string(grafana.Gossip) || c.Alerting.HA == string(grafana.OnRedis)) {
		parts = append(parts, s.judgeMembers(n, c.Alerting.HA == string(grafana.Gossip)))
	}
	if c.Live.Redis.Address != "" {
		parts = append(parts, s.judgeLive(n, c))
	}
	s.sameVersion()
	s.decide(parts)
}

// judgeMembers compares what the hosts say of the alerting cluster of n, and gives the
// least that any of them counts.
func (s *Status) judgeMembers(n int, gossip bool) string {
	positions := map[int]string{}
	least := -1
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.Members == nil {
			if h.Service == "running" && h.Database != "" {
				h.problem("alerting is not clustered")
			}
			continue
		}
		if least < 0 || *h.Members < least {
			least = *h.Members
		}
		// On Redis the key of a node that was killed counts for up to 5 minutes.
		if *h.Members < s.answering() || *h.Members > n && gossip {
			h.problem("alerting has %d members, %d are expected%s", *h.Members, n, foreignMembers(*h.Members > n))
		}
		if *h.Members > n && !gossip {
			h.Notes = append(h.Notes, fmt.Sprintf("alerting counts %d members of %d: the key of a host that was killed counts for up to 5 minutes; for longer it is another cluster with the same alerting.redis.prefix", *h.Members, n))
		}
		if h.Position == nil {
			continue
		}
		if other, taken := positions[*h.Position]; taken {
			h.problem("alerting position %d is %s's too: both notify", *h.Position, other)
		}
		positions[*h.Position] = h.Host
	}
	if least < 0 {
		return ""
	}
	return fmt.Sprintf("members %d/%d", least, n)
}

func foreignMembers(toomany bool) string {
	if !toomany {
		return ""
	}
	return ": another cluster gossips with the same alerting.label, or a host that is no longer in the inventory still runs"
}

// judgeLive compares how many Live nodes the hosts see, and gives the least. A number
// that is wrong only because a host has just been started is a note, no problem. So is
// one that is too high for longer: a host that was removed just now is not to be seen
// here, and messages arrive; verify, which waits, calls it a fault.
func (s *Status) judgeLive(n int, c *inventory.Cluster) string {
	settling := slices.ContainsFunc(s.Hosts, func(h HostStatus) bool {
		return !h.Since.IsZero() && s.Time.Sub(h.Since) < liveSettles
	})
	least := -1
	for i := range s.Hosts {
		h := &s.Hosts[i]
		if h.LiveNodes == nil {
			continue
		}
		seen := *h.LiveNodes
		if least < 0 || seen < least {
			least = seen
		}
		switch {
		case seen > n && !settling:
			h.Notes = append(h.Notes, fmt.Sprintf("Live counts %d nodes of %d, and no host was started in the last %.0f s: %s", seen, n,
				liveSettles.Seconds(), foreignLive(h, c)))
		case seen > n:
			h.Notes = append(h.Notes,
				fmt.Sprintf("Live counts %d nodes of %d: the old process of a host that was restarted counts for up to 20 s more", seen, n))
		case seen < n && seen >= s.answering():
			// who is missing has a line of its own
		case seen < n && settling:
			h.Notes = append(h.Notes, fmt.Sprintf("Live counts %d nodes of %d so soon after a start; it takes up to 20 s", seen, n))
		case seen < n:
			h.problem("Live sees %d nodes, %d are expected", seen, n)
		}
	}
	if least < 0 {
		return ""
	}
	return fmt.Sprintf("Live %d/%d", min(least, n), n)
}

// foreignLive is the likely cause of too many Live nodes, and the remedy.
func foreignLive(h *HostStatus, c *inventory.Cluster) string {
	v, err := grafana.ParseVersion(cmp.Or(h.Version, c.Grafana.Version))
	if err != nil {
		return "another cluster uses its Redis"
	}
	cause, fix := grafana.ForeignLive(v, c.Live.Redis.Address, c.Live.Redis.Prefix)
	return cause + "; " + fix
}

// sameVersion marks hosts that run another version than the first one.
func (s *Status) sameVersion() {
	for i := range s.Hosts {
		if a, b := s.Hosts[0].Version, s.Hosts[i].Version; a != "" && b != "" && a != b {
			s.Hosts[i].problem("runs %s, %s runs %s", b, s.Hosts[0].Host, a)
		}
	}
}

// each runs f on all selected hosts at once and gives the results in inventory
// order, those of hosts that failed left out, with every error.
func each[T any](ctx context.Context, r *Runner, f func(ctx context.Context, h fleet.Host) (T, error)) ([]T, error) {
	hosts := r.limited()
	out := make([]T, len(hosts))
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() {
			errs[i] = guard.Do(func() error {
				c, err := r.connect(ctx, h)
				if err == nil {
					out[i], err = f(ctx, c)
				}
				return err
			})
		})
	}
	wg.Wait()
	var got []T
	for i, v := range out {
		if errs[i] == nil {
			got = append(got, v)
		}
	}
	return got, fleet.Join(errs...)
}
