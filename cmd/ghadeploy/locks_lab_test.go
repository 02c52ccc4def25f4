package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Of two operators one works and the other is told who; what a holder leaves behind,
// however it ends, frees itself.
func TestTwoRunsExcludeEachOther(t *testing.T) {
	c := labDeployed(t, labtest.Options{Balancer: "haproxy", NoLive: true, Edit: rollout(map[string]any{"settle": "3s", "drain": "1s"})})
	inTurn := step(event.StepStarted, "settle")

	t.Run("two at once", func(t *testing.T) {
		c.theme(t, "/two")
		a, b := c.begin(t, "apply", "--yes"), c.begin(t, "apply", "--yes")
		codes := []int{a.wait(), b.wait()}
		if fmt.Sprint(codes) != "[0 6]" && fmt.Sprint(codes) != "[6 0]" {
			t.Errorf("the runs end with %v, want one 0 and one 6\n%s\n%s", codes, a.story(), b.story())
		}
		loser := a
		if codes[1] == 6 {
			loser = b
		}
		t.Logf("refused after %s: %s", loser.took.Round(10*time.Millisecond), loser.message())
		wantSays(t, loser, "locked by", "apply")
	})

	t.Run("while a turn goes on", func(t *testing.T) {
		labtest.Slow(t)
		holder := c.begin(t, "restart", "--yes")
		holder.until("a turn", step(event.StepStarted, "flip"))
		late := c.begin(t, "restart", "--yes")
		if code := late.wait(); code != 6 {
			t.Errorf("exit %d, want 6\n%s", code, late.story())
		}
		t.Logf("refused after %s", late.took.Round(10*time.Millisecond))
		waiter := c.begin(t, "restart", "--yes", "--lock-wait", "3m")
		if code := holder.wait(); code != 0 {
			t.Errorf("the holder ends with %d\n%s", code, holder.story())
		}
		if code := waiter.wait(); code != 0 {
			t.Errorf("--lock-wait ends with %d\n%s", code, waiter.story())
		}
	})

	t.Run("killed holder", func(t *testing.T) {
		r := c.begin(t, "restart", "--yes")
		r.until("the settle", inTurn)
		_ = r.cmd.Process.Kill()
		<-r.done
		c.freeWithin(t, time.Now(), 5*time.Second)
	})

	t.Run("cut holder", func(t *testing.T) {
		labtest.Slow(t)
		r := c.begin(t, "restart", "--yes")
		host := r.until("the settle", inTurn).Host
		c.Do(t, "cut", host)
		cut := time.Now()
		// The host's disk is seen from this machine, whatever its cable does.
		holder := filepath.Join(c.Dir, "run", host, "root/var/lib/ghadeploy/holder.json")
		labtest.Wait(t, labTimeout, "the lock to be free", func() (bool, string) {
			b, err := os.ReadFile(holder)
			return errors.Is(err, os.ErrNotExist), string(b)
		})
		t.Logf("free %s after the cable was pulled", time.Since(cut).Round(100*time.Millisecond))
		c.Do(t, "heal", host)
		if code := r.wait(); code != 0 {
			t.Errorf("the run does not go on when the cable is back: exit %d\n%s", code, r.story())
		}
	})

	t.Run("freeze", func(t *testing.T) {
		c.must(t, "lock", "-m", "the auditors are here")
		r := c.begin(t, "restart", "--yes", "--lock-wait", "1m")
		if code := r.wait(); code != 6 {
			t.Errorf("exit %d, want 6\n%s", code, r.story())
		}
		wantSays(t, r, "frozen by", "the auditors are here", "unlock")
		// Its clean-up would take another's test alert away, so it is a run like any other.
		v := labtest.Ghadeploy(t, "verify", c.inv.Path, "--with-alerts")
		if v.Code != 6 || !strings.Contains(v.Stderr, "the auditors are here") {
			t.Errorf("verify --with-alerts: exit %d, want 6\n%s", v.Code, v.Stderr)
		}
		if v = labtest.Ghadeploy(t, "verify", c.inv.Path); v.Code == 6 {
			t.Errorf("a verify that changes nothing is refused: %s", v.Stderr)
		}
		c.must(t, "unlock")
		c.must(t, "restart", "--yes")
	})

	t.Run("taken by force", func(t *testing.T) {
		labtest.Slow(t)
		r := c.begin(t, "restart", "--yes")
		r.until("the settle", inTurn)
		c.must(t, "unlock", "--force", "--yes")
		if code := r.wait(); code != 1 {
			t.Errorf("exit %d, want 1: a run without its lock ends before the next turn\n%s", code, r.story())
		}
		wantSays(t, r, "the lock was taken away from this run")
		c.must(t, "apply", "--yes")
		c.wantConverged(t)
	})
}

func wantSays(t *testing.T, r *toolRun, words ...string) {
	t.Helper()
	for _, w := range words {
		if !strings.Contains(r.message(), w) {
			t.Errorf("the error does not say %q: %s", w, r.message())
		}
	}
}

// freeWithin waits until the lock is free, and logs how long that took.
func (c *labCluster) freeWithin(t *testing.T, since time.Time, within time.Duration) {
	t.Helper()
	c.waitUnlocked(t, within+10*time.Second)
	t.Logf("free after %s", time.Since(since).Round(100*time.Millisecond))
	c.must(t, "restart", "--yes")
}
