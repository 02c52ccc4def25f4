package main

import "testing"

func TestSinceTakesDurationsToo(t *testing.T) {
	for given, want := range map[string]string{
		"10m": "-600s", "1h30m ago": "-5400s", "-1h": "-3600s", "": "", "yesterday": "yesterday", "2026-11-24 12:00": "2026-11-24 12:00", "-10min": "-10min",
	} {
		if got := sinceTime(given); got != want {
			t.Errorf("--since %q: %q, want %q", given, got, want)
		}
	}
}
