package tasks

import (
	"context"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

func TestFreezeRefusesEveryRunUntilUnlock(t *testing.T) {
	state := filepath.Join(t.TempDir(), "state")
	if _, err := exec.LookPath("flock"); err != nil {
		t.Skip("flock (package util-linux) is not on this machine")
	}
	conn := &fleettest.Local{Name: "h1"}
	t.Cleanup(func() { _ = conn.Close() })
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: conn}
	r := New(&inventory.Cluster{Name: "c", Hosts: []*inventory.Host{h.Host}, Paths: inventory.Paths{State: state}}, Options{
		Connect: func(context.Context, *inventory.Host) (fleet.Conn, error) { return h.Conn, nil },
	})
	if err := r.Lock(t.Context(), "audit until Friday"); err != nil {
		t.Fatal(err)
	}
	_, err := lock.Acquire(t.Context(), []fleet.Host{h}, state, lock.Holder{User: "ben"}, time.Minute, nil)
	var held *lock.HeldError
	if !errors.As(err, &held) || !held.Frozen || held.Holder.Message != "audit until Friday" {
		t.Fatalf("got %v, want a freeze with its message, at once in spite of --lock-wait", err)
	}
	locks, err := r.Holders(t.Context())
	if err != nil || len(locks) != 1 || locks[0].Frozen == nil || locks[0].Held != nil {
		t.Fatalf("holders: %+v, %v", locks, err)
	}
	if err := r.Unlock(t.Context(), false); err != nil {
		t.Fatal(err)
	}
	l, err := lock.Acquire(t.Context(), []fleet.Host{h}, state, lock.Holder{User: "ben"}, 0, nil)
	if err != nil {
		t.Fatal(err)
	}
	l.Release()
}
