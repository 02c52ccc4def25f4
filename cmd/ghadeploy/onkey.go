package main

import (
	"context"
	"sync/atomic"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// onKey calls stop when q is pressed, and tells whether it was.
func onKey(ctx context.Context, pressed <-chan byte, stop func()) (quit func() bool) {
	var was atomic.Bool
	if pressed == nil {
		return was.Load
	}
	guard.Go(func() {
		for {
			select {
			case k := <-pressed:
				if k == 'q' || k == 'Q' {
					was.Store(true)
					stop()
					return
				}
			case <-ctx.Done():
				return
			}
		}
	})
	return was.Load
}
