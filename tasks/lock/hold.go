package lock

import (
	"bufio"
	"context"
	_ "embed" // lock.sh
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed lock.sh
var lockScript string

const (
	// leaseBeat is how often a holder tells a host that it lives; lock.sh frees
	// the lock after 20 s without, which leaves room for four lost beats and
	// keeps the promised 30 s with the watchdog's own 2 s.
	leaseBeat = 4 * time.Second
	// lockTimeout bounds how long one host may take to answer.
	lockTimeout = 10 * time.Second
	// mostAnswer bounds the host's one line about who holds the lock, in bytes.
	mostAnswer = 64 << 10
)

// hold is the lock of one host, and the way to its journal.
type hold struct {
	host   string
	orders chan string
	ended  chan struct{} // the remote process is gone
	err    error         // how it ended; set before ended is closed
	cancel context.CancelFunc
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
	guard.Go(func() {
		k.err = guard.Do(func() error {
			_, err := host.Run(run, remote.Command{
				Step: "hold the lock", Script: lockScript, Args: []string{state},
				Become: true, Stdin: in, Stdout: out, Timeout: -1,
			})
			return err
		})
		_ = out.Close()
		_ = in.Close()
		close(k.ended)
	})
	guard.Go(func() { k.feed(feed, string(holder)) })

	words := make(chan string, 1)
	guard.Go(func() {
		r := bufio.NewReaderSize(answer, mostAnswer)
		line, _ := r.ReadSlice('\n') // of a longer one the beginning, which is no holder
		words <- strings.TrimSpace(string(line))
		_, _ = io.Copy(io.Discard, r)
	})
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
	guard.Go(func() {
		select {
		case <-k.ended:
		case <-time.After(5 * time.Second):
		}
		k.cancel()
	})
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
