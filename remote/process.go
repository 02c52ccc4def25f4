package remote

import (
	"context"
	"errors"
	"io"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// Process is a command that runs while we do other things.
type Process struct {
	s      *session
	ctx    context.Context
	cancel context.CancelCauseFunc
	stdout *io.PipeReader
	done   chan struct{}
	err    error
}

var errKilled = errors.New("killed")

// Start starts a command and returns while it runs; its errors are Run's. The
// process lasts as long as ctx (Timeout: only when one is given) and holds one of
// the connection's eight places for commands. Its stdout is read from the Process
// unless cmd.Stdout is set; who does not read it stalls the command.
func (c *Client) Start(ctx context.Context, cmd Command) (*Process, error) {
	if cmd.Timeout == 0 {
		cmd.Timeout = -1
	}
	ctx, begun, stop := withTimeout(ctx, cmd.Timeout, c.bootWithin())
	cmd.begun = begun
	ctx, cancel := context.WithCancelCause(ctx)
	p := &Process{ctx: ctx, done: make(chan struct{})}
	p.cancel = func(cause error) { cancel(cause); stop() }
	r, w := io.Pipe()
	p.stdout = r
	tail := &tailWriter{}
	errs := io.Writer(tail)
	if cmd.Stderr != nil {
		errs = io.MultiWriter(cmd.Stderr, tail)
	}
	s, err := c.start(ctx, &cmd, orElse(cmd.Stdout, w), errs)
	if err != nil {
		p.cancel(err)
		return nil, err
	}
	p.s = s
	guard.Go(func() {
		p.err = s.end(ctx, cmd.Detach, func() string { return lastLines(tail.bytes()) })
		// The reader gets all output, then EOF. An error of the command is Wait's.
		_ = w.Close()
		p.cancel(errKilled)
		close(p.done)
	})
	return p, nil
}

// Stdin writes to the command's stdin; Close ends it. Not to be used when
// Command.Stdin was set.
func (p *Process) Stdin() io.WriteCloser { return &processStdin{p} }

type processStdin struct{ p *Process }

// Write waits until the command itself runs: before, stdin is sudo's.
func (w *processStdin) Write(b []byte) (int, error) {
	if err := w.p.ready(); err != nil {
		return 0, err
	}
	return w.p.s.stdin.Write(b)
}

func (w *processStdin) Close() error {
	if err := w.p.ready(); err != nil {
		return nil //nolint:nilerr // it is gone, and its stdin with it
	}
	return w.p.s.stdin.Close()
}

// Stdout is the command's stdout, up to its end.
func (p *Process) Stdout() io.Reader { return p.stdout }

// Done is closed when the command has ended.
func (p *Process) Done() <-chan struct{} { return p.done }

// Wait waits for the end; see [Client.Run] for the errors.
func (p *Process) Wait() error {
	<-p.done
	return p.err
}

// Kill ends the command with all its children and waits until that is known here.
func (p *Process) Kill() {
	p.cancel(errKilled)
	_ = p.stdout.CloseWithError(errKilled)
	<-p.done
}

// ready waits until become has worked.
func (p *Process) ready() error {
	if p.s.gate == nil {
		return nil
	}
	select {
	case <-p.s.gate.opened:
		return nil
	case <-p.done:
		return io.ErrClosedPipe
	}
}
