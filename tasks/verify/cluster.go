package verify

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
)

// settleLimit is how long numbers may be off after a restart: Live counts a
// ghost for some 20 s (recorded with 10.3.1).
const settleLimit = 30 * time.Second

// settling is how long this run still waits for such numbers: what has not
// settled since it began, two proofs need not wait for one after the other.
func (p *proof) settling() time.Duration {
	return max(time.Second, settleLimit-time.Since(p.report.Started))
}

// members proves that the Alertmanagers know of each other, each with a
// position of its own: two nodes on one position notify both.
func (p *proof) members(ctx context.Context) {
	c := p.in.Cluster
	want := len(c.Hosts)
	p.step(ctx, Step{Name: "members", Explanation: fmt.Sprintf("every node sees %d alerting members and has a position of its own", want)},
		func(ctx context.Context) (string, error) {
			if why := p.noAlertingCluster(); why != nil {
				return "", why
			}
			if len(p.nodes) == 0 {
				return "", &skip{"no node that one can log in to"}
			}
			saw := ""
			err := until(ctx, p.settling(), time.Second, func(ctx context.Context) error {
				metrics, err := p.readMetrics(ctx)
				if err != nil {
					return err
				}
				if err := p.judgeMembers(metrics, want); err != nil {
					p.progress("members", "waiting: %v", err)
					return err
				}
				saw = p.describe(metrics, func(m grafana.Metrics) string { return fmt.Sprintf("position %.0f", m.Position.Value) })
				return nil
			})
			return saw, err
		})
}

func (p *proof) describe(metrics []grafana.Metrics, say func(grafana.Metrics) string) string {
	var parts []string
	for i, n := range p.nodes {
		parts = append(parts, n.name()+" "+say(metrics[i]))
	}
	return strings.Join(parts, ", ")
}

func (p *proof) judgeMembers(metrics []grafana.Metrics, want int) error {
	saw := p.describe(metrics, func(m grafana.Metrics) string {
		if !m.Members.Has {
			return "no cluster"
		}
		return fmt.Sprintf("%.0f members, position %.0f", m.Members.Value, m.Position.Value)
	})
	var alone, wrong, tooMany []string
	positions := map[float64]string{}
	double := ""
	for i, n := range p.nodes {
		m := metrics[i]
		switch {
		case !m.Members.Has || (m.Members.Is(1) && want > 1):
			alone = append(alone, n.name())
		case m.Members.Value > float64(want):
			tooMany = append(tooMany, n.name())
		case !m.Members.Is(float64(want)):
			wrong = append(wrong, n.name())
		}
		if other, taken := positions[m.Position.Value]; taken {
			double = other + " and " + n.name()
		}
		positions[m.Position.Value] = n.name()
	}
	switch {
	case len(alone) > 0:
		return &failure{fmt.Sprintf("alerting on %s is alone, %s (%s)", strings.Join(alone, " and "), p.aloneBecause(), saw),
			p.command("check", "") + " tries every pair of hosts; then " + p.command("restart", "--limit "+strings.Join(alone, ":"))}
	case len(tooMany) > 0:
		cause, fix := p.foreignMembers()
		return &failure{fmt.Sprintf("%s counts more alerting members than the %d hosts (%s): %s", strings.Join(tooMany, " and "), want, saw,
			cause), fix + ", then " + p.command("apply", "")}
	case len(wrong) > 0:
		return &failure{fmt.Sprintf("%s does not see all %d alerting members (%s)", strings.Join(wrong, " and "), want, saw),
			p.command("check", "")}
	case double != "":
		return &failure{fmt.Sprintf("%s have the same position, both would notify (%s)", double, saw),
			"give each host its own unified_alerting.ha_redis_peer_name, then " + p.command("apply", "")}
	}
	return nil
}

// foreignMembers says whom the Alertmanagers may have met, and how to keep apart.
func (p *proof) foreignMembers() (cause, fix string) {
	const stale = "a host that is no longer in the inventory still runs"
	if p.in.Cluster.Alerting.HA == "redis" {
		return "another cluster uses the same alerting.redis.prefix, or the key of a host that was killed counts for up to 5 minutes, or " +
				stale,
			"give alerting.redis.prefix a name of its own"
	}
	return "another cluster gossips with the same alerting.label, or " + stale, "give alerting.label a name of its own"
}

func (p *proof) aloneBecause() string {
	if p.in.Cluster.Alerting.HA == "redis" {
		return "it does not reach the alerting Redis or uses another prefix"
	}
	port := p.in.Cluster.Alerting.Port
	if port == 0 {
		port = 9094
	}
	return fmt.Sprintf("it is not in the gossip cluster: port %d (TCP and UDP) is blocked, or it has other peers than the inventory", port)
}

// liveNodes proves that Live is one over all nodes.
func (p *proof) liveNodes(ctx context.Context) {
	want := len(p.in.Cluster.Hosts)
	p.step(ctx, Step{Name: "live-nodes", Explanation: fmt.Sprintf("every node sees %d Live nodes", want)},
		func(ctx context.Context) (string, error) {
			if why := p.noLive(); why != nil {
				return "", why
			}
			return "", until(ctx, p.settling(), time.Second, func(ctx context.Context) error {
				metrics, err := p.readMetrics(ctx)
				if err != nil {
					return err
				}
				if err := p.judgeLive(metrics, want); err != nil {
					p.progress("live-nodes", "waiting: %v", err)
					return err
				}
				return nil
			})
		})
}

func (p *proof) noLive() error {
	switch {
	case p.in.Cluster.Live.Redis.Address == "":
		return &skip{"live.redis is not set: Live stays on each node"}
	case len(p.nodes) < 2:
		return &skip{"it takes two nodes that one can log in to"}
	case p.before(grafana.HasSharedLive):
		return &unproved{p.nodes[0].version, "its Live cannot be shared by Redis"}
	}
	return nil
}

func (p *proof) judgeLive(metrics []grafana.Metrics, want int) error {
	saw := p.describe(metrics, func(m grafana.Metrics) string { return fmt.Sprintf("%.0f", m.LiveNodes.Value) })
	alone := liveAlone(p.nodes, metrics)
	if len(alone) > 0 {
		return &failure{fmt.Sprintf("Live on %s is alone: its Redis is not configured there, or was not reachable when it started, and then it goes on without a word (nodes seen: %s)", strings.Join(alone, " and "), saw),
			p.command("logs", "--grep 'live engine' --limit "+strings.Join(alone, ":")) + "; then " + p.command("restart",
				"--limit "+strings.Join(alone, ":"))}
	}
	for _, m := range metrics {
		if m.LiveNodes.Value > float64(want) {
			return p.tooManyLive(want, saw)
		}
		if !m.LiveNodes.Is(float64(want)) {
			return &failure{fmt.Sprintf("Live has not %d nodes everywhere (%s)", want, saw), p.command("check", "")}
		}
	}
	return nil
}

// tooManyLive is more nodes than hosts, for longer than the old process of a
// restarted host counts.
func (p *proof) tooManyLive(want int, saw string) error {
	c := p.in.Cluster
	v, err := grafana.ParseVersion(c.Grafana.Version)
	if err != nil {
		return err
	}
	cause, fix := grafana.ForeignLive(v, c.Live.Redis.Address, c.Live.Redis.Prefix)
	return &failure{fmt.Sprintf("Live counts more nodes than the %d hosts (%s): %s", want, saw, cause),
		fix + ", then " + p.command("apply", "")}
}

// liveAlone are the nodes that see only themselves.
func liveAlone(nodes []*node, metrics []grafana.Metrics) []string {
	var alone []string
	for i, n := range nodes {
		if metrics[i].LiveNodes.Value <= 1 {
			alone = append(alone, n.name())
		}
	}
	return alone
}

// balancerSees proves that the balancer sends requests to every host.
func (p *proof) balancerSees(ctx context.Context) {
	what := "the balancer sends requests to every host"
	if p.in.Balancer == nil || p.in.Cluster.LoadBalancer.Type == "" || p.in.Cluster.LoadBalancer.Type == "none" {
		p.record(Step{Name: "balancer", Explanation: what}, "", &skip{"no balancer in the inventory that can be asked"})
		return
	}
	p.step(ctx, Step{Name: "balancer", Explanation: what}, func(ctx context.Context) (string, error) {
		var judged error
		_ = until(ctx, frontPatience, 250*time.Millisecond, func(ctx context.Context) error {
			states, err := p.in.Balancer.State(ctx)
			if err != nil {
				if ctx.Err() == nil || judged == nil {
					judged = fmt.Errorf("ask %s: %w", p.in.Balancer.Describe(), err)
				}
				return nil
			}
			var later bool
			if later, judged = p.judgeBalancer(states); later {
				return judged
			}
			return nil
		})
		return p.in.Balancer.Describe(), judged
	})
}

// judgeBalancer says which hosts the balancer sends nothing to, and whether it may find
// them by itself: they answer, and its next checks will see that.
func (p *proof) judgeBalancer(states map[string]balancer.State) (later bool, err error) {
	var drained, wrong, unknown []string
	later = true
	for _, h := range p.in.Cluster.Hosts {
		s := states[h.Name]
		switch {
		case s.Drained:
			drained = append(drained, h.Name)
		case s.Status == balancer.Unknown && p.in.Cluster.LoadBalancer.Type == "command" && p.in.Cluster.LoadBalancer.Status == "":
			unknown = append(unknown, h.Name)
		case s.Status != balancer.Up:
			wrong = append(wrong, fmt.Sprintf("%s is %s (%s)", h.Name, s.Status, s.CheckedBy))
			later = later && slices.ContainsFunc(p.nodes, func(n *node) bool { return n.name() == h.Name })
		}
	}
	switch {
	case len(drained) > 0:
		f := &failure{strings.Join(drained, " and ") + " is drained: " + states[drained[0]].CheckedBy,
			p.command("undrain", "--limit "+strings.Join(drained, ":"))}
		if len(wrong) > 0 {
			f.cause += "; " + strings.Join(wrong, "; ")
		}
		return false, f
	case len(wrong) > 0:
		return later, &failure{strings.Join(wrong, "; "), p.command("status", "")}
	case len(unknown) > 0:
		return false, &skip{"load_balancer.status is not set, so nobody can be asked"}
	}
	return false, nil
}

// others are all nodes but n.
func (p *proof) others(n *node) []*node {
	return slices.DeleteFunc(slices.Clone(p.nodes), func(o *node) bool { return o == n })
}
