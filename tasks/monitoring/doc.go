// Package monitoring writes what Prometheus and Grafana need to watch a cluster: alert
// rules and a dashboard, both from the inventory alone. It is pure: no host is asked.
//
// Every expression reads a metric under each name that it has had (see [metric]), so
// that rules and dashboard hold before, during and after an upgrade.
package monitoring
