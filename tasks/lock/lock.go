package lock

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// Lock is held on every host of a run, each by a process on that host which
// lives as long as our connection to it.
type Lock struct {
	state  string
	holder Holder

	mu    sync.Mutex
	holds map[string]*hold
}

// Acquire takes the lock of all hosts or of none. The first host by name
// decides between two runs that start together, so that one of them always
// wins. state is the folder on the hosts that the lock lies in. A held or frozen
// host is a *[HeldError]. With wait, a held lock (not a freeze) is tried again until
// then; onWait is told why before each time.
func Acquire(ctx context.Context, hosts []fleet.Host, state string, h Holder, wait time.Duration, onWait func(error)) (*Lock, error) {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, func(a, b fleet.Host) int { return strings.Compare(a.Name, b.Name) })
	deadline := time.Now().Add(wait)
	for {
		l, err := acquireOnce(ctx, hosts, state, h)
		var held *HeldError
		if err == nil || !errors.As(err, &held) || held.Frozen || time.Now().After(deadline) {
			return l, err
		}
		if onWait != nil {
			onWait(err)
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(min(2*time.Second, time.Until(deadline)+time.Millisecond)):
		}
	}
}

func acquireOnce(ctx context.Context, hosts []fleet.Host, state string, h Holder) (*Lock, error) {
	l := &Lock{state: state, holder: h, holds: map[string]*hold{}}
	if len(hosts) == 0 {
		return l, nil
	}
	first, err := holdHost(ctx, hosts[0], state, h)
	if err != nil {
		return nil, err
	}
	l.holds[hosts[0].Name] = first
	holds := make([]*hold, len(hosts))
	err = fleet.Each(hosts[1:], func(i int, host fleet.Host) error {
		var err error
		holds[i], err = holdHost(ctx, host, state, h)
		return err
	})
	for i, host := range hosts[1:] {
		if holds[i] != nil {
			l.holds[host.Name] = holds[i]
		}
	}
	if err != nil {
		l.Release()
		return nil, err
	}
	return l, nil
}

// Renew takes the lock again on hosts whose link was lost and is back. The error is a
// *[HeldError] when somebody else came between, wraps ErrTaken when the lock
// was broken by force, and is that of the link when it is still lost.
func (l *Lock) Renew(ctx context.Context, hosts ...fleet.Host) error {
	return fleet.Each(hosts, func(_ int, h fleet.Host) error {
		k := l.hold(h.Name)
		if k == nil || !k.lost() {
			return nil
		}
		_, gone := errors.AsType[*remote.UnreachableError](k.err)
		if !gone && !l.expired(ctx, h) {
			return &fleet.HostError{Host: h.Name, Step: "hold the lock", Cause: ErrTaken, State: "no further host was touched",
				Next: "ghadeploy lock INVENTORY"}
		}
		fresh, err := l.retake(ctx, h)
		if err != nil {
			return err
		}
		l.mu.Lock()
		defer l.mu.Unlock()
		l.holds[h.Name] = fresh
		return nil
	})
}

// expired tells whether the host's own watchdog ended the lock of this run. The link may
// be back before we noticed that it was cut; nobody has held the host since.
func (l *Lock) expired(ctx context.Context, h fleet.Host) bool {
	res, err := h.Run(ctx,
		remote.Command{Step: "read the lock", Script: `cat "$1/expired.json" 2>/dev/null || :`, Args: []string{l.state}, Become: true})
	return err == nil && parseHolder(string(res.Stdout)).Run == l.holder.Run
}

// staleLease is how long lock.sh lives on without a word on a link that was cut.
const staleLease = 25 * time.Second

// retake waits for what this run itself left behind on a link that is gone.
func (l *Lock) retake(ctx context.Context, h fleet.Host) (*hold, error) {
	end := time.Now().Add(staleLease)
	for {
		k, err := holdHost(ctx, h, l.state, l.holder)
		var held *HeldError
		if err == nil || !errors.As(err, &held) || held.Holder.Run != l.holder.Run || time.Now().After(end) {
			return k, err
		}
		if err := fleet.Pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

func (l *Lock) hold(host string) *hold {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.holds[host]
}

// Release frees all hosts and waits until they are.
func (l *Lock) Release() {
	l.mu.Lock()
	defer l.mu.Unlock()
	var wg guard.Group
	for _, k := range l.holds {
		wg.Go(func() {
			k.close()
			select {
			case <-k.ended:
			case <-time.After(5 * time.Second):
			}
		})
	}
	wg.Wait()
	l.holds = nil
}

// Journal appends one line to the journal of a host, or of all hosts for "".
func (l *Lock) Journal(host string, e journal.Entry) {
	line, err := json.Marshal(e)
	if err != nil {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for name, k := range l.holds {
		if host == "" || host == name {
			k.order("journal " + string(line))
		}
	}
}

// Good records that a generation passed its gates on a host.
func (l *Lock) Good(host, generation string) {
	if k := l.hold(host); k != nil {
		k.order("good " + generation)
	}
}
