package monitoring

import (
	"fmt"
	"io"

	"gopkg.in/yaml.v3"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// The severities of the rules: critical wakes somebody, warning waits for the morning.
const (
	critical = "critical"
	warning  = "warning"
)

// File is a rule file of Prometheus
// (https://prometheus.io/docs/prometheus/latest/configuration/recording_rules/#recording-rules).
type File struct {
	Groups []Group `yaml:"groups" json:"groups"`
}

// Group is a named list of rules.
type Group struct {
	Name  string `yaml:"name" json:"name"`
	Rules []Rule `yaml:"rules" json:"rules"`
}

// Rule is one alert.
type Rule struct {
	Alert       string            `yaml:"alert" json:"alert"`
	Expr        string            `yaml:"expr" json:"expr"` // PromQL
	For         string            `yaml:"for,omitempty" json:"for,omitempty"`
	Labels      map[string]string `yaml:"labels" json:"labels"`           // severity and cluster
	Annotations map[string]string `yaml:"annotations" json:"annotations"` // summary and action
}

// Rules are the alerts about a cluster whose hosts Prometheus scrapes as job. Those about
// gossip, Redis and Live are there only when the inventory has them.
func Rules(c *inventory.Cluster, job string) File {
	s := rules{cluster: c.Name, sel: selector(job, c.Name), hosts: len(c.Hosts)}
	s.serving()
	if alertingCluster(c) {
		s.alerting(c.Alerting.HA)
	}
	if c.Live.Redis.Address != "" {
		s.live()
	}
	s.runs()
	return File{[]Group{{Name: "ghadeploy-" + c.Name, Rules: s.all}}}
}

// WriteTo writes the file as Prometheus reads it.
func (f File) WriteTo(w io.Writer) (int64, error) {
	text, err := yaml.Marshal(f)
	if err != nil {
		return 0, fmt.Errorf("write the rules: %w", err)
	}
	n, err := fmt.Fprintf(w, "# Written by ghadeploy monitoring rules; write it again after hosts came or went.\n%s", text)
	return int64(n), err
}

// rules gathers the alerts of one cluster.
type rules struct {
	cluster, sel string
	hosts        int
	all          []Rule
}

// add adds an alert. summary and action may use Prometheus' templates; action begins with
// the command to type.
func (s *rules) add(alert, severity, wait, expr, summary, action string) {
	s.all = append(s.all, Rule{
		Alert: alert, Expr: expr, For: wait,
		Labels:      map[string]string{"severity": severity, "cluster": s.cluster},
		Annotations: map[string]string{"summary": summary, "action": action},
	})
}

// serving are the alerts about hosts that answer, run the same version and reach the database.
func (s *rules) serving() {
	s.add("GrafanaClusterDown", critical, "1m", "absent(up"+s.sel+" == 1)",
		"no host of Grafana cluster "+s.cluster+" answers", "ghadeploy status; is the database up?")
	s.add("GrafanaHostDown", warning, "3m", "up"+s.sel+" == 0",
		"{{ $labels.host }} of Grafana cluster "+s.cluster+" does not answer", "ghadeploy status; ghadeploy logs --limit {{ $labels.host }}")
	s.add("GrafanaHostsNotWatched", warning, "15m", fmt.Sprintf("count(up%s) != %d", s.sel, s.hosts),
		fmt.Sprintf("Prometheus watches {{ $value }} hosts of Grafana cluster %s; the inventory has %d", s.cluster, s.hosts),
		"ghadeploy targets and ghadeploy monitoring rules write them as they are")
	s.add("GrafanaVersionsDiffer", warning, "1h", "count(count by (version) (grafana_build_info"+s.sel+")) > 1",
		"the hosts of Grafana cluster "+s.cluster+" have run {{ $value }} versions for an hour", "ghadeploy plan; ghadeploy history")
	s.add("GrafanaDatabasePoolFull", warning, "10m",
		"go_sql_stats_connections_in_use"+s.sel+" / (go_sql_stats_connections_max_open"+s.sel+" > 0) > 0.9",
		"{{ $labels.host }} uses {{ $value | humanizePercentage }} of its database connections ({{ $labels.db_name }})",
		"raise max_open_conn in the inventory, if max_connections of the database allows it: ghadeploy check")
}

// alerting are the alerts about Alertmanagers that do not see each other: each of two
// halves would notify.
func (s *rules) alerting(ha string) {
	wait := "5m"
	if ha == "redis" {
		wait = "10m" // a member that was killed is counted for 5 minutes
	}
	members := metric("alertmanager_cluster_members", s.sel)
	position := metric("alertmanager_peer_position", s.sel)
	s.add("GrafanaAlertingMembers", critical, wait, fmt.Sprintf("%s != %d", members, s.hosts),
		fmt.Sprintf("{{ $labels.host }} sees {{ $value }} of %d Alertmanagers: alerts may be notified twice", s.hosts),
		"ghadeploy status; ghadeploy check")
	s.add("GrafanaAlertingPositions", critical, wait,
		fmt.Sprintf("count(count_values(\"position\", %s)) != count(%s)", position, position),
		"two Alertmanagers of Grafana cluster "+s.cluster+" stand at the same position: both notify", "ghadeploy verify")
	if ha == "gossip" {
		s.add("GrafanaGossipUnhealthy", warning, "15m", metric("alertmanager_cluster_health_score", s.sel)+" > 0",
			"gossip of {{ $labels.host }} loses messages or is slow (health score {{ $value }})",
			"ghadeploy check; are the gossip ports open, TCP and UDP?")
	}
}

func (s *rules) live() {
	s.add("GrafanaLiveNodes", warning, "5m", fmt.Sprintf("grafana_live_node_num_nodes%s != %d", s.sel, s.hosts),
		fmt.Sprintf("Live on {{ $labels.host }} sees {{ $value }} of %d hosts: messages do not reach all browsers", s.hosts),
		"ghadeploy verify; does the host reach Redis?")
}

// runs are the alerts about what ghadeploy wrote by --metrics-file.
func (s *rules) runs() {
	sel := ofCluster(s.cluster)
	s.add("GhadeployRunFailed", warning, "", "ghadeploy_run_success"+sel+" == 0",
		"the last ghadeploy {{ $labels.command }} of Grafana cluster "+s.cluster+" failed", "ghadeploy status; ghadeploy history")
	s.add("GhadeployDrift", warning, "1h", "ghadeploy_plan_pending_hosts"+sel+" > 0",
		"{{ $value }} hosts of Grafana cluster "+s.cluster+" are not as the inventory wants them", "ghadeploy plan")
	s.add("GhadeployPlanFailed", warning, "1h", "ghadeploy_plan_success"+sel+" == 0",
		"nobody can plan Grafana cluster "+s.cluster+": a host or a secret is out of reach", "ghadeploy plan")
	s.add("GhadeployPlanOld", warning, "1h", "time() - ghadeploy_plan_timestamp_seconds"+sel+" > 2 * 24 * 3600",
		"the last plan of Grafana cluster "+s.cluster+" is {{ $value | humanizeDuration }} old", "look at the timer that runs ghadeploy plan")
	s.add("GhadeployCertificateExpires", warning, "1h", "ghadeploy_certificate_expiry_timestamp_seconds"+sel+" - time() < 21 * 24 * 3600",
		"{{ $labels.certificate }} of Grafana cluster "+s.cluster+" expires in {{ $value | humanizeDuration }}",
		"renew the file, then ghadeploy apply")
}
