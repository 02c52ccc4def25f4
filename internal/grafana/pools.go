package grafana

import (
	"cmp"
	"slices"

	dto "github.com/prometheus/client_model/go"
)

// mainPool is the name of Grafana's own pool of database connections; from 11 on
// unified storage has one beside it ("unified_storage").
const mainPool = "grafana"

// Pool is one of a node's pools of database connections.
type Pool struct {
	Name  string `json:"name"` // "grafana", "unified_storage"
	Open  Gauge  `json:"open"`
	InUse Gauge  `json:"inUse"`
	// MaxOpen is the limit; 0 means none.
	MaxOpen Gauge `json:"maxOpen"`
	// Waits only grows: how often a connection had to be waited for.
	Waits Gauge `json:"waits"`
}

// ConnectionPools is how many pools of database connections a node of v opens, each
// with up to max_open_conn. unbounded: the last of them takes no notice of the limit,
// nor of any other key of grafana.ini.
func ConnectionPools(v Version) (n int, unbounded bool) {
	if !able(v, secondPool) {
		return 1, false
	}
	return 2, !able(v, secondPoolBound)
}

// poolMetrics are the names of a pool's values: those that carry the pool's name in
// db_name, and what Grafana exports of its main pool besides, or alone.
var poolMetrics = []struct {
	labelled, plain string
	field           func(*Pool) *Gauge
}{
	{"go_sql_stats_connections_open", "grafana_database_conn_open", func(p *Pool) *Gauge { return &p.Open }},
	{"go_sql_stats_connections_in_use", "grafana_database_conn_in_use", func(p *Pool) *Gauge { return &p.InUse }},
	{"go_sql_stats_connections_max_open", "grafana_database_conn_max_open", func(p *Pool) *Gauge { return &p.MaxOpen }},
	{"go_sql_stats_connections_waited_for", "grafana_database_conn_wait_count_total", func(p *Pool) *Gauge { return &p.Waits }},
}

// pools reads all pools in order of their names. The main pool may be there under
// both names and is one pool.
func pools(f map[string]*dto.MetricFamily) []Pool {
	found := map[string]*Pool{}
	of := func(name string) *Pool {
		if found[name] == nil {
			found[name] = &Pool{Name: name}
		}
		return found[name]
	}
	for _, m := range poolMetrics {
		for _, s := range samples(f, m.labelled) {
			*m.field(of(cmp.Or(s.label("db_name"), mainPool))) = Gauge{Value: s.value, Has: true}
		}
		for _, s := range samples(f, m.plain) {
			*m.field(of(mainPool)) = Gauge{Value: s.value, Has: true}
		}
	}
	var all []Pool
	for _, p := range found {
		all = append(all, *p)
	}
	slices.SortFunc(all, func(a, b Pool) int { return cmp.Compare(a.Name, b.Name) })
	return all
}

// OpenConnections adds up all pools: connections that are open, and how many may be;
// a limit of 0 means that some pool has none. Absent where the node says nothing of them.
func (m Metrics) OpenConnections() (open, limit Gauge) {
	unlimited := false
	for _, p := range m.Pools {
		open = Gauge{Value: open.Value + p.Open.Value, Has: open.Has || p.Open.Has}
		limit = Gauge{Value: limit.Value + p.MaxOpen.Value, Has: limit.Has || p.MaxOpen.Has}
		unlimited = unlimited || p.MaxOpen.Is(0)
	}
	if unlimited {
		limit.Value = 0
	}
	return open, limit
}
