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
	ctx, begun, cancel := withTimeout(ctx, cmd.Timeout, c.bootWithin())
	defer cancel()
	cmd.begun = begun
	var stdout, stderr kept
	if cmd.Stdout != nil {
		// The bound is for what is used up as it comes, and this is not.
		stderr.fault = &OutputError{Host: c.target.Name, Step: cmd.step(), Limit: defaultOutput}
	}
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

// withTimeout bounds a command to d, counted from when it begins (begun is called), and
// its login shell and sudo before to as long, to patience at the most: a directory server
// that sudo waits for must not use up the time of what is asked.
func withTimeout(ctx context.Context, d, patience time.Duration) (_ context.Context, begun func(), _ context.CancelFunc) {
	switch {
	case d < 0:
		ctx, cancel := context.WithCancel(ctx)
		return ctx, func() {}, cancel
	case d == 0:
		d = defaultTimeout
	}
	ctx, cancel := context.WithCancelCause(ctx)
	late := fmt.Errorf("not done after %s: %w", d, context.DeadlineExceeded)
	end := time.Now().Add(d + min(d, patience))
	t := time.AfterFunc(time.Until(end), func() { cancel(late) })
	begun = func() {
		// Stopped in time, or the command is late already.
		if t.Stop() {
			t.Reset(min(d, time.Until(end)))
		}
	}
	return ctx, begun, func() { t.Stop(); cancel(context.Canceled) }
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
	mu    sync.Mutex
	buf   []byte
	fault *OutputError // when set, a bound of its own
}

func (c *kept) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fault != nil && int64(len(c.buf)+len(p)) > c.fault.Limit {
		return 0, c.fault
	}
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
