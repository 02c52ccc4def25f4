// Package check tries, from every host, what Grafana there will rely on, before
// anything is touched.
//
//	Run ──▶ facts    one script a host      ┐
//	    ──▶ units    named, in parallel     ├─▶ []Finding: severity, host, what, why, fix
//	    ──▶ probes   database, Redis, gossip┘
//
// A check changes nothing that lasts on a host. Each probe has a deadline of its
// own and the whole is over within [Limit], however many hosts are dead.
package check
