package remote

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

var errConnectTimeout = errors.New("connect timeout")

// patience is the connect timeout: a clock that stands still while a person
// types a passphrase.
type patience struct {
	mu     sync.Mutex
	left   time.Duration
	since  time.Time
	paused int
	timer  *time.Timer
	cancel context.CancelCauseFunc
}

func withPatience(ctx context.Context, d time.Duration) (context.Context, *patience) {
	if d <= 0 {
		d = defaultConnectTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	p := &patience{left: d, since: time.Now(), cancel: cancel}
	p.timer = time.AfterFunc(d, func() { cancel(fmt.Errorf("%w: no login within %s", errConnectTimeout, d)) })
	return ctx, p
}

func (p *patience) pause() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused++; p.paused == 1 && p.timer.Stop() {
		p.left -= time.Since(p.since)
	}
}

func (p *patience) resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.paused--; p.paused == 0 {
		p.since = time.Now()
		p.timer.Reset(max(p.left, time.Millisecond))
	}
}

func (p *patience) stop() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.timer.Stop()
	p.cancel(context.Canceled)
}
