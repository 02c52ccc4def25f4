package check

import (
	"context"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// resolveHere looks names up as this machine does; unknown ones are absent.
func resolveHere(ctx context.Context, names []string) map[string][]string {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
	defer cancel()
	out := map[string][]string{}
	for _, n := range names {
		if ips, err := net.DefaultResolver.LookupHost(ctx, n); err == nil {
			slices.Sort(ips)
			out[n] = ips
		}
	}
	return out
}

// resolveThere looks names up on h, as its C library does.
func resolveThere(ctx context.Context, h fleet.Host, names []string) map[string][]string {
	const script = `for n; do getent ahosts "$n" | awk -v n="$n" '{print n, $1}' | sort -u; done`
	res, err := h.Run(ctx, remote.Command{Script: script, Args: names, Timeout: Probe, Step: "resolve the peers' names"})
	out := map[string][]string{}
	if err != nil {
		return out
	}
	for line := range strings.Lines(string(res.Stdout)) {
		if words := strings.Fields(line); len(words) == 2 {
			out[words[0]] = append(out[words[0]], words[1])
		}
	}
	return out
}
