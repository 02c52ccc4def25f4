package remote

import (
	"sync"
	"time"
)

// progressEvery is the shortest time between two calls of Upload.Progress.
const progressEvery = 200 * time.Millisecond

// progress calls back now and then, and at the end in any case.
type progress struct {
	mu   sync.Mutex
	size int64
	tell func(done, size int64)
	last time.Time
}

func newProgress(size int64, tell func(done, size int64)) *progress {
	return &progress{size: size, tell: tell}
}

func (p *progress) set(n int64) { p.report(n, false) }

func (p *progress) done(n int64) { p.report(n, true) }

func (p *progress) report(n int64, always bool) {
	if p.tell == nil {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if now := time.Now(); always || now.Sub(p.last) >= progressEvery {
		p.last = now
		p.tell(n, p.size)
	}
}
