// Package verify proves from outside that a cluster is highly available,
// instead of believing its configuration.
//
//	Run ──▶ every host answers, versions, plugins and counts agree
//	    ──▶ a session made on A is valid on B and through the balancer
//	    ──▶ a Live message published on A arrives at B
//	    ──▶ alerting members and positions, Live nodes, the balancer's opinion
//	    ──▶ a silence made on A is seen on B; an alert notifies exactly once
//	    ──▶ chaos: a node stops, the balancer answers on
//
// Everything is asked of each host's own port through its SSH connection, so
// nothing has to be open to the operator's machine. What is made for the proof
// (sessions, silences, a folder, a rule, a contact point, a route) carries the
// name ghadeploy-verify and is removed again, also after a failure or Ctrl-C;
// what a killed run left behind is removed by the next.
package verify
