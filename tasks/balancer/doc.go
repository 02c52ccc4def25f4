// Package balancer takes hosts out of the load balancers before they are
// disrupted and puts them back afterwards.
//
//	New ──▶ Balancer ──▶ Drain, WaitIdle │ stop, flip, start, gates │ Undrain, WaitUp
//	                 ──▶ State             what every balancer thinks of every host
//	                 ──▶ Plan, Apply       the HAProxy backend section, when it is managed
//
// Several balancers are asked at once, and all of them must agree. Nothing is
// remembered here: whether a host is drained is read from the balancers, so a
// run that was killed leaves no state that only it knew.
//
// What a balancer can know differs. HAProxy checks health and counts sessions.
// nginx (the free one) does neither: its state is its configuration, and its
// connections are counted in the kernel of its host. A command knows what it
// says. Without a balancer that can be told, only waiting is left.
package balancer
