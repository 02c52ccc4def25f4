// Package fleettest has a fleet.Conn for tests that need real programs but no
// second machine: this machine, without SSH.
package fleettest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
)

// Local is this machine as a host. Become changes nothing: commands run as the
// test's user.
type Local struct {
	// Name is the host in errors.
	Name string
	// Env is added to the environment of commands.
	Env []string
	// DialFunc replaces net.Dialer, to refuse or redirect connections.
	DialFunc func(ctx context.Context, network, address string) (net.Conn, error)
	// OwnListener has whoever listens pass for Grafana's unit, for tests whose server
	// is the test itself.
	OwnListener bool

	once sync.Once
	done chan struct{}
}

// Run implements fleet.Conn.
func (l *Local) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	if l.OwnListener && cmd.Step == "see who listens" {
		port := cmd.Args[len(cmd.Args)-1]
		return remote.Result{Stdout: fmt.Appendf(nil, "own 0A 00000000:%s 1\nmain 1\nend\n", port)}, nil
	}
	limit := cmd.Timeout
	if limit == 0 {
		limit = time.Minute
	}
	if limit > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, limit)
		defer cancel()
	}
	args := cmd.Args
	if cmd.Script != "" {
		args = append([]string{"sh", "-c", cmd.Script, "sh"}, args...)
	}
	// Through env, so that Env's PATH finds the command too.
	c := exec.CommandContext(ctx, "env", args...)
	c.Env = append(os.Environ(), l.Env...)
	c.Stdin = cmd.Stdin
	c.WaitDelay = time.Second
	var out, errs bytes.Buffer
	c.Stdout, c.Stderr = &out, &errs
	if cmd.Stdout != nil {
		c.Stdout = cmd.Stdout
	}
	if cmd.Stderr != nil {
		c.Stderr = io.MultiWriter(cmd.Stderr, &errs)
	}
	err := c.Run()
	res := remote.Result{Stdout: out.Bytes(), Stderr: errs.Bytes()}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && ctx.Err() == nil {
		return res, &remote.ExitError{Host: l.Name, Step: cmd.Step, Status: exit.ExitCode(), Stderr: errs.String()}
	}
	if err != nil {
		return res, fmt.Errorf("%s: %s: %w", l.Name, cmd.Step, errors.Join(err, ctx.Err()))
	}
	return res, nil
}

// Put is not needed by the tests that use Local; it always fails.
func (l *Local) Put(context.Context, remote.Upload) (remote.UploadResult, error) {
	return remote.UploadResult{}, errors.ErrUnsupported
}

// Dial implements fleet.Conn.
func (l *Local) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	if l.DialFunc != nil {
		return l.DialFunc(ctx, network, address)
	}
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}

// Listen implements fleet.Conn.
func (l *Local) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	var c net.ListenConfig
	return c.Listen(ctx, network, address)
}

// User implements fleet.Conn.
func (l *Local) User() string { return "root" }

// Done implements fleet.Conn.
func (l *Local) Done() <-chan struct{} {
	l.once.Do(func() { l.done = make(chan struct{}) })
	return l.done
}

// Close implements fleet.Conn.
func (l *Local) Close() error { return nil }
