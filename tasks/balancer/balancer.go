package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Balancer is all load balancers of a cluster. Every method asks all of them
// at once; the error is a *multierror.Error with one entry per balancer that
// could not do it, each naming the balancer. Methods are safe for concurrent use.
type Balancer interface {
	// Drain stops new requests to host; it returns when every balancer has
	// confirmed. Requests in flight go on. Draining twice is no error.
	Drain(ctx context.Context, host *inventory.Host) error
	// WaitIdle waits until no balancer has a session open with a drained host, at
	// most for max. When some are left then, the error is a *[BusyError], which a
	// caller may take as a warning: WebSockets stay as long as their browser tab.
	WaitIdle(ctx context.Context, host *inventory.Host, max time.Duration) error
	// Undrain lets requests reach host again, whoever took it out. It does not
	// wait for the balancers' health checks; see WaitUp.
	Undrain(ctx context.Context, host *inventory.Host) error
	// WaitUp waits until every balancer would send requests to host, at most for
	// max. A balancer that cannot tell is taken at its word of having undrained.
	WaitUp(ctx context.Context, host *inventory.Host, max time.Duration) error
	// Switch puts hosts in and takes others out, drained, as one step where the balancer
	// has one: at no moment do none of them get new requests. Requests in flight go on.
	Switch(ctx context.Context, in, out []*inventory.Host) error
	// WaitFit waits until every balancer's own check finds a drained host healthy, so
	// that it gets requests the moment it is put in; at most for max.
	WaitFit(ctx context.Context, host *inventory.Host, max time.Duration) error
	// State reads what the balancers think of every host of the cluster. Hosts
	// are in the map also when there is an error, then as Unknown.
	State(ctx context.Context) (map[string]State, error)
	// Plan compares the managed part of the balancers' configuration with what it
	// should be. It writes nothing. Empty when nothing is managed.
	Plan(ctx context.Context) ([]Change, error)
	// Apply makes the changes of a plan: backup, validate, install, reload. It
	// refuses a file that has changed since it was planned.
	Apply(ctx context.Context, changes []Change) error
	// Describe is a phrase for plans: `HAProxy on lb1, lb2, backend "grafana"`.
	Describe() string
}

// NoBackendError is a load balancer that does not have the backend; one that is managed
// gets it written.
type NoBackendError struct{ Backend, Hint string }

// Error says what it has instead.
func (e *NoBackendError) Error() string {
	return fmt.Sprintf("HAProxy has no backend %q: %s", e.Backend, e.Hint)
}

// BusyError is a drained host that still had sessions when WaitIdle gave up.
type BusyError struct {
	Balancer, Host string
	Sessions       int
	Waited         time.Duration
}

// Error names the balancer, the host and how many sessions were left.
func (e *BusyError) Error() string {
	return fmt.Sprintf("%s: %s still has %d sessions after %s (WebSockets and long requests stay until they end; raise rollout.drain to wait longer)",
		e.Balancer, e.Host, e.Sessions, e.Waited.Round(time.Millisecond))
}

// operationTimeout bounds one question or order to one balancer, all retries
// and reloads included, where the caller gives no limit.
const operationTimeout = time.Minute

// member is one balancer.
type member interface {
	name() string
	drain(ctx context.Context, h *inventory.Host) error
	waitIdle(ctx context.Context, h *inventory.Host, max time.Duration) error
	undrain(ctx context.Context, h *inventory.Host) error
	state(ctx context.Context, hosts []*inventory.Host) (map[string]State, error)
}

// planner is a member whose configuration may be managed.
type planner interface {
	plan(ctx context.Context) (Change, error)
	apply(ctx context.Context, c Change) error
}

// New makes the balancer of a cluster. hosts are connections; those named in
// load_balancer.hosts are used. A balancer without a connection is no error
// here: it fails each operation with a *[remote.UnreachableError], so that the
// others can still be read.
func New(c *inventory.Cluster, hosts []fleet.Host) (Balancer, error) {
	lb := c.LoadBalancer
	set := &set{cluster: c, places: &places{}}
	switch lb.Type {
	case "", "none":
		set.title = "no load balancer"
		if lb.CheckInterval > 0 {
			set.title += fmt.Sprintf(" that can be told; its own checks get %s", lb.CheckInterval)
		}
		set.members = []member{none{interval: lb.CheckInterval}}
		return set, nil
	case "command":
		set.title = "load balancer by command"
		set.members = []member{newHook(c)}
		return set, nil
	}
	kinds := map[string]string{"haproxy": "HAProxy", "nginx": "nginx"}
	if kinds[lb.Type] == "" {
		return nil, fmt.Errorf("load_balancer.type %q is not one of haproxy, nginx, command, none", lb.Type)
	}
	if len(lb.Hosts) == 0 {
		return nil, fmt.Errorf("load_balancer.type %s needs load_balancer.hosts", lb.Type)
	}
	var names []string
	for _, h := range lb.Hosts {
		names = append(names, h.Name)
		set.members = append(set.members, newMember(c, h, connection(h, hosts), set.places))
	}
	word := "backend"
	if lb.Type == "nginx" {
		word = "upstream"
	}
	set.title = fmt.Sprintf("%s on %s, %s %q", kinds[lb.Type], strings.Join(names, ", "), word, backendName(lb))
	return set, nil
}

func newMember(c *inventory.Cluster, h *inventory.Host, conn fleet.Conn, at *places) member {
	if conn == nil {
		return absent{host: h.Name}
	}
	if c.LoadBalancer.Type == "nginx" {
		return newNginx(c, h.Name, conn, at)
	}
	return newHAProxy(c, h.Name, conn, at)
}

// connection finds the connection of a balancer host; nil when there is none.
func connection(h *inventory.Host, hosts []fleet.Host) fleet.Conn {
	for _, f := range hosts {
		if f.Host != nil && f.Name == h.Name && f.Conn != nil {
			return f.Conn
		}
	}
	return nil
}

func backendName(lb inventory.LoadBalancer) string {
	if lb.Backend == "" {
		return "grafana"
	}
	return lb.Backend
}

// addresses are all spellings of a host's host:port that a balancer's
// configuration may use: by name, by address, by what the address resolves to.
func addresses(ctx context.Context, h *inventory.Host, listens grafana.Listen) []string {
	port := strconv.Itoa(listens.Port)
	address := strings.ToLower(strings.Trim(h.Address, "[]"))
	all := []string{listens.At(address), net.JoinHostPort(address, port), net.JoinHostPort(strings.ToLower(h.Name), port)}
	if net.ParseIP(address) == nil {
		ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
		defer cancel()
		// An address that does not resolve here may still be known by name there.
		ips, _ := net.DefaultResolver.LookupHost(ctx, h.Address)
		for _, ip := range ips {
			all = append(all, net.JoinHostPort(ip, port))
		}
	}
	return all
}

// absent is a balancer that is not connected.
type absent struct{ host string }

func (a absent) name() string { return a.host }

func (a absent) err() error {
	return &remote.UnreachableError{Host: a.host, Cause: errors.New("no connection to the load balancer"),
		Hint: "try: ssh " + a.host}
}

func (a absent) drain(context.Context, *inventory.Host) error   { return a.err() }
func (a absent) undrain(context.Context, *inventory.Host) error { return a.err() }
func (a absent) waitIdle(context.Context, *inventory.Host, time.Duration) error {
	return a.err()
}
func (a absent) state(context.Context, []*inventory.Host) (map[string]State, error) {
	return nil, a.err()
}
