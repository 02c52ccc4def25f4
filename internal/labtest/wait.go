package labtest

import (
	"testing"
	"time"
)

// Wait polls until ok, and fails the test when that takes longer than within;
// saw is what the condition looked like, for the message.
func Wait(t testing.TB, within time.Duration, what string, condition func() (ok bool, saw string)) {
	t.Helper()
	deadline := time.NewTimer(within)
	defer deadline.Stop()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		ok, saw := condition()
		if ok {
			return
		}
		select {
		case <-deadline.C:
			t.Fatalf("waited %s for %s; last seen: %s", within, what, saw)
		case <-tick.C:
		}
	}
}
