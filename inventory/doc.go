// Package inventory turns what the operator wrote into a typed, validated and
// resolved [Cluster].
//
//	inventory.yaml ──Load──▶ Cluster ──▶ tasks/desired
//
// Every mistake of a file is reported at once, each as a [Diagnostic] that
// knows file, line and column. Nothing here opens a connection, only [WriteFile]
// writes, and nothing here knows what Grafana makes of the values.
package inventory
