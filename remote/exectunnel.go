package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
)

// connectScript is a TCP connection made by a command, for hosts whose sshd does
// not forward: bash connects to $1:$2, says so with one byte, and two cats carry
// the bytes. It ends when the far side closes; bash cannot close one direction
// alone, so the end of our own is only told by closing the whole.
const connectScript = `exec 3<>"/dev/tcp/$1/$2" 4<&0 || exit 1
echo
cat <&4 >&3 2>/dev/null &
exec cat <&3`

// dialByCommand connects from the host to a TCP address without sshd's help. The
// connection holds one of the eight places for commands while it is open. Errors
// are those of [Client.Dial]; [ErrForwardingRefused] is a host without a bash
// that can connect.
func (c *Client) dialByCommand(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	// The connection outlives ctx, which bounds the connecting alone.
	life, end := context.WithCancelCause(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { end(context.Cause(ctx)) })
	p, err := c.Start(life, Command{Args: []string{"bash", "-c", connectScript,
		"bash", host, port}, Step: "connect to " + address, Output: -1})
	if err != nil {
		stop()
		end(err)
		return nil, err
	}
	_, err = io.ReadFull(p.Stdout(), make([]byte, 1))
	if !stop() { // ctx ended meanwhile, and with it the command
		p.Kill()
		return nil, c.gaveUp(ctx, "connect to "+address)
	}
	if err != nil {
		err = p.Wait()
		end(err)
		return nil, connectFailure(err)
	}
	return newTunnelConn(commandStream{p, end}, tunnelAddr{network, "from " + c.target.Name}, tunnelAddr{network, address}, c.streamEnd), nil
}

// connectFailure reads what bash said.
func connectFailure(err error) error {
	said, ok := errors.AsType[*ExitError](err)
	if !ok {
		if err == nil {
			err = errors.New("the command that connects ended early")
		}
		return err
	}
	text := strings.ToLower(said.Stderr)
	switch {
	case strings.Contains(text, "connection refused"):
		return syscall.ECONNREFUSED
	case said.Status == 127 || said.Status == 126 || strings.Contains(text, "/dev/tcp") && strings.Contains(text, "no such file"):
		return fmt.Errorf("%w, and the host has no bash that connects instead: set AllowTcpForwarding to local in its sshd_config",
			ErrForwardingRefused)
	}
	lines := strings.Split(strings.TrimSpace(said.Stderr), "\n")
	return errors.New(strings.TrimPrefix(lines[len(lines)-1], "bash: "))
}

// commandStream is the command's stdin and stdout as one stream.
type commandStream struct {
	p   *Process
	end context.CancelCauseFunc
}

// Read gives what the far side sent. Its end is the command's end, whose error
// (a reset connection) is not to pass for an ordinary one.
func (s commandStream) Read(b []byte) (int, error) {
	n, err := s.p.Stdout().Read(b)
	if n == 0 && errors.Is(err, io.EOF) {
		if werr := s.p.Wait(); werr != nil && !errors.Is(werr, errKilled) {
			return 0, werr
		}
	}
	return n, err
}

func (s commandStream) Write(b []byte) (int, error) { return s.p.Stdin().Write(b) }

func (s commandStream) CloseWrite() error { return s.p.Stdin().Close() }

func (s commandStream) Close() error {
	s.p.Kill()
	s.end(net.ErrClosed)
	return nil
}
