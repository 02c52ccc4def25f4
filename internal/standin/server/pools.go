package server

import (
	"context"
	"database/sql"
	"fmt"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/ghadeploy/ghadeploy/internal/standin/database"
	"github.com/ghadeploy/ghadeploy/internal/standin/profile"
)

// openPools opens the main pool and, where the version has one, that of unified
// storage, which connects once at the start.
func (s *Server) openPools() error {
	var err error
	if s.db, err = database.Open(s.settings.Database, s.log("sqlstore")); err != nil {
		return err
	}
	second, has := profile.StoragePool(s.parsed)
	if !has {
		return nil
	}
	limits := s.settings.Database
	if second.MaxOpen >= 0 {
		limits.MaxOpen, limits.MaxIdle = second.MaxOpen, second.MaxIdle
	}
	if s.storage, err = database.Open(limits, s.log("resource-db")); err != nil {
		return err
	}
	s.storageName = second.Name
	return nil
}

// startStorage uses the second pool for the first time.
func (s *Server) startStorage(ctx context.Context) error {
	if s.storage == nil {
		return nil
	}
	if err := s.storage.PingContext(ctx); err != nil {
		return fmt.Errorf("run migrations: %w", err)
	}
	return nil
}

// numbers are what a pool counts.
type numbers = sql.DBStats

// poolMetrics are the numbers of a pool, each under its two names; the older one is
// of the main pool alone.
var poolMetrics = []struct {
	name, older, help string
	value             func(numbers) float64
}{
	{"max_open", "max_open", "Maximum number of open connections to the database.",
		func(st numbers) float64 { return float64(st.MaxOpenConnections) }},
	{"open", "open", "The number of established connections both in use and idle.",
		func(st numbers) float64 { return float64(st.OpenConnections) }},
	{"in_use", "in_use", "The number of connections currently in use.",
		func(st numbers) float64 { return float64(st.InUse) }},
	{"idle", "idle", "The number of idle connections.",
		func(st numbers) float64 { return float64(st.Idle) }},
	{"waited_for", "wait_count_total", "The total number of connections waited for.",
		func(st numbers) float64 { return float64(st.WaitCount) }},
	{"blocked_seconds", "wait_duration_seconds", "The total time blocked waiting for a new connection.",
		func(st numbers) float64 { return st.WaitDuration.Seconds() }},
	{"closed_max_idle", "max_idle_closed_total", "The total number of connections closed due to SetMaxIdleConns.",
		func(st numbers) float64 { return float64(st.MaxIdleClosed) }},
	{"closed_max_idle_time", "max_idle_closed_seconds", "The total number of connections closed due to SetConnMaxIdleTime.",
		func(st numbers) float64 { return float64(st.MaxIdleTimeClosed) }},
	{"closed_max_lifetime", "max_lifetime_closed_total", "The total number of connections closed due to SetConnMaxLifetime.",
		func(st numbers) float64 { return float64(st.MaxLifetimeClosed) }},
}

// countPools registers what each pool says of itself.
func (s *Server) countPools(reg prometheus.Registerer) {
	if !s.profile.Metrics.Database {
		return
	}
	gauge := func(name, help string, labels prometheus.Labels, db *database.DB, value func(numbers) float64) {
		o := prometheus.GaugeOpts{Name: name, Help: help, ConstLabels: labels}
		reg.MustRegister(prometheus.NewGaugeFunc(o, func() float64 { return value(db.Stats()) }))
	}
	for _, m := range poolMetrics {
		const newer = "go_sql_stats_connections_"
		gauge(newer+m.name, m.help, prometheus.Labels{"db_name": "grafana"}, s.db, m.value)
		gauge("grafana_database_conn_"+m.older, m.help, nil, s.db, m.value)
		if s.storage != nil {
			gauge(newer+m.name, m.help, prometheus.Labels{"db_name": s.storageName}, s.storage, m.value)
		}
	}
}
