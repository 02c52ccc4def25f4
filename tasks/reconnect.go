package tasks

import (
	"context"
	"net"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// lasting is a host's connection that is made anew on the next use after it was
// lost: a cable that was unplugged for half a minute, or a reboot, must not end a
// turn half way. What was under way when it broke is not repeated here, since only
// the caller knows whether it may be.
type lasting struct {
	dial func(ctx context.Context) (fleet.Conn, error)
	// turn holds the connection in use; who wants it takes it out, and puts it back.
	turn chan fleet.Conn
	// user does not change with the connection.
	user string
	// gone is closed by Close, after which nothing is dialled.
	gone chan struct{}
}

func newLasting(conn fleet.Conn, dial func(context.Context) (fleet.Conn, error)) *lasting {
	l := &lasting{dial: dial, turn: make(chan fleet.Conn, 1), user: conn.User(), gone: make(chan struct{})}
	l.turn <- conn
	return l
}

// now gives the connection, a new one when the old one is lost. The error is a
// *[remote.UnreachableError] or ctx's.
func (l *lasting) now(ctx context.Context) (fleet.Conn, error) {
	var conn fleet.Conn
	select {
	case conn = <-l.turn:
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	defer func() { l.turn <- conn }()
	select {
	case <-conn.Done():
	default:
		return conn, nil
	}
	select {
	case <-l.gone:
		return conn, nil // its own error says that it was closed
	default:
	}
	fresh, err := l.dial(ctx)
	if err != nil {
		return nil, err
	}
	conn = fresh
	return conn, nil
}

// Run implements [fleet.Conn].
func (l *lasting) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	conn, err := l.now(ctx)
	if err != nil {
		return remote.Result{}, err
	}
	return conn.Run(ctx, cmd)
}

// Put implements [fleet.Conn].
func (l *lasting) Put(ctx context.Context, up remote.Upload) (remote.UploadResult, error) {
	conn, err := l.now(ctx)
	if err != nil {
		return remote.UploadResult{}, err
	}
	return conn.Put(ctx, up)
}

// Dial implements [fleet.Conn].
func (l *lasting) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := l.now(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Dial(ctx, network, address)
}

// Listen implements [fleet.Conn].
func (l *lasting) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	conn, err := l.now(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Listen(ctx, network, address)
}

// User implements [fleet.Conn].
func (l *lasting) User() string { return l.user }

// Done is that of the connection in use.
func (l *lasting) Done() <-chan struct{} {
	conn := <-l.turn
	defer func() { l.turn <- conn }()
	return conn.Done()
}

// Close ends the connection for good. It is called once.
func (l *lasting) Close() error {
	close(l.gone)
	conn := <-l.turn
	defer func() { l.turn <- conn }()
	return conn.Close()
}
