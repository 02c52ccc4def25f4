package balancer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// askTimeout bounds one question to the runtime API, which answers at once.
const askTimeout = 10 * time.Second

// runtimeAPI is HAProxy's runtime API (management guide, chapter 9.3), reached
// through the SSH connection of the balancer's host.
type runtimeAPI struct {
	conn fleet.Conn
	// socket is a path or host:port as the balancer's host knows it.
	socket string

	mu sync.Mutex
	// byCommand: the login user may not open the socket (or sshd forwards none),
	// so a command does it as root. Found out once.
	byCommand bool
}

// ask sends one command and returns the answer.
func (r *runtimeAPI) ask(ctx context.Context, command string) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	r.mu.Lock()
	byCommand := r.byCommand
	r.mu.Unlock()
	if !byCommand {
		answer, err := r.askThroughTunnel(ctx, command)
		if err == nil || !strings.HasPrefix(r.socket, "/") || ctx.Err() != nil {
			return answer, err
		}
		if _, lost := errors.AsType[*remote.UnreachableError](err); lost {
			return "", err
		}
	}
	answer, err := r.askByCommand(ctx, command)
	if err == nil {
		r.mu.Lock()
		r.byCommand = true
		r.mu.Unlock()
	}
	return answer, err
}

func (r *runtimeAPI) askThroughTunnel(ctx context.Context, command string) (string, error) {
	network := "tcp"
	if strings.HasPrefix(r.socket, "/") {
		network = "unix"
	}
	c, err := r.conn.Dial(ctx, network, r.socket)
	if err != nil {
		return "", fmt.Errorf("open %s: %w", r.socket, err)
	}
	// Closing is what ends a read here: a channel of SSH has no deadlines.
	stop := context.AfterFunc(ctx, func() { _ = c.Close() })
	defer func() {
		if stop() {
			_ = c.Close()
		}
	}()
	if _, err := io.WriteString(c, command+"\n"); err != nil {
		return "", fmt.Errorf("ask %s: %w", r.socket, err)
	}
	answer, err := io.ReadAll(io.LimitReader(c, configOutput))
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	if err != nil {
		return "", fmt.Errorf("read from %s: %w", r.socket, err)
	}
	return string(answer), nil
}

const (
	// configOutput bounds a balancer's configuration and its statistics, in bytes.
	configOutput = 4 << 20
	// socketsOutput bounds a busy balancer's list of connections.
	socketsOutput = 16 << 20
)

// askScript is one exchange over a unix socket with whatever the host has.
// perl-base is essential on Debian, so one of them is nearly always there.
const askScript = `s=$1
if command -v socat >/dev/null 2>&1; then exec socat -t 10 - "UNIX-CONNECT:$s"
elif command -v nc >/dev/null 2>&1 && nc -h 2>&1 | grep -q -e '-[A-Za-z]*U'; then exec nc -U "$s"
elif command -v perl >/dev/null 2>&1; then exec perl -MIO::Socket::UNIX -e '
  $s = IO::Socket::UNIX->new(Peer => $ARGV[0]) or die "connect: $!\n"; print $s $_ while <STDIN>; $s->flush; print while <$s>;' "$s"
elif command -v python3 >/dev/null 2>&1; then exec python3 -c '
import socket, sys
s = socket.socket(socket.AF_UNIX); s.connect(sys.argv[1]); s.sendall(sys.stdin.buffer.read())
while True:
    b = s.recv(65536)
    if not b: break
    sys.stdout.buffer.write(b)' "$s"
else echo "none of socat, nc, perl, python3 is installed to reach $s" >&2; exit 127
fi`

func (r *runtimeAPI) askByCommand(ctx context.Context, command string) (string, error) {
	res, err := r.conn.Run(ctx, remote.Command{
		Script: askScript, Args: []string{r.socket}, Become: true,
		Stdin: strings.NewReader(command + "\n"), Timeout: askTimeout, Output: configOutput,
		Step: "ask HAProxy's runtime API",
	})
	if err != nil {
		return "", err
	}
	return string(bytes.TrimRight(res.Stdout, "\x00")), nil
}

// socketPath is what socat and the others take without an escape of their own.
var socketPath = regexp.MustCompile(`^/[A-Za-z0-9._/@+-]+$`)

// checkSocket refuses what is neither a plain absolute path nor host:port.
func checkSocket(s string) error {
	if socketPath.MatchString(s) {
		return nil
	}
	if _, _, err := net.SplitHostPort(s); err == nil && !strings.ContainsAny(s, "/ ") {
		return nil
	}
	return fmt.Errorf("load_balancer.socket %q is neither an absolute path nor host:port", s)
}
