package remote

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/crypto/ssh"

	"github.com/ghadeploy/ghadeploy/internal/guard"
)

// strayOutput is how long output may still come after the command's status. A
// daemon left behind with our stdout in its hands would hold the channel for ever.
const strayOutput = 2 * time.Second

// strayInput is how long the reader of stdin may take to notice the end. A file
// or buffer does at once and is the caller's again; a terminal may never.
const strayInput = time.Second

// session is one command on its channel.
type session struct {
	c     *Client
	step  string
	ch    ssh.Channel
	stdin *frameWriter
	boot  *boot
	// terminal is the mark of a terminal that is ready for the script; empty without one.
	terminal string
	gate     *gate   // nil unless becoming root
	may      *budget // of the output
	begun    func()  // called when the command itself runs

	copied  chan struct{} // stdout and stderr are at their end
	fed     chan struct{} // stdin is no longer read
	status  chan exit     // gets one value
	failed  chan error    // a local writer or the host's root refused; buffered
	local   atomic.Bool   // something failed here and ended the command
	freeing sync.Once
	moved   activity
}

// activity tells whether output is still on its way to whoever takes it.
type activity struct{ written, busy atomic.Int64 }

type activeWriter struct {
	io.Writer
	a *activity
}

func (w activeWriter) Write(p []byte) (int, error) {
	w.a.busy.Add(1)
	defer w.a.busy.Add(-1)
	n, err := w.Writer.Write(p)
	w.a.written.Add(int64(n))
	return n, err
}

// exit is how the host says that the command ended.
type exit struct {
	known  bool
	status int
	signal string
}

// start runs cmd on a new channel. Stdin is only started, and not waited for.
func (c *Client) start(ctx context.Context, cmd *Command, stdout, stderr io.Writer) (*session, error) {
	step := cmd.step()
	plan, err := c.becoming(cmd)
	if err != nil {
		return nil, err
	}
	select {
	case c.slots <- struct{}{}:
	case <-c.done:
		return nil, c.Err()
	case <-ctx.Done():
		return nil, c.gaveUp(ctx, step)
	}
	s := &session{c: c, step: step, boot: newBoot(), begun: cmd.begun, copied: make(chan struct{}), fed: make(chan struct{}), status: make(chan exit, 1), failed: make(chan error, 4)}
	if err := s.open(ctx, plan); err != nil {
		s.free()
		if ctx.Err() != nil {
			return nil, c.gaveUp(ctx, step)
		}
		var lost *UnreachableError
		if errors.As(err, &lost) {
			return nil, err
		}
		return nil, fmt.Errorf("%s: %s: open a session: %w", c.target.Name, step, err)
	}
	s.may = s.newBudget(cmd.Output)
	s.pump(plan, cmd.Stdin, stdout, stderr)
	return s, nil
}

// open opens the channel and hands the command line to sshd.
func (s *session) open(ctx context.Context, plan *becomePlan) error {
	ch, reqs, err := s.c.session(ctx)
	if err != nil {
		return err
	}
	s.ch = ch
	script := s.boot.script(plan.words, plan.pty)
	s.stdin = &frameWriter{w: ch, head: script}
	line := bootLine(len(script))
	if plan.pty {
		mark := "ghadeploy-terminal-" + rand.Text()
		s.terminal, line = mark, bootTerminal(mark, len(script))
	}
	guard.Go(func() { s.requests(reqs) })
	if plan.pty {
		if err := requestPTY(ctx, ch); err != nil {
			soon(func() { _ = ch.Close() })
			return s.c.lostOr(err)
		}
	}
	ok, err := ask(ctx, ch, "exec", ssh.Marshal(struct{ Command string }{line}))
	if err == nil && !ok {
		err = errors.New("sshd refused to run a command")
	}
	if err != nil {
		soon(func() { _ = ch.Close() })
		if ctx.Err() != nil {
			return err
		}
		return s.c.lostOr(err)
	}
	return nil
}

// requests takes the exit status; the channel of requests ends with the session.
func (s *session) requests(reqs <-chan *ssh.Request) {
	var got exit
	for req := range reqs {
		switch req.Type {
		case "exit-status":
			var m struct{ Status uint32 }
			if ssh.Unmarshal(req.Payload, &m) == nil {
				got = exit{known: true, status: int(m.Status)}
				s.sendStatus(got)
			}
		case "exit-signal":
			var m struct {
				Signal     string
				CoreDumped bool
				Message    string
				Lang       string
			}
			if ssh.Unmarshal(req.Payload, &m) == nil {
				got = exit{known: true, status: 128, signal: saidShort(m.Signal)}
				s.sendStatus(got)
			}
		}
		if req.WantReply {
			_ = req.Reply(false, nil)
		}
	}
	s.sendStatus(exit{})
}

// sendStatus keeps the first status only.
func (s *session) sendStatus(e exit) {
	select {
	case s.status <- e:
	default:
	}
}

// pump starts the copying of the three streams.
func (s *session) pump(plan *becomePlan, stdin io.Reader, stdout, stderr io.Writer) {
	guard.Go(func() { <-s.copied; s.free() })
	s.boot.within(s.c.bootWithin(), func() { s.kill(false) })
	switch {
	case plan.pty:
		s.gate = newGate(plan, s, &demux{stdout: stdout, stderr: stderr})
		stdout = s.gate
	case plan.ready != "":
		s.gate = newGate(plan, s, stderr)
		stderr = s.gate
	}
	opened := s.boot.open
	if s.gate == nil {
		opened = func() { s.boot.open(); s.begun() }
	}
	out := &behindMark{mark: s.boot.mark, keep: s.boot.keep, onOpen: opened, out: stdout}
	streams := []*behindMark{out, {mark: s.boot.mark, keep: s.boot.keep, out: stderr}}
	if s.terminal != "" {
		streams[0] = &behindMark{mark: s.terminal, keep: s.boot.keep, onOpen: s.sendScript, out: out}
	} else {
		s.sendScript()
	}
	var both guard.Group
	copyTo := func(w *behindMark, r io.Reader) {
		defer w.end()
		if _, err := io.Copy(activeWriter{s.may.of(w), &s.moved}, r); err != nil && !errors.Is(err, io.EOF) {
			if _, ok := errors.AsType[*OutputError](err); !ok {
				err = fmt.Errorf("%s: %s: take the output: %w", s.c.target.Name, s.step, err)
			}
			s.fail(err)
			_, _ = io.Copy(io.Discard, r) // an undrained stream stalls the channel
		}
	}
	both.Go(func() { copyTo(streams[0], s.ch) })
	both.Go(func() { copyTo(streams[1], s.ch.Stderr()) })
	guard.Go(func() { both.Wait(); close(s.copied) })
	if stdin == nil {
		close(s.fed)
		return
	}
	guard.Go(func() {
		defer close(s.fed)
		s.feed(plan, stdin)
	})
}

// sendScript sends what the login shell's sh waits for. A host that does not take it
// would block the writer, which ends with the channel.
func (s *session) sendScript() {
	guard.Go(func() { _ = s.stdin.begin() }) // the end of the session tells of a failure
}

// feed sends stdin, once the host is ready for it.
func (s *session) feed(plan *becomePlan, stdin io.Reader) {
	if s.gate != nil && plan.interactive {
		// Before the command runs, stdin belongs to sudo's question.
		select {
		case <-s.gate.opened:
		case <-s.copied:
			return
		}
	}
	// A command may end without reading its stdin: that is no error. A failing
	// reader ends the command, for half an input must not pass as a whole one.
	err := feed(s.stdin, stdin)
	if err != nil && !isGone(err) {
		s.fail(fmt.Errorf("%s: %s: read the input: %w", s.c.target.Name, s.step, err))
		return
	}
	_ = s.stdin.Close()
}

func (s *session) fail(err error) {
	s.local.Store(true)
	select {
	case s.failed <- err:
	default:
	}
}

// kill ends the command with all its children. Closing the channel closes the
// command's stdin, and the pump on the host kills as root what the signal cannot
// reach.
func (s *session) kill(detached bool) {
	s.may.end()
	soon(func() {
		if !detached {
			_, _ = s.ch.SendRequest("signal", false, ssh.Marshal(struct{ Signal string }{"KILL"}))
		}
		_ = s.ch.Close()
	})
}

func (s *session) free() {
	s.freeing.Do(func() { <-s.c.slots })
}

// wait waits for the command's end and says how it ended.
func (s *session) wait(ctx context.Context, detached bool) (exit, error) {
	var got exit
	select {
	case got = <-s.status:
	case err := <-s.failed:
		s.kill(detached)
		return exit{}, err
	case <-ctx.Done():
		s.kill(detached)
		return exit{}, s.c.gaveUp(ctx, s.step)
	case <-s.c.done:
		return exit{}, s.c.Err()
	}
	if err := s.drain(ctx); err != nil {
		s.kill(detached)
		return exit{}, err
	}
	// A host that does not confirm the end keeps the copying, and nobody else: what it
	// may still send goes nowhere.
	soon(func() {
		_ = s.ch.Close()
		<-s.copied
	})
	s.may.end()
	select {
	case err := <-s.failed: // seen together with the end
		return exit{}, err
	default:
	}
	if !got.known {
		if s.c.endedWithin(time.Second) {
			return exit{}, s.c.Err()
		}
		return exit{}, fmt.Errorf("%s: %s: the session ended without a status", s.c.target.Name, s.step)
	}
	return got, nil
}

// drain waits for the rest of the output, until nothing has come for a while.
func (s *session) drain(ctx context.Context) error {
	tick := time.NewTicker(strayOutput)
	defer tick.Stop()
	before := s.moved.written.Load()
	for {
		select {
		case <-s.copied:
			return nil
		case err := <-s.failed:
			return err
		case <-ctx.Done():
			return s.c.gaveUp(ctx, s.step)
		case <-tick.C:
			now := s.moved.written.Load()
			if now == before && s.moved.busy.Load() == 0 {
				return nil
			}
			before = now
		}
	}
}

// letGo waits until stdin is not read any more.
func (s *session) letGo() {
	t := time.NewTimer(strayInput)
	defer t.Stop()
	select {
	case <-s.fed:
	case <-t.C:
	}
}

// gaveUp is the error of an ended context.
func (c *Client) gaveUp(ctx context.Context, step string) error {
	return fmt.Errorf("%s: %s: stopped: %w", c.target.Name, step, context.Cause(ctx))
}

func isGone(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe)
}
