// Package report makes one HTML page of a run: what needs attention first, then
// a timeline of every host, the changes, and what the gates saw. The page is
// one file without JavaScript and without anything from elsewhere, so that it
// can be attached to a ticket and opened anywhere.
//
//	event.Sink ──▶ Recorder ──▶ Run ──▶ Write ──▶ run.html
package report
