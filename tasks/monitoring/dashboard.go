package monitoring

import (
	"fmt"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Dashboard is a dashboard about a cluster in the JSON that Grafana imports, of 7.4 and
// later (schema version 27: https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/).
// It asks for a data source when it is opened, and has no id, so that importing it again replaces it.
type Dashboard struct {
	UID           string         `json:"uid"`
	Title         string         `json:"title"`
	Tags          []string       `json:"tags"`
	SchemaVersion int            `json:"schemaVersion"`
	Version       int            `json:"version"`
	Editable      bool           `json:"editable"`
	Refresh       string         `json:"refresh"`
	Time          map[string]any `json:"time"`
	Templating    map[string]any `json:"templating"`
	Annotations   map[string]any `json:"annotations"`
	Panels        []Panel        `json:"panels"`
}

// Panel is one panel of a dashboard.
type Panel struct {
	ID          int            `json:"id"`
	Type        string         `json:"type"`
	Title       string         `json:"title"`
	Description string         `json:"description,omitempty"`
	DataSource  string         `json:"datasource"`
	GridPos     Position       `json:"gridPos"`
	Targets     []Query        `json:"targets"`
	FieldConfig map[string]any `json:"fieldConfig"`
	Options     map[string]any `json:"options"`
}

// Position is where a panel stands, in units of a grid 24 wide.
type Position struct {
	H int `json:"h"`
	W int `json:"w"`
	X int `json:"x"`
	Y int `json:"y"`
}

// Query is one query of a panel.
type Query struct {
	RefID        string `json:"refId"`
	Expr         string `json:"expr"`
	LegendFormat string `json:"legendFormat"`
	Instant      bool   `json:"instant,omitempty"`
}

// maxUID is the longest uid that Grafana takes (pkg/util/shortid_generator.go).
const maxUID = 40

// ForCluster is the dashboard of a cluster whose hosts Prometheus scrapes as job.
func ForCluster(c *inventory.Cluster, job string) Dashboard {
	uid := "ghadeploy-" + c.Name
	d := Dashboard{
		UID: uid[:min(len(uid), maxUID)], Title: "Grafana cluster " + c.Name, Tags: []string{"ghadeploy"},
		SchemaVersion: 27, Version: 1, Editable: true, Refresh: "30s",
		Time: map[string]any{"from": "now-6h", "to": "now"},
		Templating: map[string]any{"list": []any{map[string]any{
			"name": "datasource", "label": "Data source", "type": "datasource", "query": "prometheus",
		}}},
		Annotations: map[string]any{"list": []any{map[string]any{
			"name": "Rollouts", "datasource": "-- Grafana --", "enable": true, "iconColor": "blue",
			"target": map[string]any{"type": "tags", "tags": []string{"ghadeploy"}, "limit": 100},
		}}},
	}
	sel, hosts := selector(job, c.Name), len(c.Hosts)
	d.stat("Hosts that answer", fmt.Sprintf("of %d", hosts), hosts, "sum(up"+sel+")")
	if alertingCluster(c) {
		d.stat("Alerting members, least seen", "the fewest that any host sees", hosts, "min("+metric("alertmanager_cluster_members", sel)+")")
	}
	if c.Live.Redis.Address != "" {
		d.stat("Live nodes, least seen", "the fewest that any host sees", hosts, "min(grafana_live_node_num_nodes"+sel+")")
	}
	d.stat("Versions", "more than one only while an upgrade is under way", 1, "count(count by (version) (grafana_build_info"+sel+"))")
	d.row()
	d.graph("Requests per second", "reqps", "sum by (host) (rate(grafana_http_request_duration_seconds_count"+sel+"[5m]))")
	d.graph("Requests that fail (5xx) per second", "reqps",
		`sum by (host) (rate(grafana_http_request_duration_seconds_count`+with(sel, `status_code=~"5.."`)+`[5m]))`)
	d.graph("Requests, 99th percentile", "s",
		"histogram_quantile(0.99, sum by (host, le) (rate(grafana_http_request_duration_seconds_bucket"+sel+"[5m])))")
	d.graph("Database connections in use", "short", "sum by (host) (go_sql_stats_connections_in_use"+sel+")")
	if alertingCluster(c) {
		d.graph("Alerting position", "none", metric("alertmanager_peer_position", sel))
		d.graph("Notifications per second", "short", `sum by (host) (rate(`+"grafana_alerting_notifications_total"+sel+`[5m]))`)
	}
	if c.Live.Redis.Address != "" {
		d.graph("Live clients", "short", "grafana_live_node_num_clients"+sel)
	}
	d.graph("Memory", "bytes", "process_resident_memory_bytes"+sel)
	return d
}

// with adds a matcher to a selector.
func with(sel, matcher string) string { return sel[:len(sel)-1] + ", " + matcher + "}" }

// next is where a panel w wide goes: beside the last one, or below it.
func (d *Dashboard) next(w, h int) Position {
	if len(d.Panels) == 0 {
		return Position{h, w, 0, 0}
	}
	p := d.Panels[len(d.Panels)-1].GridPos
	if p.X+p.W+w > 24 || p.H != h {
		return Position{h, w, 0, p.Y + p.H}
	}
	return Position{h, w, p.X + p.W, p.Y}
}

// row widens the row of stats so that it ends at the edge.
func (d *Dashboard) row() {
	for i := range d.Panels {
		w := 24 / len(d.Panels)
		d.Panels[i].GridPos.W, d.Panels[i].GridPos.X = w, i*w
	}
}

// stat shows one number, red below want and green from it on.
func (d *Dashboard) stat(title, description string, want int, expr string) {
	steps := []any{map[string]any{"color": "red", "value": 0}, map[string]any{"color": "green", "value": want}}
	if want == 1 { // more than one is what is wrong
		steps = []any{map[string]any{"color": "green", "value": 0}, map[string]any{"color": "orange", "value": 2}}
	}
	d.add(Panel{
		Type: "stat", Title: title, Description: description, GridPos: d.next(6, 4),
		Targets: []Query{{RefID: "A", Expr: expr, Instant: true}},
		FieldConfig: map[string]any{"defaults": map[string]any{"thresholds": map[string]any{"mode": "absolute", "steps": steps}},
			"overrides": []any{}},
		Options: map[string]any{"colorMode": "background", "graphMode": "none",
			"reduceOptions": map[string]any{"calcs": []string{"lastNotNull"}}},
	})
}

// graph shows a line for each host.
func (d *Dashboard) graph(title, unit, expr string) {
	d.add(Panel{
		Type: "timeseries", Title: title, GridPos: d.next(12, 8),
		Targets:     []Query{{RefID: "A", Expr: expr, LegendFormat: "{{host}}"}},
		FieldConfig: map[string]any{"defaults": map[string]any{"unit": unit, "min": 0}, "overrides": []any{}},
		Options: map[string]any{"legend": map[string]any{"displayMode": "list", "placement": "bottom"},
			"tooltip": map[string]any{"mode": "multi"}},
	})
}

func (d *Dashboard) add(p Panel) {
	p.ID, p.DataSource = len(d.Panels)+1, "${datasource}"
	d.Panels = append(d.Panels, p)
}
