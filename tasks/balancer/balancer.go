package balancer

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

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
	set := &set{cluster: c}
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
		set.members = append(set.members, newMember(c, h, connection(h, hosts)))
	}
	word := "backend"
	if lb.Type == "nginx" {
		word = "upstream"
	}
	set.title = fmt.Sprintf("%s on %s, %s %q", kinds[lb.Type], strings.Join(names, ", "), word, backendName(lb))
	return set, nil
}

func newMember(c *inventory.Cluster, h *inventory.Host, conn fleet.Conn) member {
	if conn == nil {
		return absent{host: h.Name}
	}
	if c.LoadBalancer.Type == "nginx" {
		return newNginx(c, h.Name, conn)
	}
	return newHAProxy(c, h.Name, conn)
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

// set is several balancers as one.
type set struct {
	cluster *inventory.Cluster
	title   string
	members []member
}

func (s *set) Describe() string { return s.title }

// each runs do on all members at once and keeps every error, in their order.
func (s *set) each(do func(member) error) error {
	errs := make([]error, len(s.members))
	var wg sync.WaitGroup
	for i, m := range s.members {
		wg.Go(func() { errs[i] = do(m) })
	}
	wg.Wait()
	var all *multierror.Error
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}

func (s *set) Drain(ctx context.Context, h *inventory.Host) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return s.each(func(m member) error { return named(m, "drain "+h.Name, m.drain(ctx, h)) })
}

func (s *set) Undrain(ctx context.Context, h *inventory.Host) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return s.each(func(m member) error { return named(m, "undrain "+h.Name, m.undrain(ctx, h)) })
}

func (s *set) WaitIdle(ctx context.Context, h *inventory.Host, max time.Duration) error {
	return s.each(func(m member) error {
		err := m.waitIdle(ctx, h, max)
		if _, ok := errors.AsType[*BusyError](err); ok {
			return err
		}
		return named(m, "wait until "+h.Name+" is idle", err)
	})
}

// upPoll is how often WaitUp looks; a health check interval is a second or more.
const upPoll = 200 * time.Millisecond

func (s *set) WaitUp(ctx context.Context, h *inventory.Host, max time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	return s.each(func(m member) error { return named(m, "wait for "+h.Name+" to be up", waitUp(ctx, m, h)) })
}

func waitUp(ctx context.Context, m member, h *inventory.Host) error {
	if _, blind := m.(blind); blind {
		return nil
	}
	var last State
	for {
		states, err := m.state(ctx, []*inventory.Host{h})
		if err == nil {
			last = states[h.Name]
			if last.Status == Up {
				return nil
			}
		}
		if !pause(ctx, upPoll) {
			if err != nil && last.Status == "" {
				return err
			}
			return fmt.Errorf("it is %s there (%s): %w", last.Status, last.CheckedBy, ctx.Err())
		}
	}
}

// blind is a member that cannot tell a host's state.
type blind interface{ blind() }

func (s *set) State(ctx context.Context) (map[string]State, error) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	results := make([]map[string]State, len(s.members))
	index := map[member]int{}
	for i, m := range s.members {
		index[m] = i
	}
	err := s.each(func(m member) error {
		states, err := m.state(ctx, s.cluster.Hosts)
		results[index[m]] = states
		return named(m, "read the state", err)
	})
	all := make(map[string]State, len(s.cluster.Hosts))
	for _, h := range s.cluster.Hosts {
		var merged State
		for i, m := range s.members {
			st, ok := results[i][h.Name]
			if !ok {
				st = State{Status: Unknown, Sessions: -1, CheckedBy: m.name() + ": no answer"}
			}
			merged = merged.merge(m.name(), st)
		}
		all[h.Name] = merged
	}
	return all, err
}

func (s *set) Plan(ctx context.Context) ([]Change, error) {
	if !s.cluster.LoadBalancer.Manage {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	found := make(map[string]Change)
	var mu sync.Mutex
	err := s.each(func(m member) error {
		p, ok := m.(planner)
		if !ok {
			return fmt.Errorf("%s: load_balancer.manage works with type haproxy only", m.name())
		}
		c, err := p.plan(ctx)
		mu.Lock()
		defer mu.Unlock()
		found[m.name()] = c
		return named(m, "plan its configuration", err)
	})
	var changes []Change
	for _, m := range s.members {
		if c := found[m.name()]; c.Diff != "" {
			changes = append(changes, c)
		}
	}
	return changes, err
}

func (s *set) Apply(ctx context.Context, changes []Change) error {
	ctx, cancel := context.WithTimeout(ctx, 2*operationTimeout)
	defer cancel()
	// One balancer after the other: a mistake must not take all of them down.
	for _, c := range changes {
		for _, m := range s.members {
			p, ok := m.(planner)
			if !ok || m.name() != c.Balancer {
				continue
			}
			if err := p.apply(ctx, c); err != nil {
				return named(m, "change its configuration", err)
			}
		}
	}
	return nil
}

// named says which balancer an error comes from and what was being done.
func named(m member, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", m.name(), doing, err)
}

// pause waits for d; false when ctx ended first.
func pause(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}

// Port is the port that Grafana serves HTTP on at h: server.http_port, or 3000.
func Port(h *inventory.Host) int {
	if v, ok := h.Config.Get("server", "http_port"); ok {
		if n, err := strconv.Atoi(strings.TrimSpace(v.Reveal())); err == nil {
			return n
		}
	}
	return 3000
}

// addresses are all spellings of a host's host:port that a balancer's
// configuration may use: by name, by address, by what the address resolves to.
func addresses(ctx context.Context, h *inventory.Host) []string {
	port := strconv.Itoa(Port(h))
	all := []string{net.JoinHostPort(h.Address, port), net.JoinHostPort(h.Name, port)}
	if net.ParseIP(h.Address) == nil {
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
