// Package journal is the record of what runs did to a cluster: one JSON object a line,
// on every host and on the operator's machine.
//
//	event.Event ──▶ FromEvent ─▶ Entry ──▶ File           the operator's journal
//	                                   ──▶ lock.Lock      the hosts' (package lock)
//	ReadHost, ReadLocal ──▶ []Entry ──▶ Runs ──▶ []Run    the history
//
// An entry is written and synced as it happens, so that a run that is killed is readable
// up to its last step. The names in JSON stay what they are: journals outlive the
// version that wrote them.
package journal
