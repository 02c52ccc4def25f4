// Package grafana is what Grafana is to an operator: its versions and what each
// of them knows, grafana.ini, the systemd unit, the release archive, health and
// metrics. Values in, values out: no SSH, no files of ours, no inventories.
//
//	Version ──▶ capabilities ──▶ Node.Render ──▶ grafana.ini
//	Archive     Unit             Health, Metrics
package grafana
