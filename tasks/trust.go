package tasks

import (
	"context"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// HostKey is a host's SSH key.
type HostKey struct {
	Host        string `json:"host"`
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	Known       bool   `json:"known"`
	// Revoked is marked @revoked in known_hosts: it is never added.
	Revoked bool `json:"revoked,omitempty"`
	// Changed: known_hosts has another key of this type for the host, or none that it shows.
	// It is never added beside the old one; Next is what to do when it is meant.
	Changed bool   `json:"changed,omitempty"`
	Next    string `json:"next,omitempty"`
}

func targetOf(h *inventory.Host) remote.Target {
	s := h.SSH
	return remote.Target{
		Name: h.Name, Address: h.Address, Port: s.Port, User: s.User,
		IdentityFiles: s.IdentityFiles, Password: s.Password.Reveal(),
		KnownHosts: s.KnownHosts, AcceptNew: s.AcceptNew, Fingerprint: s.Fingerprint,
		LegacyAlgorithms: s.LegacyAlgorithms, Jumps: s.ProxyJump, ProxyCommand: s.ProxyCommand, ConnectTimeout: s.ConnectTimeout,
		Become: remote.Become{Method: s.Become.Method, Password: s.Become.Password.Reveal()},
	}
}

// ReadRemoteINI reads a file of a host as root, for import; its path is usually
// /etc/grafana/grafana.ini.
func ReadRemoteINI(ctx context.Context, d *remote.Dialer, h *inventory.Host, path string) ([]byte, error) {
	c, err := d.Dial(ctx, targetOf(h))
	if err != nil {
		return nil, err
	}
	defer func() { _ = c.Close() }()
	res, err := c.Run(ctx, remote.Command{Step: "read " + path, Args: []string{"cat", path}, Become: true})
	return res.Stdout, err
}

// each host's key is asked for at the same time.
func eachTarget(hosts []*inventory.Host, f func(i int, h *inventory.Host) error) error {
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() { errs[i] = guard.Do(func() error { return f(i, h) }) })
	}
	wg.Wait()
	return fleet.Join(errs...)
}

// Trust asks the selected hosts for their SSH keys, logged in to nothing, and says
// which of them are known already.
func (r *Runner) Trust(ctx context.Context) ([]HostKey, error) {
	found, err := r.scan(ctx, func(*inventory.Host) bool { return true })
	var out []HostKey
	for _, keys := range found {
		for _, k := range keys {
			out = append(out, HostKey{Host: k.host, Type: k.Key.Type(), Fingerprint: k.Fingerprint, Known: k.Known, Revoked: k.Revoked,
				Changed: k.Changed, Next: k.Next})
		}
	}
	return out, err
}

// AcceptKeys adds the keys with these fingerprints to known_hosts. A host that shows
// another key now than when the operator looked is refused.
func (r *Runner) AcceptKeys(ctx context.Context, accept []HostKey) error {
	wanted, named := map[string]bool{}, map[string]bool{}
	for _, k := range accept {
		wanted[k.Host+" "+k.Fingerprint], named[k.Host] = true, true
	}
	// Only those hosts: another that does not answer is no reason not to trust them.
	found, err := r.scan(ctx, func(h *inventory.Host) bool { return named[h.Name] })
	if err != nil {
		return err
	}
	for _, keys := range found {
		for _, k := range keys {
			if id := k.host + " " + k.Fingerprint; wanted[id] {
				delete(wanted, id)
				if k.Known {
					continue
				}
				if k.Revoked || k.Changed {
					return &UsageError{"the key is revoked, or another one is known, and it is not added: " + id}
				}
				if err := remote.AddKnownHost(k.File, k.Host, k.Port, k.Key); err != nil {
					return err
				}
			}
		}
	}
	for id := range wanted {
		return &UsageError{"the host does not show the key any more: " + id}
	}
	return nil
}

// scannedKey is a key that a host of the inventory showed.
type scannedKey struct {
	remote.HostKey
	host string
}

// scan asks those hosts that are meant.
func (r *Runner) scan(ctx context.Context, meant func(*inventory.Host) bool) ([][]scannedKey, error) {
	hosts := slices.DeleteFunc(append(slices.Clone(r.limited()), r.c.LoadBalancer.Hosts...), func(h *inventory.Host) bool { return !meant(h) })
	out := make([][]scannedKey, len(hosts))
	err := eachTarget(hosts, func(i int, h *inventory.Host) error {
		keys, err := r.o.Dialer.ScanHostKeys(ctx, targetOf(h))
		for _, k := range keys {
			out[i] = append(out[i], scannedKey{HostKey: k, host: h.Name})
		}
		return err
	})
	return out, err
}
