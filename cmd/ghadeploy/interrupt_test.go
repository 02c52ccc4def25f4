package main

import (
	"bytes"
	"io"
	"os"
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
