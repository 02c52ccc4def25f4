package remote

import (
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

const (
	defaultTimeout = 10 * time.Second
	// errorTail is how much of stderr an ExitError looks at.
	errorTail = 4 << 10
)

// Run runs a command to its end. The errors it returns:
//
//   - *[ExitError]: it ended with another status than 0; the Result has its output
//   - *[BecomeError]: it did not start, since the login user could not become root
//   - *[OutputError]: it said more than cmd.Output
//   - *[UnreachableError]: the connection was lost
//   - one that wraps [context.Canceled] or [context.DeadlineExceeded]: ctx or the
//     timeout ended it, and on the host it is dead with all its children
//
// Stdin may be read further than the command did. A reader that blocks is left
// alone a second after the command's end.
func (c *Client) Run(ctx context.Context, cmd Command) (Result, error) {
	ctx, cancel := withTimeout(ctx, cmd.Timeout)
	defer cancel()
	var stdout, stderr kept
	tail := &tailWriter{}
	out, errs := orElse(cmd.Stdout, &stdout), io.Writer(&stderr)
	if cmd.Stderr != nil {
		errs = io.MultiWriter(cmd.Stderr, tail)
	}
	if cmd.Stdin == nil {
		cmd.Stdin = strings.NewReader("")
	}
	s, err := c.start(ctx, &cmd, out, errs)
	if err != nil {
		return Result{}, err
	}
	err = s.end(ctx, cmd.Detach, func() string {
		if cmd.Stderr != nil {
			return lastLines(tail.bytes())
		}
		return lastLines(stderr.bytes())
	})
	return Result{Stdout: stdout.bytes(), Stderr: stderr.bytes()}, err
}

// end waits and makes the error.
func (s *session) end(ctx context.Context, detached bool, said func() string) error {
	got, err := s.wait(ctx, detached)
	s.letGo()
	if s.c.Err() == nil && !s.local.Load() {
		if fault := s.boot.fault(ctx, s, got); fault != nil {
			return fault
		}
	}
	if s.gate != nil && ctx.Err() == nil && s.c.Err() == nil {
		if fault := s.gate.fault(); fault != nil {
			return fault
		}
	}
	if err != nil {
		return err
	}
	if got.status == 0 && got.signal == "" {
		return nil
	}
	return &ExitError{Host: s.c.target.Name, Step: s.step, Status: got.status, Signal: got.signal, Stderr: said()}
}

func withTimeout(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	switch {
	case d < 0:
		return context.WithCancel(ctx)
	case d == 0:
		d = defaultTimeout
	}
	return context.WithTimeoutCause(ctx, d, fmt.Errorf("not done after %s: %w", d, context.DeadlineExceeded))
}

func orElse(w, other io.Writer) io.Writer {
	if w != nil {
		return w
	}
	return other
}

// kept is a Result's output. The command's budget bounds it, and refuses what is too
// much: cut output would be taken for the whole of it.
type kept struct {
	mu  sync.Mutex
	buf []byte
}

func (c *kept) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.buf = append(c.buf, p...)
	return len(p), nil
}

func (c *kept) bytes() []byte {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.buf[:len(c.buf):len(c.buf)]
}

// tailWriter keeps the end of what is written.
type tailWriter struct {
	mu  sync.Mutex
	buf []byte
}

func (t *tailWriter) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, p...)
	if over := len(t.buf) - errorTail; over > 0 {
		t.buf = append(t.buf[:0], t.buf[over:]...)
	}
	return len(p), nil
}

func (t *tailWriter) bytes() []byte {
	t.mu.Lock()
	defer t.mu.Unlock()
	return append([]byte(nil), t.buf...)
}
