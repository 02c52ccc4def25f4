package balancer

import (
	"context"
	"net"
	"net/netip"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// maxResolve bounds the answer of resolveScript: some hundred names of some addresses.
const maxResolve = 64 << 10

// resolveScript prints "NAME ADDRESS" for each address of each name in $@, as the host
// itself resolves them.
const resolveScript = `for n; do getent ahosts "$n" | while read -r a rest; do printf '%s %s\n' "$n" "$a"; done; done; true`

// namesThere resolves the names among addresses (host:port) on the balancer's host,
// where they are meant: the result has each with the IP addresses in place of its name.
func namesThere(ctx context.Context, conn fleet.Conn, addresses []string) map[string][]string {
	var names []string
	for _, a := range addresses {
		host, _, err := net.SplitHostPort(a)
		if _, notIP := netip.ParseAddr(host); err == nil && notIP != nil && !strings.HasPrefix(host, "-") && !slices.Contains(names, host) {
			names = append(names, host)
		}
	}
	out := map[string][]string{}
	if len(names) == 0 {
		return out
	}
	res, err := conn.Run(ctx, remote.Command{Script: resolveScript, Args: names, Timeout: askTimeout, Step: "resolve the names of servers"})
	if err != nil || len(res.Stdout) > maxResolve {
		return out // matched by their text alone
	}
	for line := range strings.Lines(string(res.Stdout)) {
		name, address, _ := strings.Cut(strings.TrimSpace(line), " ")
		ip, err := netip.ParseAddr(address)
		if err != nil || !slices.Contains(names, name) {
			continue
		}
		for _, a := range addresses {
			if host, port, _ := net.SplitHostPort(a); host == name {
				out[a] = append(out[a], net.JoinHostPort(ip.Unmap().String(), port))
			}
		}
	}
	return out
}
