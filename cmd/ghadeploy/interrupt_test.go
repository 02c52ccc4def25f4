package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// watchedBuffer tells when a text has been written.
type watchedBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
	wait string
	seen chan struct{}
	once sync.Once
}

func (w *watchedBuffer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	n, err := w.text.Write(p)
	if strings.Contains(w.text.String(), w.wait) {
		w.once.Do(func() { close(w.seen) })
	}
	return n, err
}

func (w *watchedBuffer) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func interrupted(t *testing.T, args []string, stay bool, signals int) (code int, stderr string) {
	t.Helper()
	testDir(t)
	sent := make(chan os.Signal, signals)
	errs := &watchedBuffer{wait: "press Ctrl-C again", seen: make(chan struct{})}
	started := make(chan struct{})
	a := &app{
		streams: ui.Streams{In: strings.NewReader(""), Out: io.Discard, Err: errs, Size: func() (int, int) { return 100, 0 }},
		getenv:  func(string) string { return "" }, signals: sent, now: time.Now,
		newRunner: func(c *inventory.Cluster, o tasks.Options) runner {
			close(started)
			f := &fakeRunner{cluster: c, options: o, waits: true}
			if stay {
				f.options.Interrupt = make(chan struct{}) // never finishes its host
			}
			return f
		},
	}
	go func() {
		<-started
		sent <- syscall.SIGTERM
		if signals > 1 {
			<-errs.seen
			sent <- os.Interrupt
		}
	}()
	code = a.main(t.Context(), args)
	return code, errs.String()
}

func TestFirstSignalFinishesTheHostAtHand(t *testing.T) {
	code, errs := interrupted(t, []string{"apply", "prod.yaml", "--yes"}, false, 1)
	if code != exitDone {
		t.Errorf("exit code %d: the run finished what it had begun\n%s", code, errs)
	}
	if !strings.Contains(errs, "the host at hand is finished first") {
		t.Errorf("nothing was said: %s", errs)
	}
}

func TestSecondSignalStopsAtOnce(t *testing.T) {
	code, errs := interrupted(t, []string{"apply", "prod.yaml", "--yes"}, true, 2)
	if code != exitInterrupted {
		t.Errorf("exit code %d, want %d\n%s", code, exitInterrupted, errs)
	}
}

// blockedRunner waits for what never comes, and hears of no context.
type blockedRunner struct{ *fakeRunner }

func (b blockedRunner) Status(context.Context, func(tasks.HostStatus)) (*tasks.Status, error) {
	fmt.Fprintln(os.Stderr, "blocked")
	select {}
}

func TestTheSecondSignalEndsTheProcessWhateverBlocks(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	testDir(t)
	cmd := exec.Command(self, "status", "prod.yaml")
	cmd.Args[0] = "door"
	cmd.Env = append(os.Environ(), "BLOCKS=yes")
	errs := &watchedBuffer{wait: "blocked", seen: make(chan struct{})}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill() }()
	select {
	case <-errs.seen:
	case <-time.After(20 * time.Second):
		t.Fatalf("it did not come to block: %s", errs)
	}
	ended := make(chan struct{})
	go func() { _ = cmd.Wait(); close(ended) }()
	_ = cmd.Process.Signal(os.Interrupt)
	time.Sleep(100 * time.Millisecond) // two signals at once are one
	second := time.Now()
	_ = cmd.Process.Signal(os.Interrupt)
	select {
	case <-ended:
	case <-time.After(5 * time.Second):
		t.Fatal("it still runs 5 s after the second Ctrl-C")
	}
	if took := time.Since(second); took > 1500*time.Millisecond || cmd.ProcessState.ExitCode() != exitInterrupted {
		t.Errorf("ended after %s with %v", took, cmd.ProcessState)
	}
}

func TestTheFirstSignalEndsWhatNoSessionListensFor(t *testing.T) {
	in, ended := make(chan os.Signal, 1), make(chan struct{})
	i := newInterrupts(func() { close(ended) })
	go i.relay(in)
	in <- os.Interrupt
	<-ended
}
