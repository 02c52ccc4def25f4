package tasks

import (
	"context"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// pool keeps one connection per host for the whole of a run, however many ask for it.
type pool struct {
	mu    sync.Mutex
	conns map[string]*connecting
}

// connecting is one host's connection, or the attempt to make it.
type connecting struct {
	ready chan struct{}
	conn  fleet.Conn
	err   error
}

func newPool() *pool { return &pool{conns: map[string]*connecting{}} }

// get gives the host's connection and opens it with dial on the first call. An attempt
// that failed is not repeated: a host that cannot be reached costs one timeout a run.
func (p *pool) get(ctx context.Context, host string, dial func(context.Context) (fleet.Conn, error)) (fleet.Conn, error) {
	p.mu.Lock()
	c := p.conns[host]
	if c == nil {
		c = &connecting{ready: make(chan struct{})}
		p.conns[host] = c
		guard.Go(func() {
			defer close(c.ready)
			c.err = guard.Do(func() (err error) {
				c.conn, err = dial(ctx)
				return err
			})
		})
	}
	p.mu.Unlock()
	<-c.ready
	return c.conn, c.err
}

// close closes all connections at once.
func (p *pool) close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	var wg guard.Group
	for _, c := range p.conns {
		wg.Go(func() {
			<-c.ready
			if c.conn != nil {
				_ = c.conn.Close() // nothing that matters is left to be said on it
			}
		})
	}
	wg.Wait()
	p.conns = map[string]*connecting{}
	return nil
}
