package tasks

import (
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// ExecResult is what a command left behind on one host.
type ExecResult struct {
	Host   string `json:"host"`
	Stdout string `json:"stdout"`
	Stderr string `json:"stderr"`
	Status int    `json:"status"`
	Error  string `json:"error,omitempty"`
}

// execTimeout bounds a command of `exec`; the operator's own --timeout comes on top.
const execTimeout = time.Hour

// execOutput is how many bytes `exec` shows of one host.
const execOutput = 4 << 20

// Exec runs a command on the selected hosts at once. A command that fails on a host is
// a result, a host that cannot be reached is an error too.
func (r *Runner) Exec(ctx context.Context, command []string, become bool) ([]ExecResult, error) {
	cmd := remote.Command{Step: "exec", Args: command, Become: become, Timeout: execTimeout, Output: execOutput}
	if len(command) == 1 { // one word is a line for the shell, as ssh has it
		cmd.Script, cmd.Args = command[0], nil
	}
	var lost []ExecResult
	out, err := each(ctx, r, func(ctx context.Context, h fleet.Host) (ExecResult, error) {
		res, err := h.Run(ctx, cmd)
		e := ExecResult{Host: h.Name, Stdout: string(res.Stdout), Stderr: string(res.Stderr)}
		var exit *remote.ExitError
		if errors.As(err, &exit) {
			e.Status = exit.Status
			if e.Stderr == "" {
				e.Stderr = exit.Stderr
			}
			return e, nil
		}
		return e, err
	})
	for _, h := range r.limited() {
		if u := unreachableHost(err, h.Name); u != nil {
			lost = append(lost, ExecResult{Host: h.Name, Status: -1, Error: u.Error()})
		}
	}
	return append(out, lost...), err
}

// unreachableHost finds a host's own error among many; nil when there is none.
func unreachableHost(err error, host string) *remote.UnreachableError {
	var all interface{ WrappedErrors() []error }
	if errors.As(err, &all) {
		for _, e := range all.WrappedErrors() {
			if u := unreachableHost(e, host); u != nil {
				return u
			}
		}
		return nil
	}
	var u *remote.UnreachableError
	if errors.As(err, &u) && u.Host == host {
		return u
	}
	return nil
}
