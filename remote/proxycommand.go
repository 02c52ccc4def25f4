package remote

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// A ProxyCommand of the OpenSSH configuration, or ssh.proxy_command of the inventory, is
// run on this machine; what it reads and writes is the connection to sshd (ssh_config(5)).

// plainName is what a host or user name may be that goes into a command line. OpenSSH
// refuses others since 9.6 (CVE-2023-51385).
var plainName = regexp.MustCompile(`^[A-Za-z0-9_.:%][A-Za-z0-9_.:%@-]*$`)

// expandProxyCommand fills in the tokens that OpenSSH knows here: %h %n %p %r %%.
func expandProxyCommand(command, alias string, e *endpoint) (string, error) {
	if command == "" || strings.EqualFold(command, "none") {
		return "", nil
	}
	for what, name := range map[string]string{"host": e.host, "address": alias, "user": e.user} {
		if !plainName.MatchString(name) {
			return "", fmt.Errorf("ProxyCommand: the %s %q cannot stand in a command line", what, name)
		}
	}
	var out strings.Builder
	for i := 0; i < len(command); i++ {
		if command[i] != '%' {
			out.WriteByte(command[i])
			continue
		}
		i++
		if i == len(command) {
			return "", errors.New("ProxyCommand ends with %")
		}
		switch command[i] {
		case 'h':
			out.WriteString(e.host)
		case 'n':
			out.WriteString(alias)
		case 'p':
			out.WriteString(strconv.Itoa(e.port))
		case 'r':
			out.WriteString(e.user)
		case '%':
			out.WriteByte('%')
		default:
			return "", fmt.Errorf("ProxyCommand: %%%c is not known here (%%h, %%n, %%p, %%r and %%%% are)", command[i])
		}
	}
	return out.String(), nil
}

// proxyConn is the connection to sshd through a command.
type proxyConn struct {
	in, out *os.File // the command's stdin and stdout
	address string
	cmd     *exec.Cmd
	said    *tailWriter // its stderr
	ended   chan struct{}
	once    sync.Once
}

// dialProxyCommand starts the command. It ends with the connection.
func dialProxyCommand(ctx context.Context, command, address string) (net.Conn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	theirIn, in, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	out, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), in.Close())
	}
	c := &proxyConn{in: in, out: out, address: address, said: &tailWriter{}, ended: make(chan struct{})}
	// Not bound to ctx, which ends with the login. exec makes the command the child itself.
	c.cmd = exec.Command("sh", "-c", "exec "+command) //nolint:gosec // the operator's own command
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, c.said
	c.cmd.WaitDelay = time.Second
	err = c.cmd.Start()
	_, _ = theirIn.Close(), theirOut.Close()
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ProxyCommand: %w", err), in.Close(), out.Close())
	}
	guard.Go(func() {
		_ = c.cmd.Wait() // reading from it tells of its end
		close(c.ended)
	})
	return c, nil
}

// Read names what the command said where its output is over.
func (c *proxyConn) Read(p []byte) (int, error) {
	n, err := c.out.Read(p)
	if err == nil || n > 0 || errors.Is(err, os.ErrDeadlineExceeded) {
		return n, err
	}
	select {
	case <-c.ended:
	case <-time.After(time.Second): // its stderr comes with its end
	}
	if words := said(c.said.bytes()); words != "" {
		return 0, fmt.Errorf("the ProxyCommand ended: %s", words)
	}
	return 0, errors.New("the ProxyCommand ended")
}

func (c *proxyConn) Write(p []byte) (int, error) { return c.in.Write(p) }

// Close ends the command: by the end of its input, and by force after a second.
func (c *proxyConn) Close() error {
	c.once.Do(func() {
		_, _ = c.in.Close(), c.out.Close()
		guard.Go(func() {
			select {
			case <-c.ended:
			case <-time.After(time.Second):
				_ = c.cmd.Process.Kill()
			}
		})
	})
	return nil
}

func (c *proxyConn) LocalAddr() net.Addr  { return tunnelAddr{"proxycommand", "local"} }
func (c *proxyConn) RemoteAddr() net.Addr { return tunnelAddr{"tcp", c.address} }

func (c *proxyConn) SetDeadline(t time.Time) error {
	return errors.Join(c.SetReadDeadline(t), c.SetWriteDeadline(t))
}
func (c *proxyConn) SetReadDeadline(t time.Time) error  { return c.out.SetReadDeadline(t) }
func (c *proxyConn) SetWriteDeadline(t time.Time) error { return c.in.SetWriteDeadline(t) }
