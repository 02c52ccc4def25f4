// Package grafana is what Grafana is to an operator: its versions and what each
// of them knows, grafana.ini, the systemd unit, the release archive, health and
// metrics. Values in, values out: no SSH, no files of ours, no inventories.
//
//	knowledge.go, one table: which version has what
//	    │
//	Version ──▶ KeyKnown, MigrationLock, UpgradePolicy ...
//	    │
//	Node ─────▶ Render ──▶ grafana.ini, secret files      Unit ─▶ Render ──▶ systemd unit
//	ReadArchive, ReadPlugin ──▶ what is inside, or ErrRefused
//	CheckKeys, LintProvisioning ──▶ what would fail at start
//	GetHealth, GetMetrics, ParseLogLine ──▶ what a running node says
package grafana
