package labtest

import (
	"os"
	"slices"
	"strings"
	"testing"
	"time"
)

// A process takes a lab that no other has, and waits where all are taken.
func TestALabIsTakenFromThePool(t *testing.T) {
	type taken struct {
		dir  string
		lock *os.File
	}
	pool := []string{t.TempDir(), t.TempDir()}
	took := make(chan taken, 3)
	for range 3 {
		go func() {
			dir, lock, err := choose(pool)
			if err != nil {
				t.Error(err)
			}
			took <- taken{dir, lock}
		}()
	}
	a, b := <-took, <-took
	if a.dir == b.dir || !slices.Contains(pool, a.dir) || !slices.Contains(pool, b.dir) {
		t.Fatalf("two processes took %s and %s of %v", a.dir, b.dir, pool)
	}
	select {
	case c := <-took:
		t.Fatalf("a third took %s, which another has", c.dir)
	case <-time.After(2 * poolPoll):
	}
	_ = a.lock.Close() // as the end of its process does
	if c := <-took; c.dir != a.dir {
		t.Errorf("the third took %s, and %s was free", c.dir, a.dir)
	}
}

func TestOneLabIsShared(t *testing.T) {
	for _, pool := range [][]string{nil, {"/one"}} {
		for range 2 {
			if dir, lock, err := choose(pool); err != nil || lock != nil || dir != strings.Join(pool, "") {
				t.Errorf("%v gives %q, %v, %v", pool, dir, lock, err)
			}
		}
	}
}
