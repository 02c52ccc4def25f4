package balancer

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// haproxy is one HAProxy.
type haproxy struct {
	cluster *inventory.Cluster
	host    string
	conn    fleet.Conn
	config  string // path of haproxy.cfg
	backend string
	at      *places

	mu     sync.Mutex
	api    *runtimeAPI
	traits *traits
}

func newHAProxy(c *inventory.Cluster, host string, conn fleet.Conn, at *places) *haproxy {
	h := &haproxy{cluster: c, host: host, conn: conn, config: c.LoadBalancer.Config, backend: backendName(c.LoadBalancer), at: at}
	if h.config == "" {
		h.config = "/etc/haproxy/haproxy.cfg"
	}
	return h
}

func (p *haproxy) name() string { return p.host }

// readConfig reads haproxy.cfg, which only root and haproxy may be able to.
func (p *haproxy) readConfig(ctx context.Context) (string, error) {
	res, err := p.conn.Run(ctx, remote.Command{Args: []string{"cat", p.config}, Become: true,
		Timeout: askTimeout, Output: configOutput, Step: "read " + p.config})
	if err != nil {
		return "", err
	}
	return string(res.Stdout), nil
}

// runtime finds the runtime API, once.
func (p *haproxy) runtime(ctx context.Context) (*runtimeAPI, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.api != nil {
		return p.api, nil
	}
	socket := p.cluster.LoadBalancer.Socket
	if socket == "" {
		config, err := p.readConfig(ctx)
		if err != nil {
			return nil, fmt.Errorf("find the stats socket: %w", err)
		}
		if socket, err = findSocket(config); err != nil {
			return nil, fmt.Errorf("%s: %w", p.config, err)
		}
	}
	if err := checkSocket(socket); err != nil {
		return nil, err
	}
	p.api = &runtimeAPI{conn: p.conn, socket: socket}
	return p.api, nil
}

func (p *haproxy) ask(ctx context.Context, command string) (string, error) {
	api, err := p.runtime(ctx)
	if err != nil {
		return "", err
	}
	answer, err := api.ask(ctx, command)
	if err != nil {
		return "", err
	}
	if strings.Contains(answer, "Permission denied") {
		return "", fmt.Errorf("HAProxy answers %q: the stats socket %s needs `level admin`", firstLine(answer), api.socket)
	}
	return answer, nil
}

// servers reads all servers of the backend.
func (p *haproxy) servers(ctx context.Context) ([]serverState, error) {
	answer, err := p.ask(ctx, "show servers state "+p.backend)
	if err != nil {
		return nil, err
	}
	if strings.Contains(answer, "Can't find backend") {
		return nil, p.noBackend(ctx)
	}
	servers, err := parseServers(answer)
	if err != nil {
		return nil, err
	}
	// 4: servers only.
	if len(servers) == 0 {
		return nil, p.noBackend(ctx)
	}
	// By number: a frontend may have the same name, and would answer instead.
	answer, err = p.ask(ctx, "show stat "+servers[0].backend+" 4 -1")
	if err != nil {
		return nil, err
	}
	return servers, addStats(servers, answer, time.Now())
}

// noBackend says which backends there are instead.
func (p *haproxy) noBackend(ctx context.Context) error {
	hint := "set load_balancer.backend, or manage: true to have it written"
	if answer, err := p.ask(ctx, "show backend"); err == nil {
		var names []string
		for _, n := range strings.Fields(answer) {
			if n != "#" && n != "name" && n != "MASTER" {
				names = append(names, n)
			}
		}
		if len(names) > 0 {
			hint = "there are " + strings.Join(names, ", ") + "; " + hint
		}
	}
	return &NoBackendError{Backend: p.backend, Hint: hint}
}

// find picks the server of a host: the one at its address and port, else the one named
// like it. While a host moves, its old server may keep its name beside the new one.
func find(ctx context.Context, servers []serverState, h *inventory.Host, at *places) (serverState, bool) {
	all := addresses(ctx, h, at.of(h))
	here := slices.DeleteFunc(slices.Clone(servers), func(s serverState) bool {
		return !slices.Contains(all, s.address) && (s.fqdn == "" || !slices.Contains(all, s.fqdn))
	})
	for _, candidates := range [][]serverState{here, servers} {
		for _, s := range candidates {
			if s.name == h.Name {
				return s, true
			}
		}
		if len(here) > 0 {
			return here[0], true
		}
	}
	return serverState{}, false
}

// server reads the server of one host.
func (p *haproxy) server(ctx context.Context, h *inventory.Host) (serverState, error) {
	servers, err := p.servers(ctx)
	if err != nil {
		return serverState{}, err
	}
	s, ok := find(ctx, servers, h, p.at)
	if !ok {
		return s, p.stranger(servers, h)
	}
	return s, nil
}

// stranger says that the backend does not have a host, and what it has.
func (p *haproxy) stranger(servers []serverState, h *inventory.Host) error {
	var names []string
	for _, s := range servers {
		names = append(names, s.name+" "+s.address)
	}
	return fmt.Errorf("backend %q has no server named %s or at %s:%d (it has %s)", p.backend, h.Name, h.Address, desired.Listens(h).Port,
		strings.Join(names, ", "))
}

// set gives a server an administrative state: ready, drain or maint.
func (p *haproxy) set(ctx context.Context, server, state string) error {
	answer, err := p.ask(ctx, fmt.Sprintf("set server %s/%s state %s", p.backend, server, state))
	if err != nil {
		return err
	}
	// Silence is consent.
	if said := strings.TrimSpace(answer); said != "" {
		return fmt.Errorf("set server %s/%s state %s: HAProxy answers %q", p.backend, server, state, firstLine(said))
	}
	return nil
}

func (p *haproxy) drain(ctx context.Context, h *inventory.Host) error {
	s, err := p.server(ctx, h)
	if err != nil {
		return err
	}
	if s.admin&(adminMaint|adminDrain) != 0 {
		return nil
	}
	return p.set(ctx, s.name, "drain")
}

// idlePoll is how often a draining server's sessions are counted.
const idlePoll = 100 * time.Millisecond

// waitIdle counts the sessions of a server in drain. State drain still lets a
// client in that sticks to the server (a cookie, a stick table,
// prefer-last-server); where that may be, maint shuts the door at half time, or
// when it is idle. Unless on-marked-down shutdown-sessions says otherwise,
// requests in flight survive maint as they do drain.
func (p *haproxy) waitIdle(ctx context.Context, h *inventory.Host, max time.Duration) error {
	start := time.Now()
	traits := p.sticky(ctx)
	shut := !traits.persistent || traits.cuts
	for {
		s, err := p.server(ctx, h)
		if err != nil {
			return err
		}
		waited := time.Since(start)
		if !shut && (s.sessions == 0 || waited >= max/2) {
			if err := p.set(ctx, s.name, "maint"); err != nil {
				return err
			}
			shut = true
			continue
		}
		if s.sessions == 0 {
			return nil
		}
		if waited >= max {
			return &BusyError{Balancer: p.host, Host: h.Name, Sessions: s.sessions, Waited: waited}
		}
		if fleet.Pause(ctx, min(idlePoll, max-waited)) != nil {
			return ctx.Err()
		}
	}
}

// sticky tells whether clients may stick to a server in drain; they may when
// the configuration cannot be read.
func (p *haproxy) sticky(ctx context.Context) traits {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.traits == nil {
		config, err := p.readConfig(ctx)
		if err != nil {
			return traits{persistent: true}
		}
		t := readTraits(config)
		p.traits = &t
	}
	return *p.traits
}

// undrain opens the server again, from drain as from maint. After drain HAProxy
// goes by the checks it made meanwhile; after maint, which pauses them, it takes
// the server for healthy until a check fails, which is why hosts pass their
// gates first.
func (p *haproxy) undrain(ctx context.Context, h *inventory.Host) error {
	s, err := p.server(ctx, h)
	if err != nil {
		return err
	}
	return p.set(ctx, s.name, "ready")
}

func (p *haproxy) state(ctx context.Context, hosts []*inventory.Host) (map[string]State, error) {
	servers, err := p.servers(ctx)
	if err != nil {
		return nil, err
	}
	states := make(map[string]State, len(hosts))
	for _, h := range hosts {
		if s, ok := find(ctx, servers, h, p.at); ok {
			states[h.Name] = s.state(p.host)
		} else {
			states[h.Name] = State{Status: Unknown, Sessions: -1, CheckedBy: fmt.Sprintf("%s: backend %q has no such server", p.host, p.backend)}
		}
	}
	return states, nil
}
