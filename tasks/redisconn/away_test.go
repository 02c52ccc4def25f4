package redisconn

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// answering is a Redis of before HELLO that has one answer to PING.
func answering(answer string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			for in := bufio.NewReader(theirs); ; {
				line, err := in.ReadString('\n')
				if err != nil {
					return
				}
				switch strings.ToLower(strings.TrimSpace(line)) {
				case "hello":
					go func() { _, _ = io.WriteString(theirs, "-ERR unknown command 'HELLO'\r\n") }()
				case "ping":
					go func() { _, _ = io.WriteString(theirs, answer+"\r\n") }()
				}
			}
		}()
		return ours, nil
	}
}

func failing(err error) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return nil, err }
}

// A Redis is away when waiting may help: not when it refuses us, and not when it is the
// host that is lost.
func TestRedisIsAwayWhenWaitingMayHelp(t *testing.T) {
	for _, tt := range []struct {
		name string
		dial func(context.Context, string, string) (net.Conn, error)
		away bool
	}{
		{"nobody listens", failing(errors.New("connect to 10.0.0.9:6379: connection refused")), true},
		{"it loads its data", answering("-LOADING Redis is loading the dataset in memory"), true},
		{"it answers", answering("+PONG"), false},
		{"it wants a password", answering("-NOAUTH Authentication required."), false},
		{"the host is lost", failing(&remote.UnreachableError{Host: "h1", Cause: errors.New("connection lost")}), false},
		{"the host does not forward", failing(remote.ErrForwardingRefused), false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", DialFunc: tt.dial}}
			if err := Away(t.Context(), h, inventory.Redis{Address: "10.0.0.9:6379"}); (err != nil) != tt.away {
				t.Errorf("%v, want away %v", err, tt.away)
			}
		})
	}
}
