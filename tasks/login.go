package tasks

import (
	"cmp"
	"context"
	"errors"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// Login is one host's answer to a first login.
type Login struct {
	Host string `json:"host"`
	OK   bool   `json:"ok"` // logged in, and root there
	// Says is who we are there, or why not; Next what to type or change.
	Says string `json:"says"`
	Next string `json:"next,omitempty"`
	// Unknown: its host key is not in known_hosts.
	Unknown bool `json:"unknown_key,omitempty"`
}

// whoAmI prints machine and system; as root it says nothing more.
const whoAmI = `uname -m; { . /etc/os-release && echo "$PRETTY_NAME"; } 2>/dev/null || uname -s`

// Logins logs in to the hosts and the load balancers, and becomes root on each. It changes
// nothing on them.
func (r *Runner) Logins(ctx context.Context) []Login {
	hosts := append(r.limited(), r.c.LoadBalancer.Hosts...)
	out := make([]Login, len(hosts))
	// Every error stands in its host's answer.
	_ = eachTarget(hosts, func(i int, h *inventory.Host) error {
		out[i] = r.login(ctx, h)
		return nil
	})
	return out
}

func (r *Runner) login(ctx context.Context, h *inventory.Host) Login {
	l := Login{Host: h.Name}
	conn, err := r.connect(ctx, h)
	var res remote.Result
	if err == nil {
		res, err = conn.Run(ctx, remote.Command{Step: "log in", Script: whoAmI, Become: true, Timeout: lookPatience})
	}
	if err != nil {
		return failedLogin(l, err)
	}
	l.OK = true
	l.Says = conn.User()
	if conn.User() != "root" {
		l.Says = conn.User() + ", root through " + cmp.Or(h.SSH.Become.Method, "sudo")
	}
	for _, line := range strings.SplitN(strings.TrimSpace(string(res.Stdout)), "\n", 2) {
		l.Says += ", " + strings.TrimSpace(line)
	}
	return l
}

// failedLogin takes an error apart into what happened and what to do.
func failedLogin(l Login, err error) Login {
	if key, ok := errors.AsType[*remote.HostKeyError](err); ok {
		l.Unknown = !key.Changed() && !key.Revoked && key.Cause == nil
	}
	says, next := err.Error(), ""
	if lost, ok := errors.AsType[*remote.UnreachableError](err); ok {
		says, next = lost.Cause.Error(), lost.Hint
	} else {
		says, next, _ = strings.Cut(says, "; next: ")
	}
	l.Says, l.Next = strings.TrimPrefix(says, l.Host+": "), next
	return l
}
