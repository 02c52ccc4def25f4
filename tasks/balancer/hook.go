package balancer

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// hook is a balancer that commands or a web hook of the operator speak with.
//
// A command runs as `sh -c` in the inventory's folder with GHADEPLOY_ACTION
// (drain, undrain, status), GHADEPLOY_CLUSTER, GHADEPLOY_HOST,
// GHADEPLOY_ADDRESS and GHADEPLOY_PORT; status 0 means done. A value that
// starts with http:// or https:// gets the same as a JSON object in a POST; 2xx
// means done. The status command (or hook) answers with one of the words up,
// drain, maint, down.
type hook struct {
	cluster  string
	dir      string
	commands map[string]string
	interval time.Duration
}

func newHook(c *inventory.Cluster) member {
	lb := c.LoadBalancer
	h := &hook{cluster: c.Name, dir: c.Dir, interval: lb.CheckInterval,
		commands: map[string]string{"drain": lb.Drain, "undrain": lb.Undrain, "status": lb.Status}}
	if lb.Status == "" {
		return blindHook{h}
	}
	return h
}

// blindHook is a hook without a status command.
type blindHook struct{ *hook }

func (blindHook) blind() {}

func (h *hook) name() string { return "command" }

func (h *hook) drain(ctx context.Context, host *inventory.Host) error {
	_, err := h.call(ctx, "drain", host)
	return err
}

func (h *hook) undrain(ctx context.Context, host *inventory.Host) error {
	_, err := h.call(ctx, "undrain", host)
	return err
}

// waitIdle waits check_interval: a command has no way to count sessions, unless
// the drain command itself waits.
func (h *hook) waitIdle(ctx context.Context, host *inventory.Host, max time.Duration) error {
	return none{interval: h.interval}.waitIdle(ctx, host, max)
}

func (h *hook) state(ctx context.Context, hosts []*inventory.Host) (map[string]State, error) {
	states := map[string]State{}
	var errs []error
	for _, host := range hosts {
		st := State{Status: Unknown, Sessions: -1, CheckedBy: "nobody: load_balancer.status is not set"}
		if h.commands["status"] != "" {
			answer, err := h.call(ctx, "status", host)
			if err != nil {
				errs = append(errs, err)
				continue
			}
			st = readStatus(answer)
		}
		states[host.Name] = st
	}
	return states, errors.Join(errs...)
}

// readStatus takes the first word of an answer; JSON's quotes and braces around
// {"status":"up"} are looked through.
func readStatus(answer string) State {
	st := State{Status: Unknown, Sessions: -1, CheckedBy: fmt.Sprintf("status command: %q", firstLine(answer))}
	var object struct {
		Status   Status `json:"status"`
		Sessions *int   `json:"sessions"`
	}
	if json.Unmarshal([]byte(answer), &object) == nil && object.Status != "" {
		answer = string(object.Status)
		if object.Sessions != nil {
			st.Sessions = *object.Sessions
		}
	}
	if words := strings.Fields(answer); len(words) > 0 {
		switch word := Status(strings.ToLower(strings.Trim(words[0], `"`))); word {
		case Up, Drain, Maint, Down:
			st.Status = word
		}
	}
	st.Drained = st.Status == Drain || st.Status == Maint
	return st
}

func (h *hook) call(ctx context.Context, action string, host *inventory.Host) (string, error) {
	command := h.commands[action]
	if command == "" {
		return "", fmt.Errorf("load_balancer.%s is not set", action)
	}
	if strings.HasPrefix(command, "http://") || strings.HasPrefix(command, "https://") {
		return h.post(ctx, command, action, host)
	}
	return h.run(ctx, command, action, host)
}

func (h *hook) run(ctx context.Context, command, action string, host *inventory.Host) (string, error) {
	var stdout, stderr tail
	cmd := exec.CommandContext(ctx, "sh", "-c", command)
	cmd.Dir = h.dir
	cmd.Env = append(os.Environ(), "GHADEPLOY_ACTION="+action, "GHADEPLOY_CLUSTER="+h.cluster, "GHADEPLOY_HOST="+host.Name,
		"GHADEPLOY_ADDRESS="+host.Address, "GHADEPLOY_PORT="+strconv.Itoa(desired.Listens(host).Port))
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	// Its own group, so that the deadline ends what the command started too.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			err = ctx.Err()
		}
		said := strings.TrimSpace(stderr.String() + stdout.String())
		if said != "" {
			said = ": " + said
		}
		return "", fmt.Errorf("load_balancer.%s for %s: %w%s", action, host.Name, err, said)
	}
	return stdout.String(), nil
}

func (h *hook) post(ctx context.Context, url, action string, host *inventory.Host) (string, error) {
	body, err := json.Marshal(map[string]any{"action": action, "cluster": h.cluster, "host": host.Name,
		"address": host.Address, "port": desired.Listens(host).Port})
	if err != nil {
		return "", err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return "", fmt.Errorf("load_balancer.%s: not a URL that can be called", action)
	}
	req.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("load_balancer.%s for %s: %w", action, host.Name, err)
	}
	defer resp.Body.Close()
	answer, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if resp.StatusCode/100 != 2 {
		return "",
			fmt.Errorf("load_balancer.%s for %s: %s answers %s: %s", action, host.Name, req.URL.Redacted(), resp.Status, firstLine(string(answer)))
	}
	return string(answer), nil
}

// tail keeps the last 4 KiB that were written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if n := len(t.b) - 4096; n > 0 {
		t.b = t.b[n:]
	}
	return len(p), nil
}

func (t *tail) String() string { return string(t.b) }
