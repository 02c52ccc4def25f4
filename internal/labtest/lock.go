package labtest

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"
)

// Lock keeps hosts to this test until it ends; none means all of the lab. `go
// test` runs the tests of several packages at once, and they share one lab.
// Locks are taken in the order of names, so that two tests cannot wait for each
// other; a test calls it once. It fails when a host of the lab is off or does
// not answer and cannot be started: an earlier test's leftovers end here.
func (l *Lab) Lock(t testing.TB, hosts ...string) {
	t.Helper()
	if len(hosts) == 0 {
		hosts = slices.Collect(maps.Keys(l.addresses))
	}
	var own []string
	for _, h := range slices.Sorted(slices.Values(hosts)) {
		if _, ok := l.addresses[h]; !ok || h == "control" || h == "localhost" || h == "ip6-localhost" {
			continue
		}
		own = append(own, h)
		l.lockOne(t, h)
	}
	l.own = own
	l.Do(t, append([]string{"heal"}, own...)...)
	l.Do(t, append([]string{"start"}, own...)...)
	l.quiet(t)
}

// quiet stops what other tests have left serving in the lab: the load balancer sends
// requests to whatever answers, also to hosts that this test does not use.
func (l *Lab) quiet(t testing.TB) {
	var wg sync.WaitGroup
	for h := range l.addresses {
		if !isHost.MatchString(h) {
			continue
		}
		wg.Add(1)
		go func() {
			defer wg.Done()
			// A host that another test has is not this one's, nor one that is off.
			f, err := os.OpenFile(filepath.Join(l.Dir, "test-"+h+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
			if err != nil {
				return
			}
			defer f.Close()
			if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil && !slices.Contains(l.own, h) {
				return
			}
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
			defer cancel()
			_, _ = l.Run(ctx, h, "systemctl disable --now grafana-server 2>/dev/null; true")
		}()
	}
	wg.Wait()
}

// isHost is the name of a host of the lab that may run Grafana.
var isHost = regexp.MustCompile(`^h[0-9]+$`)

func (l *Lab) lockOne(t testing.TB, host string) {
	t.Helper()
	f, err := os.OpenFile(filepath.Join(l.Dir, "test-"+host+".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() }) // closing frees it, and so does the death of the process
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatalf("locking %s: %v", host, err)
	}
}
