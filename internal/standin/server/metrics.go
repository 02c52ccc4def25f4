package server

import (
	"context"
	"log/slog"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ghadeploy/ghadeploy/internal/standin/plugins"
	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

// one registers a gauge of constant labels that stays at value.
func one(reg prometheus.Registerer, name, help string, labels prometheus.Labels, value float64) {
	g := prometheus.NewGauge(prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels})
	g.Set(value)
	reg.MustRegister(g)
}

func (s *Server) registerMetrics(reg prometheus.Registerer, loaded []plugins.Plugin) {
	build := prometheus.Labels{"version": s.version, "revision": Commit, "branch": branch, "goversion": runtime.Version(), "edition": "oss"}
	one(reg, "grafana_build_info", "A metric with a constant '1' value labeled by version, revision, branch, and goversion from which Grafana was built", build, 1)
	one(reg, "grafana_build_timestamp", "A metric exposing when the binary was built in epoch", build, float64(compiled.Unix()))
	env := prometheus.Labels{"version": s.version, "commit": Commit}
	for k, v := range s.settings.Environment {
		env[k] = v
	}
	one(reg, "grafana_environment_info", "A metric with a constant '1' value labeled by environment information about the running instance.", env, 1)
	one(reg, "grafana_instance_start_total", "counter for started instances", nil, 1)
	for _, p := range loaded {
		if p.Signature == plugins.Internal {
			continue // Grafana counts only what was installed
		}
		version := p.Info.Version
		if version == "" {
			version = "unset"
		}
		one(reg, "grafana_plugin_build_info", "A metric with a constant '1' value labeled by pluginId, pluginType and version from which Grafana plugin was built",
			prometheus.Labels{"plugin_id": p.ID, "plugin_type": p.Type, "version": version, "signature_status": p.Signature}, 1)
	}
	s.countPools(reg)
}

// statInterval is how often totals are counted; Grafana takes 30 minutes.
const statInterval = 30 * time.Second

// countTotals keeps the grafana_stat_totals_* gauges until ctx ends.
func countTotals(ctx context.Context, reg prometheus.Registerer, st *store.Store, log *slog.Logger) {
	totals := []struct{ name, table, where string }{
		{"grafana_stat_totals_dashboard", "dashboard", "NOT is_folder"},
		{"grafana_stat_totals_folder", "dashboard", "is_folder"},
		{"grafana_stat_totals_datasource", "data_source", ""},
		{"grafana_stat_totals_alert_rules", "alert_rule", ""},
		{"grafana_stat_totals_annotations", "annotation", ""},
		{"grafana_stat_total_users", "user", ""},
		{"grafana_stat_total_orgs", "org", ""},
	}
	gauges := make([]prometheus.Gauge, len(totals))
	for i, t := range totals {
		gauges[i] = prometheus.NewGauge(prometheus.GaugeOpts{Name: t.name, Help: "total amount of " + t.table})
		reg.MustRegister(gauges[i])
	}
	tick := time.NewTicker(statInterval)
	defer tick.Stop()
	for {
		for i, t := range totals {
			n, err := st.Count(ctx, t.table, t.where)
			if err != nil {
				log.Error("Failed to get system stats", "error", err)
				break
			}
			gauges[i].Set(float64(n))
		}
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
	}
}
