package check

import (
	"context"
	"fmt"
	"net"
	"net/netip"
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

// checkNames finds host names that mean one address here and another there: the
// operator deploys to one machine, its peers gossip with another.
func checkNames(ctx context.Context, r *run) []Finding {
	var names []string
	for _, h := range r.Cluster.Hosts {
		if _, err := netip.ParseAddr(h.Address); err != nil {
			names = append(names, h.Address)
		}
	}
	if len(names) == 0 {
		return ok("addresses are IPs")
	}
	here := resolveHere(ctx, names)
	return r.eachHost(ctx, func(ctx context.Context, h fleet.Host) []Finding {
		return nameFindings(here, resolveThere(ctx, h, names), names)
	})
}

func nameFindings(here, there map[string][]string, names []string) []Finding {
	var all []Finding
	for _, n := range names {
		switch {
		case len(here[n]) == 0: // reached through ~/.ssh/config; nothing to compare with
		case len(there[n]) == 0:
			all = append(all, warn("cannot resolve its peer "+n, "Grafana is given addresses, so it works; people on the host are misled",
				"add it to DNS or /etc/hosts"))
		case !slices.ContainsFunc(there[n], func(ip string) bool { return slices.Contains(here[n], ip) }):
			if loopbacks(there[n]) {
				continue // its own name on Debian: 127.0.1.1
			}
			all = append(all, fail(fmt.Sprintf("%s is %s here but %s for the host", n, strings.Join(here[n], ", "), strings.Join(there[n], ", ")),
				"it would gossip with another machine than the one deployed to (#62453)", "write the hosts' IPs as address: in the inventory"))
		}
	}
	if len(all) == 0 {
		return ok("resolves the peers as this machine does")
	}
	return all
}

func loopbacks(ips []string) bool {
	return !slices.ContainsFunc(ips, func(ip string) bool {
		a, err := netip.ParseAddr(ip)
		return err != nil || !a.IsLoopback()
	})
}
