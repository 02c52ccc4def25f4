package grafana

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// Gauge is a metric that may be absent, which is not the same as 0: without
// peers and Redis, for example, there are no alertmanager_cluster_* at all, under
// neither of their names (see [apiServerPrefix]).
type Gauge struct {
	Value float64 `json:"value"`
	Has   bool    `json:"has"`
}

// Is says whether the metric is there and has the value.
func (g Gauge) Is(v float64) bool { return g.Has && g.Value == v }

// Metrics are the metrics that gates and status look at.
type Metrics struct {
	Version Version `json:"version"`
	Edition string  `json:"edition,omitempty"`
	// Members counts the alerting cluster. By gossip a killed peer is counted
	// some seconds more; on Redis up to 5 minutes.
	Members Gauge `json:"members"`
	// FailedPeers stays above 0 for up to 6 h after a peer went, though all is
	// well, and does not exist on Redis: no gate wants it to be 0.
	FailedPeers Gauge `json:"failedPeers"`
	// HealthScore is memberlist's: 0 is healthy.
	HealthScore Gauge `json:"healthScore"`
	// Position is this node's turn to notify, 0 first; distinct on all nodes.
	Position Gauge `json:"position"`
	// PeerNames are the names of the members that this node sees (gossip only).
	PeerNames []string `json:"peerNames,omitempty"`
	// PublishFailures and PingFailures only grow, over all reasons.
	PublishFailures Gauge `json:"publishFailures"`
	PingFailures    Gauge `json:"pingFailures"`
	// LiveNodes counts the nodes of Grafana Live; one too many for some 20 s
	// after a restart. LiveClients are this node's own.
	LiveNodes   Gauge `json:"liveNodes"`
	LiveClients Gauge `json:"liveClients"`
	// Pools are this node's pools of database connections in order of their names;
	// none before 9, two from 11 on.
	Pools []Pool `json:"pools,omitempty"`
	// Plugins in order of their ids, core plugins included.
	Plugins []PluginBuild `json:"plugins,omitempty"`
}

// PluginBuild is one row of grafana_plugin_build_info.
type PluginBuild struct {
	ID        string `json:"id"`
	Type      string `json:"type"`
	Version   string `json:"version"`
	Signature string `json:"signature"` // "internal" for what comes with Grafana
}

// GetMetrics reads /metrics below baseURL.
func GetMetrics(ctx context.Context, client *http.Client, baseURL string) (Metrics, error) {
	status, body, err := get(ctx, client, baseURL, "/metrics", maxMetrics)
	if err != nil {
		return Metrics{}, err
	}
	if status != http.StatusOK {
		return Metrics{}, fmt.Errorf("reading /metrics: status %d (is [metrics] enabled, and without basic auth?)", status)
	}
	return ParseMetrics(bytes.NewReader(body))
}

// ParseMetrics reads the text format. Errors: one that is none, or metrics that
// are not Grafana's (ErrNotGrafana).
func ParseMetrics(r io.Reader) (Metrics, error) {
	lines, err := relevant(r)
	if err != nil {
		return Metrics{}, fmt.Errorf("reading metrics: %w", err)
	}
	p := expfmt.NewTextParser(model.UTF8Validation)
	f, err := p.TextToMetricFamilies(lines)
	if err != nil {
		return Metrics{}, fmt.Errorf("parsing metrics: %w", err)
	}
	m := Metrics{
		Members:         sum(f, "alertmanager_cluster_members"),
		FailedPeers:     sum(f, "alertmanager_cluster_failed_peers"),
		HealthScore:     sum(f, "alertmanager_cluster_health_score"),
		Position:        sum(f, "alertmanager_peer_position"),
		PublishFailures: sum(f, "alertmanager_cluster_messages_publish_failures_total"),
		PingFailures:    sum(f, "alertmanager_cluster_pings_failures_total"),
		LiveNodes:       sum(f, "grafana_live_node_num_nodes"),
		LiveClients:     sum(f, "grafana_live_node_num_clients"),
		Pools:           pools(f),
	}
	build := samples(f, "grafana_build_info")
	if len(build) == 0 {
		return Metrics{}, fmt.Errorf("no grafana_build_info in the metrics: %w", ErrNotGrafana)
	}
	m.Edition = build[0].label("edition")
	if m.Version, err = ParseVersion(build[0].label("version")); err != nil {
		return Metrics{}, fmt.Errorf("grafana_build_info: %w", err)
	}
	for _, s := range samples(f, "alertmanager_cluster_peer_info") {
		m.PeerNames = append(m.PeerNames, s.label("peer"))
	}
	for _, s := range samples(f, "grafana_plugin_build_info") {
		m.Plugins = append(m.Plugins,
			PluginBuild{ID: s.label("plugin_id"), Type: s.label("plugin_type"), Version: s.label("version"), Signature: s.label("signature_status")})
	}
	slices.SortFunc(m.Plugins, func(a, b PluginBuild) int { return strings.Compare(a.ID, b.ID) })
	return m, nil
}
