package tasks

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
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

// hookTimeout bounds a hook; one that hangs must not hold a drained host.
const hookTimeout = 2 * time.Minute

// hooks are the operator's own commands.
type hooks struct {
	cluster *inventory.Cluster
	run     string
	command string
}

func (k hooks) path(n hookName) string {
	h := k.cluster.Hooks
	return map[hookName]string{
		hookBeforeRun: h.BeforeRun, hookAfterRun: h.AfterRun, hookBeforeHost: h.BeforeHost,
		hookAfterHost: h.AfterHost, hookOnFailure: h.OnFailure, hookOnRollback: h.OnRollback,
	}[n]
}

// host runs a hook about one host.
func (k hooks) host(ctx context.Context, n hookName, h *inventory.Host, p *HostPlan) error {
	return k.fire(ctx, n, map[string]string{"HOST": h.Name, "ADDRESS": h.Address}, map[string]any{"host": h.Name, "address": h.Address, "plan": p})
}

// fire runs a hook with JSON on its standard input and the short facts as
// GHADEPLOY_* in its environment. Without such a hook it does nothing.
func (k hooks) fire(ctx context.Context, n hookName, env map[string]string, payload map[string]any) error {
	if k.cluster == nil || k.path(n) == "" {
		return nil
	}
	payload["hook"], payload["cluster"], payload["run"], payload["command"] = string(n), k.cluster.Name, k.run, k.command
	in, err := json.Marshal(payload)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, hookTimeout)
	defer cancel()
	cmd := exec.CommandContext(ctx, k.path(n))
	cmd.WaitDelay = 5 * time.Second
	cmd.Dir = k.cluster.Dir
	cmd.Stdin = strings.NewReader(string(in))
	cmd.Env = append(os.Environ(), "GHADEPLOY_HOOK="+string(n), "GHADEPLOY_CLUSTER="+k.cluster.Name, "GHADEPLOY_RUN="+k.run)
	for name, v := range env {
		cmd.Env = append(cmd.Env, "GHADEPLOY_"+name+"="+v)
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", k.path(n), err, strings.TrimSpace(string(out)))
	}
	return nil
}
