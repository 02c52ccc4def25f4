package remote

import (
	"context"
	"sync"
)

// keyedLock lets one at a time work on what a key names.
type keyedLock struct {
	mu   sync.Mutex
	busy map[string]chan struct{}
}

func (k *keyedLock) lock(ctx context.Context, key string) (unlock func(), err error) {
	for {
		k.mu.Lock()
		wait := k.busy[key]
		if wait == nil {
			if k.busy == nil {
				k.busy = map[string]chan struct{}{}
			}
			mine := make(chan struct{})
			k.busy[key] = mine
			k.mu.Unlock()
			return func() {
				k.mu.Lock()
				delete(k.busy, key)
				k.mu.Unlock()
				close(mine)
			}, nil
		}
		k.mu.Unlock()
		select {
		case <-wait:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
}
