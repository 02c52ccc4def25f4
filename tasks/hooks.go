package tasks

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// hookName says when a hook runs.
type hookName string

const (
	hookBeforeRun  hookName = "before_run"
	hookAfterRun   hookName = "after_run"
	hookBeforeHost hookName = "before_host"
	hookAfterHost  hookName = "after_host"
	hookOnFailure  hookName = "on_failure"
	hookOnRollback hookName = "on_rollback"
)

const (
	// hookTimeout bounds a hook; one that hangs must not hold a drained host.
	hookTimeout = 2 * time.Minute
	// hookSays is how much of what a failing hook printed stands in the error.
	hookSays = 4 << 10
)

// hooks are the operator's own commands; the zero value runs none.
type hooks struct {
	cluster *inventory.Cluster
	run     string
	command string
	sink    event.Sink
	timeout time.Duration // of each; 0: hookTimeout
}

// hooks are those of the inventory, or none with --skip-hooks.
func (r *Runner) hooks() hooks {
	if r.o.SkipHooks {
		return hooks{}
	}
	return hooks{cluster: r.c, run: r.id, command: r.o.Command, sink: r.o.Sink}
}

func (k hooks) path(n hookName) string {
	h := k.cluster.Hooks
	return map[hookName]string{
		hookBeforeRun: h.BeforeRun, hookAfterRun: h.AfterRun, hookBeforeHost: h.BeforeHost,
		hookAfterHost: h.AfterHost, hookOnFailure: h.OnFailure, hookOnRollback: h.OnRollback,
	}[n]
}

// around does the work of a run between before_run, whose failure ends the run before
// anything is touched, and after_run, which comes however the work ended; on_failure
// comes before it. What the last two say cannot change how the run ended.
func (k hooks) around(ctx context.Context, plan *Plan, res *Result, do func() error) error {
	if err := k.fire(ctx, hookBeforeRun, nil, map[string]any{"plan": plan}); err != nil {
		return &fleet.HostError{
			Host: "control", Step: "hook before_run", Cause: err, State: "nothing was touched", Next: "correct the hook, or add --skip-hooks",
		}
	}
	err := do()
	ctx = context.WithoutCancel(ctx) // an interrupted run has hooks too
	env, payload := map[string]string{"OUTCOME": "done"}, map[string]any{"outcome": "done", "hosts": res.Hosts}
	if err != nil {
		env["OUTCOME"], payload["outcome"], payload["error"] = "failed", "failed", err.Error()
		k.tryFire(ctx, hookOnFailure, env, payload)
	}
	k.tryFire(ctx, hookAfterRun, env, payload)
	return err
}

// tryFire runs a hook whose failure is a warning.
func (k hooks) tryFire(ctx context.Context, n hookName, env map[string]string, payload map[string]any) {
	if err := k.fire(ctx, n, env, payload); err != nil {
		k.sink.Emit(event.Event{Kind: event.Warning, Run: k.run, Message: fmt.Sprintf("hook %s: %v", n, err)})
	}
}

// host runs a hook about one host.
func (k hooks) host(ctx context.Context, n hookName, h *inventory.Host, p *HostPlan) error {
	env := map[string]string{"HOST": h.Name, "ADDRESS": h.Address}
	return k.fire(ctx, n, env, map[string]any{"host": h.Name, "address": h.Address, "plan": p})
}

// fire runs a hook as a line of sh in the inventory's folder, with JSON on its standard
// input and the short facts as GHADEPLOY_* in its environment. Without such a hook it
// does nothing.
func (k hooks) fire(ctx context.Context, n hookName, env map[string]string, payload map[string]any) error {
	if k.cluster == nil || k.path(n) == "" {
		return nil
	}
	payload["hook"], payload["cluster"], payload["run"], payload["command"] = string(n), k.cluster.Name, k.run, k.command
	in, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	in = []byte(mask.For(k.cluster).Line(string(in)))
	limit := k.timeout
	if limit == 0 {
		limit = hookTimeout
	}
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", k.path(n))
	// A group of its own, so that the deadline ends what the hook started too, and that
	// Ctrl-C on the terminal is for us alone.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = k.cluster.Dir
	cmd.Stdin = bytes.NewReader(remote.EscapeJSON(in))
	cmd.Env = append(os.Environ(), "GHADEPLOY_HOOK="+string(n), "GHADEPLOY_CLUSTER="+k.cluster.Name,
		"GHADEPLOY_RUN="+k.run, "GHADEPLOY_COMMAND="+k.command)
	for name, v := range env {
		cmd.Env = append(cmd.Env, "GHADEPLOY_"+name+"="+strings.ReplaceAll(remote.Clean(v), "\x00", ""))
	}
	out, err := cmd.CombinedOutput()
	if err == nil {
		return nil
	}
	if ctx.Err() == context.DeadlineExceeded {
		err = fmt.Errorf("not done after %s", limit)
	}
	said := strings.TrimSpace(string(out[max(len(out)-hookSays, 0):]))
	if said != "" {
		said = ": " + said
	}
	return fmt.Errorf("%s: %w%s", k.path(n), err, said)
}
