// Package fleet is the hosts of one run and their connections: one SSH
// connection a host, opened in parallel, kept for the whole run. [Each] works on
// many hosts at once, and [HostError] says what went wrong on one.
package fleet

import (
	"context"
	"net"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// Conn is what the work needs of a host. *[remote.Client] is the real one;
// tests record or script it.
type Conn interface {
	// Run runs a command to its end. A status other than 0 is a
	// *[remote.ExitError], a lost host a *[remote.UnreachableError].
	Run(ctx context.Context, cmd remote.Command) (remote.Result, error)
	// Put puts a file in place, whole or not at all.
	Put(ctx context.Context, up remote.Upload) (remote.UploadResult, error)
	// Dial opens a connection from the host: ("tcp", "127.0.0.1:3000") or
	// ("unix", "/run/haproxy/admin.sock").
	Dial(ctx context.Context, network, address string) (net.Conn, error)
	// Listen listens on the host's side and hands the connections to us.
	Listen(ctx context.Context, network, address string) (net.Listener, error)
	// User is the login user.
	User() string
	// Done is closed when the connection is lost or closed.
	Done() <-chan struct{}
	Close() error
}

// Host is one host of a run.
type Host struct {
	*inventory.Host
	Conn
}
