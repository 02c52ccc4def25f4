package remote

import (
	"context"
	"io"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// The SSH library waits for the far side without a context: for the answer to a
// request, for room in the channel's window, for a channel's end. Closing the channel
// does not end that waiting, as the far side has to confirm it. A host that answers
// keepalives and nothing else must not hold anybody, so whatever waits for a host
// runs beside the one who waits, and ends with the connection at the latest.

// ask sends a request on a channel and waits for the answer, or for ctx.
func ask(ctx context.Context, ch ssh.Channel, name string, payload []byte) (bool, error) {
	type answer struct {
		ok  bool
		err error
	}
	got := make(chan answer, 1)
	guard.Go(func() {
		ok, err := ch.SendRequest(name, true, payload)
		got <- answer{ok, err}
	})
	select {
	case a := <-got:
		return a.ok, a.err
	case <-ctx.Done():
		soon(func() { _ = ch.Close() })
		return false, context.Cause(ctx)
	}
}

// sendingWithin is how long the last words on a channel may take: they wait for a host
// that does not read any more.
const sendingWithin = time.Second

// soon runs do and does not wait for it for longer than the last words may take.
func soon(do func()) {
	done := make(chan struct{})
	guard.Go(func() {
		defer close(done)
		do()
	})
	t := time.NewTimer(sendingWithin)
	defer t.Stop()
	select {
	case <-done:
	case <-t.C:
	}
}

// closeSoon closes what may wait for the host to read.
func closeSoon(c io.Closer) error {
	got := make(chan error, 1)
	soon(func() { got <- c.Close() })
	select {
	case err := <-got:
		return err
	default:
		return nil
	}
}
