package ui

import (
	"fmt"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// TestShowLive plays a rollout on the terminal, to be looked at:
//
//	GHADEPLOY_SHOW_LIVE=40 go test ./internal/ui -run TestShowLive -count=1
//
// It needs a terminal, and is skipped everywhere else.
func TestShowLive(t *testing.T) {
	hosts, err := strconv.Atoi(os.Getenv("GHADEPLOY_SHOW_LIVE"))
	if err != nil {
		t.Skip("needs GHADEPLOY_SHOW_LIVE=<number of hosts> and a terminal")
	}
	tty, err := os.OpenFile("/dev/tty", os.O_RDWR, 0)
	if err != nil {
		t.Skip("needs a terminal")
	}
	defer tty.Close()
	view := NewProgress(Files(tty, tty, tty, os.Getenv), false)
	defer view.Close()
	send := func(pause time.Duration, e event.Event) {
		event.Sink(view.Event).Emit(e)
		time.Sleep(pause)
	}
	playRollout(hosts, send)
}

// playRollout sends what a rollout over hosts would.
func playRollout(hosts int, send func(time.Duration, event.Event)) {
	name := func(i int) string { return fmt.Sprintf("g%02d.example.com", i) }
	send(0, event.Event{Kind: event.RunStarted, Message: "prod: apply"})
	send(0, event.Event{Kind: event.PhaseStarted, Step: "stage", Message: "stage"})
	const release = 66 << 20
	for i := range hosts {
		send(0, event.Event{Kind: event.StepStarted, Host: name(i + 1), Step: "upload"})
	}
	for part := int64(1); part <= 20; part++ {
		for i := range hosts {
			send(0, event.Event{Kind: event.StepProgress, Host: name(i + 1), Step: "upload", Done: release * part / 20, Total: release})
		}
		send(200*time.Millisecond, event.Event{Kind: event.Info})
	}
	for i := range hosts {
		send(0, event.Event{Kind: event.StepDone, Host: name(i + 1), Step: "upload", Message: "66 MB", Seconds: 4})
	}
	send(0, event.Event{Kind: event.PhaseDone, Step: "stage", Seconds: 4})
	send(0, event.Event{Kind: event.PhaseStarted, Step: "rollout", Message: "rollout"})
	for i := range hosts {
		h := name(i + 1)
		send(0, event.Event{Kind: event.TurnStarted, Host: h, Done: int64(i + 1), Total: int64(hosts)})
		for _, step := range []string{"drain", "stop", "start", "gate:health", "gate:members"} {
			send(300*time.Millisecond, event.Event{Kind: event.StepStarted, Host: h, Step: step})
			send(300*time.Millisecond, event.Event{Kind: event.StepProgress, Host: h, Step: step, Message: "2 of 3 seen"})
			send(0, event.Event{Kind: event.StepDone, Host: h, Step: step, Seconds: 0.6})
		}
		send(0, event.Event{Kind: event.TurnDone, Host: h, Seconds: 3})
	}
	send(0, event.Event{Kind: event.PhaseDone, Step: "rollout", Seconds: 20})
}
