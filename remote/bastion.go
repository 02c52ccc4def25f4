package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// bastions are the hops that several hosts share: one connection each, closed
// when the last host behind it is.
type bastions struct {
	mu    sync.Mutex
	links map[string]*bastion
}

type bastion struct {
	id    string
	refs  int           // guarded by bastions.mu
	ready chan struct{} // conn or err is set
	conn  *ssh.Client
	err   error
	outer *bastionRef // the hop before
	gone  chan struct{}
}

// bastionRef is one use of a bastion; nil is the direct way.
type bastionRef struct {
	b    *bastion
	all  *bastions
	once sync.Once
}

func (r *bastionRef) key() string {
	if r == nil {
		return ""
	}
	return r.b.id
}

// dial opens the connection that the next handshake runs on.
func (r *bastionRef) dial(ctx context.Context, e *endpoint) (net.Conn, error) {
	address := e.addr()
	if r == nil && e.proxyCommand != "" {
		return dialProxyCommand(ctx, e.proxyCommand, address)
	}
	if r == nil {
		return (&net.Dialer{}).DialContext(ctx, "tcp", address)
	}
	conn, err := r.b.conn.DialContext(ctx, "tcp", address)
	var refused *ssh.OpenChannelError
	if errors.As(err, &refused) && refused.Reason == ssh.Prohibited {
		err = ErrForwardingRefused
	}
	if err != nil {
		return nil, fmt.Errorf("%s through %s: %w", address, r.b.id, err)
	}
	return conn, nil
}

func (r *bastionRef) release() {
	if r == nil {
		return
	}
	r.once.Do(func() { r.all.release(r.b) })
}

func (a *bastions) release(b *bastion) {
	a.mu.Lock()
	b.refs--
	last := b.refs == 0
	if last && a.links[b.id] == b {
		delete(a.links, b.id)
	}
	a.mu.Unlock()
	if last {
		if b.conn != nil {
			_ = b.conn.Close()
		}
		b.outer.release()
	}
}

// through connects to the last of hops, sharing what is connected already.
func (d *Dialer) through(ctx context.Context, hops []*endpoint, p *patience) (*bastionRef, error) {
	if len(hops) == 0 {
		return nil, nil //nolint:nilnil // nil is the direct way
	}
	id := ""
	for _, h := range hops {
		id += ">" + h.user + "@" + h.addr()
	}
	for {
		ref, mine := d.bastion.get(id[1:])
		if mine {
			d.openBastion(ctx, ref.b, hops, p)
		}
		select {
		case <-ref.b.ready:
		case <-ctx.Done():
			ref.release()
			return nil, context.Cause(ctx)
		}
		err := ref.b.err
		if err == nil {
			return ref, nil
		}
		ref.release()
		// Another host's impatience is not ours.
		if !mine && ctx.Err() == nil && (errors.Is(err, context.Canceled) || errors.Is(err, errConnectTimeout)) {
			continue
		}
		return nil, err
	}
}

// get finds the bastion or makes an entry that the caller has to connect.
func (a *bastions) get(id string) (ref *bastionRef, mine bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	b := a.links[id]
	if b == nil || isDone(b.gone) {
		b = &bastion{id: id, ready: make(chan struct{}), gone: make(chan struct{})}
		if a.links == nil {
			a.links = map[string]*bastion{}
		}
		a.links[id] = b
		mine = true
	}
	b.refs++
	return &bastionRef{b: b, all: a}, mine
}

func (d *Dialer) openBastion(ctx context.Context, b *bastion, hops []*endpoint, p *patience) {
	defer close(b.ready)
	fail := func(err error) {
		b.err = fmt.Errorf("jump host %s: %w", hops[len(hops)-1].addr(), err)
		close(b.gone)
	}
	outer, err := d.through(ctx, hops[:len(hops)-1], p)
	if err != nil {
		fail(err)
		return
	}
	conn, beat, err := d.connect(ctx, hops[len(hops)-1], outer, p)
	if err != nil {
		outer.release()
		fail(err)
		return
	}
	b.conn, b.outer = conn, outer
	guard.Go(func() {
		_ = conn.Wait() // why it ended is told by the connections inside it
		close(b.gone)
	})
	guard.Go(func() { beat.watch(conn, b.gone, func(error) { _ = conn.Close() }) })
}
