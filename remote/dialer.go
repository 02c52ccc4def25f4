package remote

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"syscall"
	"time"

	"golang.org/x/crypto/ssh"
)

const (
	defaultConnectTimeout = 10 * time.Second
	defaultKeepAlive      = 5 * time.Second
	defaultStarting       = 24
	// startingPerAddress stays below the 10 unauthenticated connections from
	// which stock sshd (MaxStartups 10:30:100) drops some.
	startingPerAddress = 8
)

// Dialer opens connections. Its zero value works as `ssh` does without a
// terminal; one Dialer serves all hosts of a run, whose bastions, key files and
// known hosts it reads once. Its fields must not change after the first Dial.
type Dialer struct {
	// ConfigFiles are OpenSSH client configurations, the first value of which
	// counts. Nil: ~/.ssh/config and /etc/ssh/ssh_config; empty: none.
	ConfigFiles []string
	// Passphrase asks for the passphrase of an encrypted key file, once per key
	// however many hosts want it. The time it takes is no connect time. Nil:
	// encrypted keys are left out.
	Passphrase func(ctx context.Context, keyfile string) (string, error)
	// Note gets remarks on what was left out of the OpenSSH configuration
	// (nil: nobody does).
	Note func(remark string)
	// MaxStarting bounds the dials under way at once; default 24, and 8 an address.
	MaxStarting int
	// KeepAlive is the time between signs of life; after three that did not come
	// the host counts as lost. Default 5 s.
	KeepAlive time.Duration

	once    sync.Once
	conf    *sshConfig
	keys    keyRing
	known   knownFiles
	starts  startLimit
	bastion bastions
}

func (d *Dialer) init() {
	d.once.Do(func() {
		if d.MaxStarting <= 0 {
			d.MaxStarting = defaultStarting
		}
		if d.KeepAlive <= 0 {
			d.KeepAlive = defaultKeepAlive
		}
		d.conf = loadConfig(d.ConfigFiles, d.Note)
		d.keys.ask = d.Passphrase
		d.starts.all = make(chan struct{}, d.MaxStarting)
	})
}

// Dial connects to a host and logs in, through as many hops as it takes. Every
// error is an *[UnreachableError], inside which [errors.As] finds a *[HostKeyError]
// or *[AuthError] when that was it.
func (d *Dialer) Dial(ctx context.Context, t Target) (*Client, error) {
	ctx, a, err := d.approach(ctx, &t)
	if err != nil {
		return nil, err
	}
	defer a.patience.stop()
	conn, beat, err := d.connect(ctx, a.last, a.via, a.patience)
	if err != nil {
		a.via.release()
		return nil, unreachable(t, a.last, err)
	}
	if t.Become.Method == "" {
		t.Become.Method = "sudo"
	}
	c := newClient(t, a.last.user, conn, beat, a.via.release)
	c.more.turn = make(chan struct{}, 1)
	c.more.dial = func(ctx context.Context) (*ssh.Client, error) {
		ctx, patience := withPatience(ctx, t.ConnectTimeout)
		defer patience.stop()
		conn, _, err := d.connect(ctx, a.last, a.via, patience)
		return conn, err
	}
	return c, nil
}

// HostName is where the OpenSSH configuration says that an address is (HostName); the
// address itself where it says nothing.
func (d *Dialer) HostName(address string) string {
	d.init()
	return d.conf.hostName(address)
}

// approach is the way to a target as far as the last hop before it.
type approach struct {
	last     *endpoint   // the target itself
	via      *bastionRef // to be released; nil: directly
	patience *patience   // of the whole way; to be stopped
}

// approach goes as far as the last hop before a target, whose name it fills in. The
// context it returns ends with the target's connect timeout. Every error is an
// *[UnreachableError].
func (d *Dialer) approach(ctx context.Context, t *Target) (context.Context, approach, error) {
	d.init()
	if t.Name == "" {
		t.Name = t.Address
	}
	route, err := d.conf.route(*t)
	if err != nil {
		return nil, approach{}, &UnreachableError{Host: t.Name, Cause: err}
	}
	last := len(route) - 1
	ctx, patience := withPatience(ctx, t.ConnectTimeout)
	via, err := d.through(ctx, route[:last], patience)
	if err != nil {
		patience.stop()
		return nil, approach{}, unreachable(*t, nil, err)
	}
	return ctx, approach{last: route[last], via: via, patience: patience}, nil
}

// connect makes one hop and retries while sshd drops us for being busy.
func (d *Dialer) connect(ctx context.Context, e *endpoint, via *bastionRef, p *patience) (*ssh.Client, *heartbeat, error) {
	var pinned error // the pin's verdict outranks that there is no further key
	for try := 0; ; try++ {
		conn, beat, err := d.connectOnce(ctx, e, via, p)
		if err == nil {
			return conn, beat, nil
		}
		if ctx.Err() != nil {
			var key *HostKeyError
			if !errors.As(err, &key) {
				err = fmt.Errorf("%s: %w", e.addr(), context.Cause(ctx))
			}
			return nil, nil, err
		}
		if e.nextPinnedType(err) {
			pinned = err
			continue
		}
		if pinned != nil {
			return nil, nil, pinned
		}
		if errors.Is(err, errKeyUnusable) {
			continue
		}
		if !errors.Is(err, errDropped) {
			return nil, nil, err
		}
		// Jitter, lest all that were dropped come back together.
		wait := time.Duration(100+rand.IntN(200*(min(try, 5)+1))) * time.Millisecond
		select {
		case <-time.After(wait):
		case <-ctx.Done():
			return nil, nil, fmt.Errorf("%s: %w: %w", e.addr(), context.Cause(ctx), err)
		}
	}
}

// errDropped is a sshd that closed the connection before its first word.
var errDropped = errors.New("sshd closed the connection before its banner (MaxStartups or PerSourcePenalties?)")

func (d *Dialer) connectOnce(ctx context.Context, e *endpoint, via *bastionRef, p *patience) (*ssh.Client, *heartbeat, error) {
	done, err := d.starts.acquire(ctx, via.key()+"/"+e.addr())
	if err != nil {
		return nil, nil, err
	}
	defer done()
	raw, err := via.dial(ctx, e)
	if err != nil {
		return nil, nil, err
	}
	conn := &countedConn{Conn: raw}
	stop := context.AfterFunc(ctx, func() { _ = raw.Close() })
	defer stop()
	client, err := d.handshake(ctx, conn, e, p)
	if err != nil {
		_ = raw.Close()
		if !conn.banner.found.Load() && isDrop(err) {
			return nil, nil, fmt.Errorf("%s: %w", e.addr(), errDropped)
		}
		return nil, nil, err
	}
	if !stop() { // ctx ended together with the login
		_ = client.Close()
		return nil, nil, context.Cause(ctx)
	}
	return client, &heartbeat{conn: conn, every: d.KeepAlive}, nil
}

func isDrop(err error) bool {
	return errors.Is(err, errEOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// startLimit bounds the connections that have not logged in yet.
type startLimit struct {
	all     chan struct{}
	mu      sync.Mutex
	address map[string]chan struct{}
}

func (s *startLimit) acquire(ctx context.Context, address string) (release func(), err error) {
	s.mu.Lock()
	if s.address == nil {
		s.address = map[string]chan struct{}{}
	}
	one := s.address[address]
	if one == nil {
		one = make(chan struct{}, startingPerAddress)
		s.address[address] = one
	}
	s.mu.Unlock()
	// First the narrow gate: who waits there takes no place from other hosts.
	select {
	case one <- struct{}{}:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	select {
	case s.all <- struct{}{}:
	case <-ctx.Done():
		<-one
		return nil, context.Cause(ctx)
	}
	return func() { <-s.all; <-one }, nil
}
