package listener

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed owners.sh
var ownersScript string

// OrdinaryError is an ordinary user of a host who listens where a service is expected, at
// an address of the host itself. Nothing was sent there.
type OrdinaryError struct{ Host, Address, User string }

// Error names host, address, user and the command that shows the process.
func (e *OrdinaryError) Error() string {
	return fmt.Sprintf("%s: user %s, who is no account of a service, listens at %s; no password was sent; next: ssh %s sudo ss -tnlp",
		e.Host, e.User, e.Address, e.Host)
}

// Service is nil when only accounts of services listen at an address of the host itself, to
// be asked once a connection to it is open. Whose the service's unit is nobody has said, so
// this is less than what a [Dialer] finds out of Grafana: it keeps a password from the
// host's ordinary users, who may listen there while the service is down. The error is an
// *[OrdinaryError], or why that cannot be found out.
func Service(ctx context.Context, h fleet.Host, address string) error {
	fail := func(err error) error {
		return &fleet.HostError{Host: h.Name, Step: step + " on " + address, Cause: err, State: "no password was sent",
			Next: "ghadeploy check --limit " + h.Name}
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return fail(err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return fail(err)
	}
	res, err := h.Run(ctx, remote.Command{Script: ownersScript, Args: []string{fmt.Sprintf("%04X", port)}, Step: step, Timeout: askWithin})
	if err != nil {
		return fail(err)
	}
	all, err := readOwners(string(res.Stdout))
	if err != nil {
		return fail(err)
	}
	to, _ := netip.ParseAddr(host)
	for _, o := range all {
		if o.at(to) && !o.service() {
			return &OrdinaryError{Host: h.Name, Address: address, User: cut(remote.Clean(o.name))}
		}
	}
	return nil
}

// owner is who opened a listening socket.
type owner struct {
	uid  uint64
	addr netip.Addr
	name string
}

// at tells whether a connection to an address may end there; the zero address is any.
func (o owner) at(to netip.Addr) bool {
	to = to.Unmap()
	return !to.IsValid() || o.addr == to || o.addr.IsUnspecified() && (o.addr.Is6() || to.Is4())
}

// services are names that accounts of Redis and its kin have where somebody has made them
// as ordinary users.
var services = []string{"redis", "valkey", "keydb", "dragonfly", "sentinel"}

// service tells an account of a service: below 1000 (login.defs: SYS_UID_MAX), a dynamic
// user of systemd (61184 to 65519, https://systemd.io/UIDS-GIDS), or by its name. nobody
// is none.
func (o owner) service() bool {
	return o.uid < 1000 || o.uid >= 61184 && o.uid <= 65519 || slices.Contains(services, o.name)
}

// readOwners reads what ownersScript prints.
func readOwners(text string) (all []owner, err error) {
	lines := strings.Split(strings.TrimSuffix(text, "\n"), "\n")
	if lines[len(lines)-1] != "end" {
		return nil, errors.New("the host's answer has no end")
	}
	for _, line := range lines[:len(lines)-1] {
		f := strings.Split(line, " ")
		if len(f) != 4 || f[0] != "listen" {
			return nil, errors.New("the host's answer makes no sense")
		}
		o := owner{name: f[3]}
		if o.uid, err = strconv.ParseUint(f[1], 10, 32); err != nil {
			return nil, errors.New("the host's answer makes no sense")
		}
		if o.addr, err = readAddr(f[2]); err != nil {
			return nil, err
		}
		all = append(all, o)
	}
	return all, nil
}
