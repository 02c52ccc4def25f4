// Package tasks is the work: what a run does to a cluster, from reading to proof.
//
//	inventory ─▶ desired ─▶ Observe ─▶ Plan ─▶ Stage ─▶ Rollout ─▶ Verify
//	              pure      reads      pure    writes    writes     reads
//
// Observe is the only reader of hosts and costs one round trip each. A [Plan] is
// data: text, JSON and execution are three readers of the same value. Stage is
// parallel and harmless; a host is disrupted only in its turn, in Rollout, between
// gates. Everything that happens is told to an [event.Sink].
//
// The packages below are what the work is made of; none of them imports this one.
package tasks
