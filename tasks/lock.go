package tasks

import (
	"bufio"
	"context"
	_ "embed" // lock.sh
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/user"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

//go:embed lock.sh
var lockScript string

const (
	// leaseBeat is how often a holder tells a host that it lives; lock.sh frees
	// the lock after 20 s without, which leaves room for four lost beats and
	// keeps the promised 30 s with the watchdog's own 2 s.
	leaseBeat = 4 * time.Second
	// lockTimeout bounds how long one host may take to answer.
	lockTimeout = 15 * time.Second
)

// Lock is held on every host of a run, each by a process on that host which
// lives as long as our connection to it.
type Lock struct {
	state  string
	holder Holder

	mu    sync.Mutex
	holds map[string]*hold
}

// errLockTaken: somebody ended the process that held the lock for this run.
var errLockTaken = errors.New("the lock was taken away from this run")

// hold is the lock of one host, and the way to its journal.
type hold struct {
	host   string
	orders chan string
	ended  chan struct{} // the remote process is gone
	err    error         // how it ended; set before ended is closed
	cancel context.CancelFunc
}

// newHolder describes this process.
func newHolder(command, run string) Holder {
	h := Holder{PID: os.Getpid(), Since: time.Now().UTC().Truncate(time.Second), Command: command, Run: run, User: "unknown"}
	if u, err := user.Current(); err == nil {
		h.User = u.Username
	}
	h.From, _ = os.Hostname()
	return h
}

// acquire takes the lock of all hosts or of none. The first host by name
// decides between two runs that start together, so that one of them always
// wins. A held or frozen host is a *[LockedError]. With wait, a held lock (not
// a freeze) is tried again until then.
func acquire(ctx context.Context, hosts []fleet.Host, state string, h Holder, wait time.Duration, onWait func(error)) (*Lock, error) {
	hosts = slices.Clone(hosts)
	slices.SortFunc(hosts, func(a, b fleet.Host) int { return strings.Compare(a.Name, b.Name) })
	deadline := time.Now().Add(wait)
	for {
		l, err := acquireOnce(ctx, hosts, state, h)
		var held *LockedError
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

// holdHost starts lock.sh on one host and waits for its first word.
func holdHost(ctx context.Context, host fleet.Host, state string, h Holder) (*hold, error) {
	holder, err := json.Marshal(h)
	if err != nil {
		return nil, err
	}
	// The lock outlives ctx: a run that is being cancelled still has to write
	// its journal and to finish or undo the turn at hand.
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	in, feed := io.Pipe()
	answer, out := io.Pipe()
	k := &hold{host: host.Name, orders: make(chan string, 256), ended: make(chan struct{}), cancel: cancel}
	go func() {
		_, k.err = host.Run(run, remote.Command{
			Step: "hold the lock", Script: lockScript, Args: []string{state},
			Become: true, Stdin: in, Stdout: out, Timeout: -1,
		})
		_ = out.Close()
		_ = in.Close()
		close(k.ended)
	}()
	go k.feed(feed, string(holder))

	words := make(chan string, 1)
	go func() {
		r := bufio.NewReader(answer)
		line, _ := r.ReadString('\n')
		words <- strings.TrimSpace(line)
		_, _ = io.Copy(io.Discard, r)
	}()
	var word string
	select {
	case word = <-words:
	case <-ctx.Done():
		k.close()
		return nil, ctx.Err()
	case <-time.After(lockTimeout):
		k.close()
		return nil, &fleet.HostError{Host: host.Name, Step: "take the lock", Cause: fmt.Errorf("no answer within %s", lockTimeout)}
	}
	if word == "locked" {
		return k, nil
	}
	k.close()
	<-k.ended
	return nil, refused(host.Name, word, k.err)
}

// refused turns what lock.sh said instead of "locked" into an error.
func refused(host, word string, runErr error) error {
	kind, rest, _ := strings.Cut(word, " ")
	if kind != "held" && kind != "frozen" {
		if runErr == nil {
			runErr = fmt.Errorf("unexpected answer %q", word)
		}
		return &fleet.HostError{Host: host, Step: "take the lock", Cause: runErr}
	}
	e := &LockedError{Host: host, Frozen: kind == "frozen"}
	if err := json.Unmarshal([]byte(rest), &e.Holder); err != nil || e.Holder.User == "" {
		e.Holder.User, e.Holder.From = "somebody", "unknown"
	}
	return e
}

// feed writes the holder, then orders and beats, until the hold is closed.
func (k *hold) feed(w *io.PipeWriter, holder string) {
	defer func() { _ = w.Close() }()
	if _, err := io.WriteString(w, holder+"\n"); err != nil {
		return
	}
	beat := time.NewTicker(leaseBeat)
	defer beat.Stop()
	for {
		order, ok := "beat", true
		select {
		case <-k.ended:
			return
		case order, ok = <-k.orders:
		case <-beat.C:
		}
		if !ok {
			return
		}
		if _, err := io.WriteString(w, order+"\n"); err != nil {
			return
		}
	}
}

// order queues one line for lock.sh; it is dropped when the host is lost.
func (k *hold) order(line string) {
	select {
	case k.orders <- line:
	case <-k.ended:
	}
}

// close ends the feed, which ends the remote process once it has done all orders.
func (k *hold) close() {
	close(k.orders)
	go func() {
		select {
		case <-k.ended:
		case <-time.After(5 * time.Second):
		}
		k.cancel()
	}()
}

// staleLease is how long lock.sh lives on without a word on a link that was cut.
const staleLease = 25 * time.Second

// Renew takes the lock again on hosts whose link was lost and is back. The error is a
// *[LockedError] when somebody else came between, wraps errLockTaken when the lock
// was broken by force, and is that of the link when it is still lost.
func (l *Lock) Renew(ctx context.Context, hosts ...fleet.Host) error {
	return fleet.Each(hosts, func(_ int, h fleet.Host) error {
		k := l.hold(h.Name)
		if k == nil || !k.lost() {
			return nil
		}
		if !unreachable(k.err) {
			return &fleet.HostError{Host: h.Name, Step: "hold the lock", Cause: errLockTaken, State: "no further host was touched", Next: "ghadeploy lock INVENTORY"}
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

// retake waits for what this run itself left behind on a link that is gone.
func (l *Lock) retake(ctx context.Context, h fleet.Host) (*hold, error) {
	end := time.Now().Add(staleLease)
	for {
		k, err := holdHost(ctx, h, l.state, l.holder)
		var held *LockedError
		if err == nil || !errors.As(err, &held) || held.Holder.Run != l.holder.Run || time.Now().After(end) {
			return k, err
		}
		if err := fleet.Pause(ctx, time.Second); err != nil {
			return nil, err
		}
	}
}

// lost tells whether the process on the host is gone.
func (k *hold) lost() bool {
	select {
	case <-k.ended:
		return true
	default:
		return false
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
	var wg sync.WaitGroup
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
