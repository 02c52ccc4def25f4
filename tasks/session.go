package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// Runner carries one command out on one cluster. It opens each host's connection
// when it is first needed and keeps it to the end.
type Runner struct {
	c *inventory.Cluster
	o Options
	// id names the run in journals, locks and reports.
	id string
	// looks: this is a plan that nobody carries out now.
	looks bool

	pool *pool
}

// New prepares a run; it opens nothing.
func New(c *inventory.Cluster, o Options) *Runner {
	if o.Dialer == nil {
		o.Dialer = &remote.Dialer{}
	}
	o.Sink = hiding(mask.For(c).Line, o.Sink)
	return &Runner{c: c, o: o, id: newRunID(time.Now()), pool: newPool()}
}

// hiding keeps a cluster's secrets out of events, whoever wrote what they say: hosts, logs,
// other programs' errors.
func hiding(hide func(string) string, to event.Sink) event.Sink {
	return func(e event.Event) {
		e.Message, e.Error, e.Detail = hide(e.Message), hide(e.Error), hide(e.Detail)
		to.Emit(e)
	}
}

// Close closes all connections.
func (r *Runner) Close() error { return r.pool.close() }

// connect gives the host's connection; all callers share one.
func (r *Runner) connect(ctx context.Context, h *inventory.Host) (fleet.Host, error) {
	conn, err := r.pool.get(ctx, h.Name, func(ctx context.Context) (fleet.Conn, error) { return r.dial(ctx, h) })
	return fleet.Host{Host: h, Conn: conn}, err
}

func (r *Runner) dial(ctx context.Context, h *inventory.Host) (fleet.Conn, error) {
	if r.o.Connect != nil {
		return r.o.Connect(ctx, h)
	}
	dial := func(ctx context.Context) (fleet.Conn, error) {
		conn, err := r.o.Dialer.Dial(ctx, targetOf(h))
		if err != nil {
			return nil, err // a nil *Client must not become a Conn that is not nil
		}
		return conn, nil
	}
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	return newLasting(conn, dial), nil
}

// seen is a host with what was found on it.
type seen struct {
	fleet.Host
	facts *Facts
}

// observe connects to hosts and reads them, in parallel. Every one that could not be
// reached is in the error.
func (r *Runner) observe(ctx context.Context, hosts []*inventory.Host) ([]seen, error) {
	out, errs := r.observeEach(ctx, hosts)
	return out, fleet.Join(errs...)
}

// observeEach is observe with each host's own error.
func (r *Runner) observeEach(ctx context.Context, hosts []*inventory.Host) ([]seen, []error) {
	r.o.Sink.Emit(event.Event{Kind: event.PhaseStarted, Run: r.id, Step: "observe", Message: fmt.Sprintf("read %d hosts", len(hosts))})
	start := time.Now()
	out := make([]seen, len(hosts))
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() {
			errs[i] = guard.Do(func() (err error) {
				if out[i].Host, err = r.connect(ctx, h); err == nil {
					out[i].facts, err = r.observeHost(ctx, out[i].Host)
				}
				return err
			})
		})
	}
	wg.Wait()
	r.o.Sink.Emit(event.Event{Kind: event.PhaseDone, Run: r.id, Step: "observe", Seconds: time.Since(start).Seconds()})
	return out, errs
}

const (
	// turnPatience is how long a turn that an earlier run left behind may take.
	turnPatience = 5 * time.Minute
	// lookPatience is how long a command that only looks waits for it: that a turn goes on
	// is the host's word, and the operator can look again.
	lookPatience = 8 * time.Second
)

// patience is how long this command waits for another run's turn.
func (r *Runner) patience() time.Duration {
	if r.looks || slices.Contains([]string{"check", "diff", "status", "verify"}, r.o.Command) {
		return lookPatience
	}
	return turnPatience
}

// observeHost reads a host, and waits for a turn of an earlier run that still goes on
// there: nothing true can be said of a host in the middle of one.
func (r *Runner) observeHost(ctx context.Context, h fleet.Host) (*Facts, error) {
	f, err := Observe(ctx, h, h.Name, r.c.Paths)
	if err != nil || !f.Turn {
		return f, err
	}
	if l, err := lock.Read(ctx, h, r.c.Paths.State); err == nil && l.Held != nil && l.Held.Run != r.id && r.o.LockWait == 0 {
		return nil, &lock.HeldError{Host: h.Name, Holder: *l.Held}
	}
	r.o.Sink.Emit(event.Event{Kind: event.Info, Run: r.id, Host: h.Name, Message: "a turn of an earlier run still goes on; wait for its end"})
	late := &fleet.HostError{Host: h.Name, Step: "wait for the turn of an earlier run", Cause: fmt.Errorf("not over after %s", r.patience()),
		State: "nothing was touched", Next: "the same again when it is; what it does: ssh " + h.Name + " journalctl -u ghadeploy-turn"}
	ctx, cancel := context.WithTimeoutCause(ctx, r.patience(), late)
	defer cancel()
	for f.Turn {
		// systemd itself says when it is over.
		_, err := h.Run(ctx, remote.Command{
			Step: "wait for the turn of an earlier run", Become: true, Timeout: turnPatience,
			Script: `while systemctl is-active -q ghadeploy-turn.service || [ "$(systemctl show -p ActiveState ghadeploy-turn.service)" = ActiveState=activating ]; do sleep 0.2; done`,
		})
		if err == nil {
			f, err = Observe(ctx, h, h.Name, r.c.Paths)
		}
		if err == nil && f.Turn { // over and yet going on: it is not asked as fast as it can answer
			err = fleet.Pause(ctx, time.Second)
		}
		if errors.Is(context.Cause(ctx), late) {
			return nil, late
		}
		if err != nil {
			return nil, err
		}
	}
	return f, nil
}

// drains tells whether the cluster has a load balancer that sends nothing to a host whose
// turn it is, because it is told or finds out.
func drains(c *inventory.Cluster) bool {
	lb := c.LoadBalancer
	return lb.Type != "" && (lb.Type != "none" || lb.CheckInterval > 0)
}

// openBalancer connects to the load balancers; nil when the cluster has none that
// can be told anything.
func (r *Runner) openBalancer(ctx context.Context) (balancer.Balancer, error) {
	lb := r.c.LoadBalancer
	if !drains(r.c) {
		return nil, nil
	}
	hosts := make([]fleet.Host, len(lb.Hosts))
	errs := make([]error, len(lb.Hosts))
	var wg guard.Group
	for i, h := range lb.Hosts {
		wg.Go(func() { hosts[i], errs[i] = r.connect(ctx, h) })
	}
	wg.Wait()
	reached := slices.DeleteFunc(hosts, func(h fleet.Host) bool { return h.Conn == nil })
	b, err := balancer.New(r.c, reached)
	if err != nil {
		return nil, err
	}
	return b, fleet.Join(errs...)
}

// unreachable tells whether an error is about hosts that could not be reached.
func unreachable(err error) bool {
	var u *remote.UnreachableError
	return errors.As(err, &u)
}
