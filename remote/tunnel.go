package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// Dial connects from the host to address: ("tcp", "127.0.0.1:3000") or ("unix",
// "/run/haproxy/admin.sock"). Names are looked up by the host. The connection
// outlives ctx and has deadlines. Where sshd's policy forbids a TCP address, a
// command on the host connects instead. Errors: [ErrForwardingRefused],
// [syscall.ECONNREFUSED] where the host says so (both for errors.Is), an
// *[UnreachableError] when the SSH connection is gone, or ctx's.
func (c *Client) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	kind, payload, err := forwardRequest(network, address)
	if err != nil {
		return nil, fmt.Errorf("%s: dial %s %s: %w", c.target.Name, network, address, err)
	}
	ch, reqs, err := c.open(ctx, c.conn, kind, payload)
	if err != nil && network != "unix" && forbidden(err) {
		conn, err := c.dialByCommand(ctx, network, address)
		if err != nil {
			return nil, c.dialError(network, address, err)
		}
		return conn, nil
	}
	if err != nil {
		return nil, c.dialError(network, address, err)
	}
	guard.Go(func() { ssh.DiscardRequests(reqs) })
	return newTunnelConn(ch, tunnelAddr{network, "from " + c.target.Name}, tunnelAddr{network, address}, c.streamEnd), nil
}

func forwardRequest(network, address string) (kind string, payload []byte, err error) {
	switch network {
	case "tcp", "tcp4", "tcp6":
		host, service, err := net.SplitHostPort(address)
		if err != nil {
			return "", nil, err
		}
		port, err := strconv.ParseUint(service, 10, 16)
		if err != nil {
			return "", nil, fmt.Errorf("port %q is not a number", service)
		}
		return "direct-tcpip", ssh.Marshal(struct {
			Host       string
			Port       uint32
			OriginHost string
			OriginPort uint32
		}{host, uint32(port), "127.0.0.1", 0}), nil
	case "unix":
		return "direct-streamlocal@openssh.com", ssh.Marshal(struct {
			Path, Reserved string
			Unused         uint32
		}{Path: address}), nil
	}
	return "", nil, net.UnknownNetworkError(network)
}

func (c *Client) dialError(network, address string, err error) error {
	var lost *UnreachableError
	if errors.As(err, &lost) {
		return err
	}
	var refused *ssh.OpenChannelError
	if !errors.As(err, &refused) {
		return fmt.Errorf("%s: dial %s %s from the host: %w", c.target.Name, network, address, err)
	}
	cause := errors.New(saidShort(refused.Message))
	switch {
	case forbidden(err):
		cause = fmt.Errorf("%w: set AllowTcpForwarding (unix sockets: AllowStreamLocalForwarding) to yes in its sshd_config",
			ErrForwardingRefused)
	case strings.Contains(strings.ToLower(refused.Message), "connection refused"):
		cause = syscall.ECONNREFUSED
	}
	return fmt.Errorf("%s: dial %s %s from the host: %w", c.target.Name, network, address, cause)
}

// forbidden tells sshd's policy from a connection that failed.
func forbidden(err error) bool {
	refused, ok := errors.AsType[*ssh.OpenChannelError](err)
	return ok && (refused.Reason == ssh.Prohibited || refused.Reason == ssh.UnknownChannelType)
}

// streamEnd is nil for the ordinary end of one stream.
func (c *Client) streamEnd(error) error { return c.Err() }

// Listen listens on the host (network "tcp" or "unix") and hands the connections
// to us; ctx is only for the asking. sshd binds to the host's loopback address
// unless GatewayPorts says otherwise. Port 0 lets the host choose: see Addr.
func (c *Client) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	type listening struct {
		l   net.Listener
		err error
	}
	got := make(chan listening, 1)
	guard.Go(func() {
		l, err := c.conn.Listen(network, address)
		got <- listening{l, err}
	})
	select {
	case r := <-got:
		if r.err != nil {
			return nil, c.listenError(network, address, r.err)
		}
		return &tunnelListener{r.l, c}, nil
	case <-ctx.Done():
		guard.Go(func() {
			if r := <-got; r.err == nil {
				_ = r.l.Close()
			}
		})
		return nil, c.gaveUp(ctx, "listen on "+address)
	}
}

func (c *Client) listenError(network, address string, err error) error {
	if strings.Contains(err.Error(), "denied by peer") {
		err = fmt.Errorf("%w, or the address is taken", ErrForwardingRefused)
	} else {
		err = c.lostOr(err)
	}
	return fmt.Errorf("%s: listen on %s %s of the host: %w", c.target.Name, network, address, err)
}

// tunnelListener gives its connections deadlines.
type tunnelListener struct {
	net.Listener
	c *Client
}

func (l *tunnelListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err != nil {
		if lost := l.c.Err(); lost != nil {
			return nil, lost
		}
		return nil, err
	}
	ch, ok := conn.(duplex)
	if !ok {
		_ = conn.Close()
		return nil, fmt.Errorf("%s: accept: a %T cannot be closed for writing", l.c.target.Name, conn)
	}
	return newTunnelConn(ch, conn.LocalAddr(), conn.RemoteAddr(), l.c.streamEnd), nil
}
