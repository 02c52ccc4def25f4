package tasks

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// A step that panics is the run's failure: it stands in the journal, and the lock is free.
func TestAPanicReleasesTheLockAndIsInTheJournal(t *testing.T) {
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock (package util-linux) is not on this machine")
	}
	state := filepath.Join(t.TempDir(), "state")
	t.Setenv("XDG_STATE_HOME", t.TempDir())
	conn := &fleettest.Local{Name: "h1"}
	t.Cleanup(func() { _ = conn.Close() })
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: conn}
	r := New(&inventory.Cluster{Name: "c", Hosts: []*inventory.Host{h.Host}, Paths: inventory.Paths{State: state}}, Options{
		Connect: func(context.Context, *inventory.Host) (fleet.Conn, error) { return h.Conn, nil },
	})
	plan := &Plan{Cluster: "c", Command: "apply", Hosts: []HostPlan{{Host: "h1", Actions: []Action{{Kind: ActionTurn}}}}}
	_, err := r.locked(t.Context(), []fleet.Host{h}, plan, func(*lock.Lock, *Result) error { panic("on purpose") })
	if e, ok := errors.AsType[*guard.PanicError](err); !ok || e.Value != "on purpose" {
		t.Fatalf("got %v, want the panic as an error", err)
	}
	l, err := lock.Acquire(t.Context(), []fleet.Host{h}, state, lock.Holder{User: "ben"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
	b, err := os.ReadFile(filepath.Join(state, "journal.jsonl"))
	if err != nil || !strings.Contains(string(b), "internal error: on purpose") {
		t.Errorf("the journal says (%v)\n%s", err, b)
	}
}
