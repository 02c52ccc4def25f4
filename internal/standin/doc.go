// Package standin is the root of a small server with the operational surface
// of Grafana: what a deployer sees of it (configuration, migrations, health,
// metrics, gossip, sessions, Live, alert notifications, graceful stop), packed
// exactly like a release. Tests and the demo deploy it where a download of the
// real thing is not to be had.
//
//	cmd/grafana  the server       cmd/pack  writes a release tarball
//	profile      how versions differ
//	settings     grafana.ini      defaults  conf/defaults.ini per version
//	database     DSN, migrations  store     users, sessions, dashboards, ...
//	cluster      gossip or Redis  live      centrifuge
//	alerting     rules to webhook api       HTTP
//	server       start and stop   faults    failures asked for at pack time
//	conformance  one suite for this and for a real release
package standin
