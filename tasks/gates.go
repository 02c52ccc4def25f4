package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// The gates of a turn, in their order.
const (
	gateService   = "service"   // systemd: active, same process, no restarts
	gateHealth    = "health"    // /api/health ok, the expected version
	gateMembers   = "members"   // alerting: members and distinct positions, on every host
	gateLive      = "live"      // Live: at least as many nodes as run
	gateBalancer  = "balancer"  // the load balancer sends requests
	gateSettle    = "settle"    // alerting notifies exactly once again
	gateStability = "stability" // still the same process at the end of the turn
)

// maxRestarts is how often systemd may restart a host within its turn before
// that is called flapping. A database that is away for some seconds makes
// Grafana exit, and systemd try again every 5 s; a wrong configuration never heals.
const maxRestarts = 4

// gateNames are the gates that apply to a cluster.
func gateNames(c *inventory.Cluster) []string {
	out := []string{gateService, gateHealth}
	if c.Alerting.HA == string(grafana.Gossip) || c.Alerting.HA == string(grafana.OnRedis) {
		out = append(out, gateMembers)
	}
	if c.Live.Redis.Address != "" {
		out = append(out, gateLive)
	}
	return out
}

// serviceState is what systemd says of the service right now.
func serviceState(ctx context.Context, h fleet.Host, service string) (ServiceFacts, error) {
	res, err := h.Run(ctx, remote.Command{
		Step:    "read the service's state",
		Args:    []string{"systemctl", "show", service + ".service", "-p", "ActiveState,SubState,MainPID,NRestarts,Result"},
		Timeout: readTimeout * 2,
	})
	if err != nil {
		return ServiceFacts{}, err
	}
	p := factsParser{f: &Facts{}}
	for line := range strings.Lines(string(res.Stdout)) {
		p.property(strings.TrimSpace(line))
	}
	return p.f.Service, nil
}

// service opens when systemd has the service running. A service that failed for
// good, or that came back with another process, will not get better by waiting.
func (r *rollout) service(h fleet.Host, first *ServiceFacts) gate {
	return gate{name: gateService, timeout: r.cluster.Rollout.StartTimeout, look: func(ctx context.Context) (bool, string, error) {
		s, err := serviceState(ctx, h, r.cluster.Paths.Service)
		if err != nil {
			return false, "", err
		}
		saw := fmt.Sprintf("%s/%s, pid %d, %d restarts", s.Active, s.Sub, s.PID, s.Restarts)
		if s.Active == "failed" || s.Active == "inactive" || s.Restarts >= maxRestarts {
			return false, saw, &GateError{Host: h.Name, Gate: gateService, Saw: "Grafana does not stay up: " + saw}
		}
		*first = s
		return s.Active == "active" && s.Sub == "running", saw, nil
	}}
}

// stability is checked once, at the end of a turn: provisioning that fails in the
// background takes the server down some time after it first answered.
func (r *rollout) stability(h fleet.Host, first *ServiceFacts) gate {
	return gate{name: gateStability, timeout: readTimeout, look: func(ctx context.Context) (bool, string, error) {
		s, err := serviceState(ctx, h, r.cluster.Paths.Service)
		if err != nil {
			return false, "", err
		}
		saw := fmt.Sprintf("%s/%s, pid %d, %d restarts", s.Active, s.Sub, s.PID, s.Restarts)
		if s.PID != first.PID || s.Restarts != first.Restarts || s.Active != "active" {
			return false, saw, &GateError{Host: h.Name, Gate: gateStability, Saw: fmt.Sprintf("Grafana does not stay up: pid %d is now %s", first.PID, saw)}
		}
		return true, saw, nil
	}}
}

// health opens when the node answers, reaches its database, and is the version
// that was deployed.
func (r *rollout) health(h fleet.Host, want grafana.Version) gate {
	p := r.probe(h)
	return gate{name: gateHealth, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		v := p.Read(ctx)
		if err := lost(h, v.HealthErr); err != nil {
			return false, "", err
		}
		if v.HealthErr != nil {
			return false, v.HealthErr.Error(), nil
		}
		have := v.Version()
		saw := fmt.Sprintf("HTTP %d, database %s, version %s", v.Health.Status, v.Health.Database, orUnknown(have))
		return v.Health.OK() && (have.IsZero() || have.SameRelease(want)), saw, nil
	}}
}

func orUnknown(v grafana.Version) string {
	if v.IsZero() {
		return "hidden"
	}
	return v.String()
}

// lost is the error of a host that cannot be reached any more; nil for any other error.
func lost(h fleet.Host, err error) error {
	var gone *remote.UnreachableError
	if errors.As(err, &gone) {
		return gone
	}
	select {
	case <-h.Done():
		return &remote.UnreachableError{Host: h.Name, Cause: errors.New("the connection was lost"), Hint: "when the host is back: ghadeploy apply"}
	default:
		return nil
	}
}

// members opens when every running host counts all of them, and each has a
// position of its own. One host's view is not enough: a node that has just
// started on Redis says position 0 for 5 s while another is 0 as well, and both
// would notify. failed_peers is not looked at: it stays 1 for hours after a
// host was killed, though all is well.
func (r *rollout) members() gate {
	return gate{name: gateMembers, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		running := r.running()
		vitals := r.readAll(ctx, running)
		n := len(running)
		var saw, positions []string
		open := true
		for i, h := range running {
			v := vitals[i]
			if err := lost(h, v.MetricsErr); err != nil {
				return false, "", err
			}
			m := v.Metrics
			switch {
			case errors.Is(v.MetricsErr, errMetricsOff):
				return true, errMetricsOff.Error(), nil
			case v.MetricsErr != nil:
				open, saw = false, append(saw, fmt.Sprintf("%s: %v", h.Name, v.MetricsErr))
			case !m.Members.Has:
				open, saw = false, append(saw, h.Name+": not clustered")
			default:
				saw = append(saw, fmt.Sprintf("%s: %.0f members, position %.0f", h.Name, m.Members.Value, m.Position.Value))
				positions = append(positions, strconv.Itoa(int(m.Position.Value)))
				open = open && r.countsAll(m, n)
			}
		}
		slices.Sort(positions)
		open = open && len(slices.Compact(positions)) == n
		return open, fmt.Sprintf("want %d: %s", n, strings.Join(saw, "; ")), nil
	}}
}

// countsAll: on Redis the key of a node that was killed counts as a member for up
// to 5 minutes, so more than n is no reason to wait there; positions are.
func (r *rollout) countsAll(m grafana.Metrics, n int) bool {
	if r.cluster.Alerting.HA == string(grafana.OnRedis) {
		return int(m.Members.Value) >= n
	}
	return int(m.Members.Value) == n
}

// live opens when every running host sees at least as many nodes as run. More is
// a ghost: the old process of a restarted host counts for up to 20 s.
func (r *rollout) live() gate {
	return gate{name: gateLive, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		running := r.running()
		open := true
		var saw []string
		for i, v := range r.readAll(ctx, running) {
			h := running[i]
			if err := lost(h, v.MetricsErr); err != nil {
				return false, "", err
			}
			switch {
			case errors.Is(v.MetricsErr, errMetricsOff):
				return true, errMetricsOff.Error(), nil
			case v.MetricsErr != nil:
				open, saw = false, append(saw, fmt.Sprintf("%s: %v", h.Name, v.MetricsErr))
			default:
				saw = append(saw, fmt.Sprintf("%s: %.0f nodes", h.Name, v.Metrics.LiveNodes.Value))
				open = open && int(v.Metrics.LiveNodes.Value) >= len(running)
			}
		}
		return open, fmt.Sprintf("want %d: %s", len(running), strings.Join(saw, "; ")), nil
	}}
}

// readAll takes a reading of all hosts at once.
func (r *rollout) readAll(ctx context.Context, hosts []fleet.Host) []Vitals {
	out := make([]Vitals, len(hosts))
	var wg sync.WaitGroup
	for i, h := range hosts {
		wg.Go(func() { out[i] = r.probe(h).Read(ctx) })
	}
	wg.Wait()
	return out
}
