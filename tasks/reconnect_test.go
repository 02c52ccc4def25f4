package tasks

import (
	"context"
	"errors"
	"net"
	"testing"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// brittle is a connection that can be lost.
type brittle struct {
	fleet.Conn
	name string
	done chan struct{}
}

func (b *brittle) User() string          { return "ops" }
func (b *brittle) Done() <-chan struct{} { return b.done }
func (b *brittle) Close() error          { close(b.done); return nil }
func (b *brittle) Run(context.Context, remote.Command) (remote.Result, error) {
	return remote.Result{Stdout: []byte(b.name)}, nil
}
func (b *brittle) Dial(context.Context, string, string) (net.Conn, error) {
	return nil, errors.New(b.name)
}

func TestALostConnectionIsMadeAnewOnTheNextUse(t *testing.T) {
	first, second := &brittle{name: "first", done: make(chan struct{})}, &brittle{name: "second", done: make(chan struct{})}
	down := true
	l := newLasting(first, func(context.Context) (fleet.Conn, error) {
		if down {
			return nil, &remote.UnreachableError{Host: "h1", Cause: errors.New("no route")}
		}
		return second, nil
	})
	says := func() string {
		res, err := l.Run(t.Context(), remote.Command{})
		if err != nil {
			return err.Error()
		}
		return string(res.Stdout)
	}
	if got := says(); got != "first" {
		t.Errorf("a connection that stands: %s", got)
	}
	close(first.done)
	if _, err := l.Run(t.Context(), remote.Command{}); !unreachable(err) {
		t.Errorf("while the host is away: %v, want an unreachable host", err)
	}
	down = false
	if got := says(); got != "second" {
		t.Errorf("once the host is back: %s", got)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	down = true // after Close nothing is dialled
	if got := says(); got != "second" {
		t.Errorf("after Close: %s", got)
	}
}
