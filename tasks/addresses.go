package tasks

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// addresses resolves every host's address to an IP: Grafana takes no name as its
// advertise address.
func (r *Runner) addresses(ctx context.Context) (map[string]string, error) {
	hosts := r.c.Hosts
	ips := make([]string, len(hosts))
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() { ips[i], errs[i] = resolve(ctx, h, r.o.Dialer.HostName(h.Address)) })
	}
	wg.Wait()
	out := map[string]string{}
	for i, h := range hosts {
		out[h.Name] = ips[i]
	}
	return out, fleet.Join(errs...)
}

// resolve looks a host's address up and, when that is a name that nobody knows but the
// OpenSSH configuration, what it stands for there.
func resolve(ctx context.Context, h *inventory.Host, hostName string) (string, error) {
	ips, err := lookUp(ctx, h.Address)
	name := h.Address
	if err != nil && hostName != h.Address {
		if ips, err = lookUp(ctx, hostName); err == nil {
			name = "HostName " + hostName + " of the ssh configuration"
		}
	}
	const instead = "write the IP that the other hosts reach it at: hosts: {%s: {address: 10.0.0.1}}"
	if err != nil {
		return "", &UsageError{fmt.Sprintf("%s: hosts.%s: the address %s cannot be resolved (%v), and Grafana takes no names as peers; next: "+
			instead, h.Pos, h.Name, h.Address, err, h.Name)}
	}
	// IPv4 first: a name with both is one host, and gossip wants one of them.
	slices.SortStableFunc(ips, func(a, b net.IP) int { return boolInt(a.To4() == nil) - boolInt(b.To4() == nil) })
	if ips[0].IsLoopback() && len(ips) == 1 && net.ParseIP(strings.Trim(h.Address, "[]")) == nil {
		return "", &UsageError{fmt.Sprintf("%s: hosts.%s: %s resolves to %s here; next: "+instead, h.Pos, h.Name, name, ips[0], h.Name)}
	}
	return ips[0].String(), nil
}

func lookUp(ctx context.Context, address string) ([]net.IP, error) {
	if ip := net.ParseIP(strings.Trim(address, "[]")); ip != nil {
		return []net.IP{ip}, nil
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	return net.DefaultResolver.LookupIP(ctx, "ip", address)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}
