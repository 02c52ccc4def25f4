package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// The gates of a turn, in their order.
const (
	gateService   = "service"   // systemd: active, same process, no restarts
	gateHealth    = "health"    // /api/health ok, the expected version
	gateMembers   = "members"   // alerting: members and distinct positions, on every host
	gateLive      = "live"      // Live: every running host is one of its nodes
	gateBalancer  = "balancer"  // the load balancer sends requests
	gateSettle    = "settle"    // alerting notifies exactly once again
	gateStability = "stability" // still the same process at the end of the turn
)

// maxRestarts is how often systemd may restart a host within its turn, while its
// database and Redis answer, before that is called flapping: a node that loses the
// race for the migration lock exits and is restarted; a wrong configuration never
// heals.
const maxRestarts = 3

// idleStart is how long a service may be inactive before that is its end: after a
// reboot sshd answers before Grafana's turn has come.
const idleStart = 15 * time.Second

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

// sighting is what a host says of the service at one moment.
type sighting struct {
	ServiceFacts
	boot string
}

func (s sighting) String() string {
	return fmt.Sprintf("%s/%s, pid %d, %d restarts", s.Active, s.Sub, s.PID, s.Restarts)
}

const stateScript = `systemctl show "$1.service" -p ActiveState,SubState,MainPID,NRestarts,Result; echo "Boot=$(cat /proc/sys/kernel/random/boot_id)"`

// clusterGates are those that look at all hosts together; they end a run once more.
func clusterGates(c *inventory.Cluster) []string {
	return slices.DeleteFunc(gateNames(c), func(g string) bool { return g != gateMembers && g != gateLive })
}

// serviceState is what systemd says of the service right now.
func serviceState(ctx context.Context, h fleet.Host, service string) (sighting, error) {
	res, err := h.Run(ctx, remote.Command{
		Step: "read the service's state", Script: stateScript, Args: []string{service}, Timeout: readTimeout * 2,
	})
	if err != nil {
		return sighting{}, err
	}
	p := factsParser{f: &Facts{}}
	var s sighting
	for line := range strings.Lines(string(res.Stdout)) {
		line = strings.TrimSpace(line)
		if boot, ok := strings.CutPrefix(line, "Boot="); ok {
			s.boot = boot
			continue
		}
		p.property(line)
	}
	s.ServiceFacts = p.f.Service
	return s, nil
}

// serviceWatch judges how a start goes on.
type serviceWatch struct {
	r    *rollout
	host fleet.Host
	// excused are the restarts up to which something shared did not answer.
	excused, seen        int
	awaySince, idleSince time.Time
	first                *sighting
	// resumed: the start is an earlier run's, and how often the host was restarted
	// since then tells of what happened meanwhile, not of what it does now.
	resumed bool
}

// service opens when systemd has the service running. A service that failed for
// good, or that keeps being restarted, will not get better by waiting, except while
// what it relies on is away.
func (w *serviceWatch) service() gate {
	c := w.r.cluster
	return gate{name: gateService, timeout: c.Rollout.StartTimeout, patience: c.Rollout.GateTimeout, look: w.look}
}

func (w *serviceWatch) look(ctx context.Context) (bool, string, error) {
	s, err := serviceState(ctx, w.host, w.r.cluster.Paths.Service)
	if err != nil {
		if unreachable(err) || ctx.Err() != nil {
			return false, "", err
		}
		return false, err.Error(), nil
	}
	if w.resumed {
		w.resumed, w.excused, w.seen = false, s.Restarts, s.Restarts
	}
	saw := s.String()
	dead := s.Active == "failed"
	if s.Active != "inactive" {
		w.idleSince = time.Time{}
	} else if w.idleSince.IsZero() {
		w.idleSince = time.Now()
	} else if time.Since(w.idleSince) > idleStart {
		dead = true
	}
	if s.Restarts > w.seen || dead {
		w.seen = s.Restarts
		if err := w.away(ctx); err != nil {
			w.excused, dead = s.Restarts, false
			saw += "; " + err.Error()
		}
	}
	if dead || s.Restarts-w.excused >= maxRestarts {
		return false, saw, &GateError{Host: w.host.Name, Gate: gateService, Saw: "Grafana does not stay up: " + saw}
	}
	*w.first = s
	return s.Active == "active" && s.Sub == "running", saw, nil
}

// away says why something that all hosts share does not answer through the host; nil
// when all of it does, and when it has been away for too long.
func (w *serviceWatch) away(ctx context.Context) error {
	err := awayThrough(ctx, w.host, dependencies(w.r.cluster))
	if err == nil {
		w.awaySince = time.Time{}
		return nil
	}
	if w.awaySince.IsZero() {
		w.awaySince = time.Now()
	}
	if time.Since(w.awaySince) > w.r.cluster.Rollout.GateTimeout {
		return nil
	}
	return err
}

// stability is checked once, at the end of a turn: provisioning that fails in the
// background takes the server down some time after it first answered.
func (r *rollout) stability(h fleet.Host, first *sighting) gate {
	return gate{name: gateStability, timeout: readTimeout, look: func(ctx context.Context) (bool, string, error) {
		s, err := serviceState(ctx, h, r.cluster.Paths.Service)
		if err != nil {
			return false, "", err
		}
		if s.boot != first.boot {
			return false, "", errRebooted
		}
		if s.PID != first.PID || s.Restarts != first.Restarts || s.Active != "active" {
			return false, s.String(),
				&GateError{Host: h.Name, Gate: gateStability, Saw: fmt.Sprintf("Grafana does not stay up: pid %d is now %s", first.PID, s)}
		}
		return true, s.String(), nil
	}}
}

// errRebooted: the host was booted anew between its gates.
var errRebooted = errors.New("the host was rebooted meanwhile")

// health opens when the node answers, reaches its database, and is the version
// that was deployed. Grafana tells systemd that it is ready before it listens, so a
// port that is taken shows here, as a service that is started again and again.
func (r *rollout) health(h fleet.Host, want grafana.Version, w *serviceWatch) gate {
	p := r.probe(h)
	return gate{name: gateHealth, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		v := p.Read(ctx)
		if err := lost(h, v.HealthErr); err != nil {
			return false, "", err
		}
		if v.HealthErr != nil {
			_, service, err := w.look(ctx)
			return false, v.HealthErr.Error() + "; the service is " + service, err
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
		return &remote.UnreachableError{Host: h.Name, Cause: errors.New("the connection was lost"),
			Hint: "when the host is back: ghadeploy apply"}
	default:
		return nil
	}
}

// members opens when every running host counts all of them, and each has a
// position of its own. One host's view is not enough: a node that has just
// started on Redis says position 0 for 5 s while another is 0 as well, and both
// would notify. failed_peers is not looked at: it stays 1 for hours after a
// host was killed, though all is well.
func (r *rollout) members(host string) gate {
	return gate{name: gateMembers, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		running := r.cohort(gateMembers, host)
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
	return int(m.Members.Value) >= n && int(m.Members.Value) <= n+r.absent
}

// readAll takes a reading of all hosts at once.
func (r *rollout) readAll(ctx context.Context, hosts []fleet.Host) []Vitals {
	out := make([]Vitals, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() { out[i] = r.probe(h).guarded(ctx) })
	}
	wg.Wait()
	return out
}
