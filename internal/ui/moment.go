package ui

import "time"

// clock is the time of day in the operator's zone.
func clock(t time.Time) string { return t.Local().Format("15:04:05") }

// clockDate is a moment that may be days ago.
func clockDate(t time.Time) string {
	if t.IsZero() {
		return "unknown"
	}
	return t.Local().Format("2006-01-02 15:04:05 MST")
}

// ago is how long ago t was, seen at now; empty when t is not known.
func ago(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	return span(now.Sub(t).Round(time.Second))
}
