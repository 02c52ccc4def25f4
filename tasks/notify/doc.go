// Package notify tells others about a cluster and its runs: people in a channel,
// a web hook, Grafana's own dashboards as an annotation, and Prometheus through a
// textfile and a list of targets.
//
//	tasks ── Message ──> Teller ──> webhook | slack | annotation (through a host's SSH connection)
//	cmd ──── Metrics ──> a file for node_exporter's textfile collector
//	cmd ──── Targets ──> file_sd_configs of Prometheus
//
// Nobody who is told can make a run fail or wait for more than [Deadline]: what
// cannot be delivered is a warning. A URL is a secret and is in no warning.
package notify
