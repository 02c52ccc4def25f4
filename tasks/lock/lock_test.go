package lock

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// localHost is this machine as a host of a fleet.
func localHost(t *testing.T, name string) fleet.Host {
	t.Helper()
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock (package util-linux) is not on this machine")
	}
	l := &fleettest.Local{Name: name}
	t.Cleanup(func() { _ = l.Close() })
	return fleet.Host{Host: &inventory.Host{Name: name}, Conn: l}
}

func TestLockIsHeldByOneAndNamesIt(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	h := []fleet.Host{localHost(t, "h1")}
	first, err := Acquire(t.Context(), h, state, Holder{User: "anna", From: "bastion", PID: 1, Since: time.Unix(0, 0).UTC(), Command: "upgrade"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, err = Acquire(t.Context(), h, state, Holder{User: "ben"}, 0, nil)
	var held *HeldError
	if !errors.As(err, &held) || held.Holder.User != "anna" || held.Holder.Command != "upgrade" || held.Frozen {
		t.Fatalf("second holder got %v", err)
	}
	first.Release()
	second, err := Acquire(t.Context(), h, state, Holder{User: "ben"}, 0, nil)
	if err != nil {
		t.Fatalf("after release: %v", err)
	}
	second.Release()
	if _, err := os.Stat(filepath.Join(state, "holder.json")); !os.IsNotExist(err) {
		t.Errorf("holder.json is left behind: %v", err)
	}
}

func TestLockWaitGetsItAfterRelease(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	h := []fleet.Host{localHost(t, "h1")}
	first, err := Acquire(t.Context(), h, state, Holder{User: "anna"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	told := make(chan error, 16)
	go func() {
		<-told
		first.Release()
	}()
	second, err := Acquire(t.Context(), h, state, Holder{User: "ben"}, time.Minute, func(err error) { told <- err })
	if err != nil {
		t.Fatal(err)
	}
	second.Release()
}

func TestAllHostsOrNone(t *testing.T) {
	dir := t.TempDir()
	h1, h2 := localHost(t, "h1"), localHost(t, "h2")
	// Both stand for the same machine here, so the second hold of a run that takes
	// both meets the first: nothing may be left held.
	state := filepath.Join(dir, "state")
	if _, err := Acquire(t.Context(), []fleet.Host{h1, h2}, state, Holder{User: "anna"}, 0, nil); err == nil {
		t.Fatal("one lock was taken twice")
	}
	l, err := Acquire(t.Context(), []fleet.Host{h1}, state, Holder{User: "anna"}, 0, nil)
	if err != nil {
		t.Fatalf("the failed run left a lock: %v", err)
	}
	l.Release()
}

func TestJournalAndGoodAreWrittenInOrder(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	l, err := Acquire(t.Context(), []fleet.Host{localHost(t, "h1")}, state, Holder{User: "anna"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, step := range []string{"drain", "stop's", "st\\art"} {
		l.Journal("h1", journal.Entry{Run: "r", Step: step, Result: "done", Message: `a "quoted" $HOME`})
	}
	for _, g := range []string{"aa", "bb", "aa"} {
		l.Good("h1", g)
	}
	l.Release()
	b, err := os.ReadFile(filepath.Join(state, "journal.jsonl"))
	if err != nil {
		t.Fatal(err)
	}
	got := journal.Read(b)
	if len(got) != 3 || got[0].Step != "drain" || got[1].Step != "stop's" || got[2].Step != `st\art` || got[2].Message != `a "quoted" $HOME` {
		t.Errorf("journal: %q", b)
	}
	b, err = os.ReadFile(filepath.Join(state, "good"))
	if err != nil {
		t.Fatal(err)
	}
	if lines := strings.Fields(string(b)); len(lines) != 4 || lines[0] != "bb" || lines[2] != "aa" {
		t.Errorf("good: %q, want bb and then aa, once", b)
	}
}

// A link that was cut for a while costs a run its lock, and it takes it again; a lock that
// was broken by force it does not.
func TestALockThatExpiredIsTakenAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 16 s: a lease runs out")
	}
	for name, end := range map[string]func(t *testing.T, h fleet.Host, state string){
		"expired": func(t *testing.T, _ fleet.Host, state string) {
			long := time.Now().Add(-time.Hour)
			if err := os.Chtimes(filepath.Join(state, "lease"), long, long); err != nil {
				t.Fatal(err)
			}
		},
		"broken": func(t *testing.T, h fleet.Host, state string) {
			if err := Unlock(t.Context(), h, state, true); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			state := filepath.Join(t.TempDir(), "state")
			h := localHost(t, "h1")
			l, err := Acquire(t.Context(), []fleet.Host{h}, state, Holder{User: "anna", Run: "r1"}, 0, nil)
			if err != nil {
				t.Fatal(err)
			}
			defer l.Release()
			end(t, h, state)
			select {
			case <-l.hold("h1").ended:
			case <-time.After(30 * time.Second):
				t.Fatal("the lock is still held")
			}
			if err := l.Renew(t.Context(), h); errors.Is(err, ErrTaken) != (name == "broken") || err != nil && name == "expired" {
				t.Errorf("got %v", err)
			}
			if s, err := Read(t.Context(), h, state); err != nil || (s.Held != nil) != (name == "expired") {
				t.Errorf("held by %v, %v", s.Held, err)
			}
		})
	}
}
