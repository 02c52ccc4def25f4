package verify

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// readMetrics reads the metrics of all nodes; the errors of all in one.
func (p *proof) readMetrics(ctx context.Context) ([]grafana.Metrics, error) {
	all := make([]grafana.Metrics, len(p.nodes))
	index := map[*node]int{}
	for i, n := range p.nodes {
		index[n] = i
	}
	for _, err := range p.onAll(func(n *node) error {
		m, err := n.metrics(ctx)
		all[index[n]] = m
		return err
	}) {
		if err != nil {
			return all, &failure{err.Error(), "leave [metrics] enabled and without basic auth, or allow the hosts themselves"}
		}
	}
	return all, nil
}

// versions proves that all nodes run what the inventory says.
func (p *proof) versions(ctx context.Context) {
	p.step(ctx, Step{Name: "version", Explanation: "every node runs the inventory's version"}, func(ctx context.Context) (string, error) {
		if len(p.nodes) == 0 {
			return "", &skip{"no node that one can log in to"}
		}
		want, err := grafana.ParseVersion(p.in.Cluster.Grafana.Version)
		if err != nil {
			return "", err
		}
		metrics, err := p.readMetrics(ctx)
		var other []string
		for i, n := range p.nodes {
			v := metrics[i].Version
			if v.IsZero() {
				v = n.version
			}
			if v.IsZero() {
				return "", err
			}
			n.version = v // [auth.anonymous] hide_version leaves it out of /api/health
			if v.Compare(want) != 0 {
				other = append(other, n.name()+" runs "+v.String())
			}
		}
		if len(other) > 0 {
			return "", &failure{fmt.Sprintf("%s; the inventory says %s", strings.Join(other, ", "), want), p.command("apply", "")}
		}
		return want.String(), nil
	})
}

// plugins proves that all nodes have the same plugins, those of the inventory.
func (p *proof) plugins(ctx context.Context) {
	p.step(ctx, Step{Name: "plugins", Explanation: "every node has the same plugins, with the inventory's versions"},
		func(ctx context.Context) (string, error) {
			if len(p.nodes) == 0 {
				return "", &skip{"no node that one can log in to"}
			}
			metrics, err := p.readMetrics(ctx)
			if err != nil {
				return "", err
			}
			has := map[string][]string{} // "id version" -> hosts
			for i, n := range p.nodes {
				for _, pl := range metrics[i].Plugins {
					if pl.Signature != "internal" {
						key := pl.ID + " " + pl.Version
						has[key] = append(has[key], n.name())
					}
				}
			}
			for _, pl := range p.in.Cluster.Grafana.Plugins {
				key := pl.ID + " " + pl.Version
				if pl.Version != "" && has[key] == nil {
					has[key] = []string{}
				}
			}
			var wrong []string
			for _, key := range slices.Sorted(maps.Keys(has)) {
				if missing := p.without(has[key]); len(missing) > 0 {
					wrong = append(wrong, fmt.Sprintf("%s have plugin %s", doNot(missing), key))
				}
			}
			if len(wrong) > 0 {
				return "", &failure{strings.Join(wrong, "; "), p.missingPlugin(has)}
			}
			return fmt.Sprintf("%d besides Grafana's own", len(has)), nil
		})
}

// missingPlugin is what to do about plugins that nodes lack. One that no node has loaded is
// most likely on all of them, and not signed.
func (p *proof) missingPlugin(has map[string][]string) string {
	for _, pl := range p.in.Cluster.Grafana.Plugins {
		if pl.Version != "" && !pl.Unsigned && len(has[pl.ID+" "+pl.Version]) == 0 {
			return "if " + pl.ID + " is not signed, set unsigned: true at it in grafana.plugins; then " + p.command("apply", "")
		}
	}
	return p.command("apply", "")
}

// without are the nodes that are not in hosts.
func (p *proof) without(hosts []string) []string {
	var missing []string
	for _, n := range p.nodes {
		if !slices.Contains(hosts, n.name()) {
			missing = append(missing, n.name())
		}
	}
	return missing
}

// tally is what one node counts in its database.
type tally map[string]int

func (n *node) tally(ctx context.Context) (tally, error) {
	t := tally{}
	var stats struct {
		Dashboards, Users, Datasources, Orgs int
	}
	if err := n.call(ctx, http.MethodGet, "/api/admin/stats", nil, &stats); err != nil {
		return nil, err
	}
	t["dashboards"], t["users"], t["data sources"], t["organisations"] = stats.Dashboards, stats.Users, stats.Datasources, stats.Orgs
	var folders []struct{}
	if err := n.call(ctx, http.MethodGet, "/api/folders?limit=100000", nil, &folders); err != nil {
		return nil, err
	}
	t["folders"] = len(folders)
	if !grafana.HasUnifiedAlerting(n.version) {
		return t, nil
	}
	var namespaces map[string][]struct {
		Rules []struct{} `json:"rules"`
	}
	err := n.call(ctx, http.MethodGet, "/api/ruler/grafana/api/v1/rules", nil, &namespaces)
	if status(err) == http.StatusNotFound {
		return t, nil // unified alerting is off: 8.5.15 and 10.3.1 with legacy alerting have no such page
	}
	if err != nil {
		return nil, err
	}
	t["rules"] = 0
	for _, groups := range namespaces {
		for _, g := range groups {
			t["rules"] += len(g.Rules)
		}
	}
	return t, nil
}

// counts proves that all nodes see the same content. People work meanwhile, so
// a difference has to last.
func (p *proof) counts(ctx context.Context) {
	p.step(ctx, Step{Name: "counts", Explanation: "every node counts the same content"}, func(ctx context.Context) (string, error) {
		if len(p.nodes) < 2 {
			return "", &skip{"it takes two nodes that one can log in to"}
		}
		saw := ""
		err := until(ctx, 5*time.Second, time.Second, func(ctx context.Context) error {
			tallies := make([]tally, len(p.nodes))
			index := map[*node]int{}
			for i, n := range p.nodes {
				index[n] = i
			}
			for _, err := range p.onAll(func(n *node) (err error) {
				tallies[index[n]], err = n.tally(ctx)
				return err
			}) {
				if err != nil {
					return err
				}
			}
			var parts []string
			for _, what := range slices.Sorted(maps.Keys(tallies[0])) {
				parts = append(parts, fmt.Sprintf("%d %s", tallies[0][what], what))
			}
			saw = strings.Join(parts, ", ")
			return p.compare(ctx, tallies)
		})
		return saw, err
	})
}

func (p *proof) compare(ctx context.Context, tallies []tally) error {
	var differ []string
	all := tally{}
	for _, t := range tallies {
		maps.Copy(all, t)
	}
	for _, what := range slices.Sorted(maps.Keys(all)) {
		same := true
		var parts []string
		for i, n := range p.nodes {
			same = same && tallies[i][what] == tallies[0][what]
			parts = append(parts, fmt.Sprintf("%s %d", n.name(), tallies[i][what]))
		}
		if !same {
			differ = append(differ, what+": "+strings.Join(parts, ", "))
		}
	}
	if len(differ) == 0 {
		return nil
	}
	cause := "the nodes do not see the same content (" + strings.Join(differ, "; ") + ")"
	for _, n := range p.nodes[1:] {
		if same, err := p.sameDatabase(ctx, p.nodes[0], n); err == nil && !same {
			return &failure{fmt.Sprintf("%s: %s and %s have different databases", cause, p.nodes[0].name(), n.name()), p.command("plan", "")}
		}
	}
	return &failure{cause, "if [database] host is a replica or a balancer in front of several, point all nodes at the one writer"}
}

// doNot is the beginning of a sentence about one host or several: "h1 does not", "h1, h2
// and h3 do not".
func doNot(hosts []string) string {
	n := len(hosts)
	if n < 2 {
		return strings.Join(hosts, "") + " does not"
	}
	return strings.Join(hosts[:n-1], ", ") + " and " + hosts[n-1] + " do not"
}
