// Package ui is how the work is seen: readers of the one event stream, and
// renderers of results.
//
//	event.Event ──▶ Live      a terminal: a row per host, history scrolls above it
//	            ──▶ Plain     timestamped lines, for pipes and CI logs
//	            ──▶ NDJSON    a JSON document per line
//	            ──▶ report    one HTML page (internal/ui/report)
//	Plan, Status, findings, errors, ... ──▶ text
//
// Renderers are functions of a value, a [Style] and a width; they read no
// environment and touch no terminal, so that golden tests see what people see.
// Everything that comes from a host is cleaned of control characters before it
// is shown: a log line must not be able to move the operator's cursor.
package ui
