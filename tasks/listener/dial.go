package listener

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// askWithin bounds one look at a host's sockets.
const askWithin = 6 * time.Second

// Dialer opens connections from a host to the Grafana on it.
type Dialer struct {
	Host fleet.Host
	// Service is Grafana's systemd unit, without suffix.
	Service string
}

// DialContext connects and looks whose the far end is before it hands the connection
// over. Errors: those of the host's Dial; a *[ForeignError] when another process is, or
// may be, the one that answers; a *[fleet.HostError] when that cannot be found out.
//
// It looks after connecting and not before: by then the connection is with a process, or
// in the queue of a listener, and both are seen. Who lets go of the port in between
// keeps the connection, which is seen as well.
func (d Dialer) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	conn, err := d.Host.Dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	if err := d.check(ctx, address); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return conn, nil
}

// Transport is HTTP to the Grafana on a host, for requests that carry a login.
func Transport(service string, h fleet.Host) *http.Transport {
	return transport(Dialer{h, service}.DialContext)
}

// Unchecked is HTTP to whoever listens at Grafana's address, for requests without any login.
func Unchecked(h fleet.Host) *http.Transport {
	return transport(func(ctx context.Context, network, address string) (net.Conn, error) {
		return h.Dial(ctx, network, address)
	})
}

func transport(dial func(context.Context, string, string) (net.Conn, error)) *http.Transport {
	return &http.Transport{DialContext: dial, TLSClientConfig: TLS(), MaxIdleConnsPerHost: 4, IdleConnTimeout: 30 * time.Second}
}

// TLS does not verify Grafana's certificate, which is made for the balancer's name: SSH
// has verified the host, and the check of the listener the process.
func TLS() *tls.Config {
	return &tls.Config{InsecureSkipVerify: true} //nolint:gosec // see above
}

// step is what errors call the look at a host's sockets.
const step = "see who listens"

// check is nil when nobody but the unit can be at the far end of a connection to address.
func (d Dialer) check(ctx context.Context, address string) error {
	fail := func(err error) error {
		return &fleet.HostError{Host: d.Host.Name, Step: step + " on " + address, Cause: err,
			State: "no login was sent", Next: "ghadeploy check --limit " + d.Host.Name}
	}
	host, service, err := net.SplitHostPort(address)
	if err != nil {
		return fail(err)
	}
	port, err := strconv.ParseUint(service, 10, 16)
	if err != nil {
		return fail(err)
	}
	// A name may be any address of the host: no stranger on any of them then.
	to, _ := netip.ParseAddr(host)
	res, err := d.Host.Run(ctx, remote.Command{Script: socketsScript, Args: []string{d.Service, fmt.Sprintf("%04X", port)},
		Become: true, Step: step, Timeout: askWithin})
	if err != nil {
		return fail(err)
	}
	seen, err := readSockets(string(res.Stdout))
	if err != nil {
		return fail(err)
	}
	foreign, own := seen.at(to)
	switch {
	case len(foreign) > 0:
		return &ForeignError{Host: d.Host.Name, Address: address, Service: d.Service, Down: seen.main == 0,
			By: d.processes(ctx, foreign)}
	case seen.main == 0:
		return fail(fmt.Errorf("%s.service has no process: Grafana does not run on %s", d.Service, d.Host.Name))
	case !own:
		return fail(fmt.Errorf("no process of %s.service listens there", d.Service))
	}
	return nil
}

// processes tells what is known of those who hold the sockets; it is for an error, and
// what cannot be found out is left out.
func (d Dialer) processes(ctx context.Context, inodes []string) []Process {
	res, err := d.Host.Run(ctx, remote.Command{Script: processesScript, Args: inodes[:min(len(inodes), maxNamed)],
		Become: true, Step: step, Timeout: askWithin})
	if err != nil {
		return nil
	}
	return readProcesses(string(res.Stdout))
}
