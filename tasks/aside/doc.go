// Package aside starts a Grafana on the side: on a host whose own Grafana serves meanwhile,
// on a copy of the database, on a port of loopback, with a folder of its own.
//
//	Look ──▶ Room     what the host can spare
//	Start             files and transient unit, with limits, shut off from the network
//	Follow ──▶ Log    until it is healthy, has ended, or the deadline
//	Clean             nothing of it is left, whoever left it
//
// Unit and folder have names of their own on each host, so that the next run finds what a
// run that was killed has left. A Grafana on the side ends by itself soon after nobody
// follows it any more.
package aside
