package main_test

import (
	"net/http"
	"sync"
	"testing"
	"time"
)

// outage is a time in which a host did not answer its health check.
type outage struct{ from, to time.Time }

// watch asks every host every 50 ms for its health, each time on a connection of
// its own. The function it returns ends that and gives each host's outages.
func (c *trial) watch(t *testing.T) func() map[string][]outage {
	t.Helper()
	out := map[string][]outage{}
	stop := make(chan struct{})
	var mu sync.Mutex
	var wg sync.WaitGroup
	for _, h := range c.hosts {
		wg.Go(func() {
			tick := time.NewTicker(50 * time.Millisecond)
			defer tick.Stop()
			down := false
			for {
				from := time.Now()
				status, _, err := request("GET", c.url(h)+"/api/health", "", nil)
				failed := err != nil || status != http.StatusOK
				mu.Lock()
				switch all := out[h]; {
				case failed && down:
					all[len(all)-1].to = time.Now()
				case failed:
					out[h] = append(all, outage{from, time.Now()})
				}
				mu.Unlock()
				down = failed
				select {
				case <-stop:
					return
				case <-tick.C:
				}
			}
		})
	}
	end := sync.OnceFunc(func() { close(stop); wg.Wait() })
	t.Cleanup(end)
	return func() map[string][]outage { end(); return out }
}

// oneAtATime fails when two hosts were down at once.
func oneAtATime(t *testing.T, outages map[string][]outage) {
	t.Helper()
	for a, as := range outages {
		for b, bs := range outages {
			for _, x := range as {
				for _, y := range bs {
					if a < b && x.from.Before(y.to) && y.from.Before(x.to) {
						t.Errorf("%s was down from %s to %s, and %s from %s to %s", a, clock(x.from), clock(x.to), b, clock(y.from), clock(y.to))
					}
				}
			}
		}
	}
}

func clock(t time.Time) string { return t.Format("15:04:05.000") }
