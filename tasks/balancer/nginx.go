package balancer

import (
	"cmp"
	"context"
	"crypto/sha256"
	_ "embed" // for nginx.sh
	"encoding/hex"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// nginx is one nginx. It has neither a runtime API nor health checks, so a host
// is drained by `down` in its server line of the upstream, and a reload: the old
// workers finish what they have.
type nginx struct {
	cluster  *inventory.Cluster
	host     string
	conn     fleet.Conn
	upstream string
	at       *places

	mu   sync.Mutex // one edit at a time
	path string     // file of the upstream; found once when not configured
}

func newNginx(c *inventory.Cluster, host string, conn fleet.Conn, at *places) *nginx {
	return &nginx{cluster: c, host: host, conn: conn, upstream: backendName(c.LoadBalancer), path: c.LoadBalancer.Config, at: at}
}

func (n *nginx) name() string { return n.host }

// locate finds the file that has the upstream. Call with mu held.
func (n *nginx) locate(ctx context.Context) error {
	if n.path != "" {
		return nil
	}
	// -T prints the whole configuration, each file under its name.
	res, err := n.conn.Run(ctx, remote.Command{Args: []string{"nginx", "-T", "-q"}, Become: true,
		Timeout: askTimeout, Output: configOutput, Step: "read nginx's configuration"})
	if err != nil {
		return err
	}
	path := fileOfUpstream(string(res.Stdout), n.upstream)
	if path == "" {
		return fmt.Errorf("nginx has no upstream %q: set load_balancer.backend to its name", n.upstream)
	}
	n.path = path
	return nil
}

// read gives the file's text and the upstream's servers. Call with mu held.
func (n *nginx) read(ctx context.Context) (string, []upstreamServer, error) {
	if err := n.locate(ctx); err != nil {
		return "", nil, err
	}
	res, err := n.conn.Run(ctx, remote.Command{Args: []string{"cat", n.path}, Become: true,
		Timeout: askTimeout, Output: configOutput, Step: "read " + n.path})
	if err != nil {
		return "", nil, err
	}
	text := string(res.Stdout)
	servers, err := upstreamServers(text, n.upstream)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", n.path, err)
	}
	return text, servers, nil
}

// pick finds the server of a host: by one of its addresses as they are written, else
// by what a server's name stands for on nginx's own host.
func (n *nginx) pick(ctx context.Context, servers []upstreamServer, h *inventory.Host) (upstreamServer, bool) {
	all := addresses(ctx, h, n.at.of(h))
	written := make([]string, len(servers))
	for i, s := range servers {
		written[i] = s.hostPort()
		if slices.Contains(all, written[i]) {
			return s, true
		}
	}
	resolved := namesThere(ctx, n.conn, written)
	for i, s := range servers {
		if slices.ContainsFunc(resolved[written[i]], func(a string) bool { return slices.Contains(all, a) }) {
			return s, true
		}
	}
	return upstreamServer{}, false
}

// hostPort is the server's address with nginx's default port where none is written.
func (s upstreamServer) hostPort() string {
	if _, _, err := net.SplitHostPort(s.address); err != nil {
		return net.JoinHostPort(strings.Trim(s.address, "[]"), "80")
	}
	return strings.ToLower(s.address)
}

// written lists the servers as they stand in the file.
func written(servers []upstreamServer) string {
	all := make([]string, len(servers))
	for i, s := range servers {
		all[i] = s.address
	}
	return cmp.Or(strings.Join(all, ", "), "none")
}

func (n *nginx) drain(ctx context.Context, h *inventory.Host) error {
	return n.edit(ctx, h, n.marked)
}

// marked is the text with a server taken out, by us or by whom it was before.
func (n *nginx) marked(text string, s upstreamServer) (string, error) {
	if s.down {
		return text, nil
	}
	return s.markDown(text), nil
}

func (n *nginx) undrain(ctx context.Context, h *inventory.Host) error {
	return n.edit(ctx, h, n.unmarked)
}

// unmarked is the text with a server put back that we took out.
func (n *nginx) unmarked(text string, s upstreamServer) (string, error) {
	if s.down && !s.ours {
		return "", fmt.Errorf("server %s is `down` in %s by someone's hand; remove the word there and reload nginx", s.address, n.path)
	}
	return s.unmark(text), nil
}

// edit changes the line of one server, checks the result and reloads, and returns when no
// new connection goes where the file pointed before. It
// reloads too when the text is right already: a run that was killed between
// the two leaves it so.
func (n *nginx) edit(ctx context.Context, h *inventory.Host, change func(string, upstreamServer) (string, error)) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	text, servers, err := n.read(ctx)
	if err != nil {
		return err
	}
	s, ok := n.pick(ctx, servers, h)
	if !ok {
		return n.stranger(servers, h)
	}
	after, err := change(text, s)
	if err != nil {
		return err
	}
	return n.write(ctx, text, after)
}

func (n *nginx) stranger(servers []upstreamServer, h *inventory.Host) error {
	return fmt.Errorf("%s: upstream %q has no server %s (it has %s)", n.path, n.upstream, desired.Listens(h).At(h.Address), written(servers))
}

// write puts after in the place of before, and reloads. Call with mu held.
func (n *nginx) write(ctx context.Context, before, after string) error {
	sum := sha256.Sum256([]byte(before))
	_, err := n.conn.Run(ctx, remote.Command{Script: nginxScript, Args: []string{n.path, hex.EncodeToString(sum[:])},
		Become: true, Stdin: strings.NewReader(after), Timeout: operationTimeout, Step: "change " + n.path})
	return err
}

// nginxScript writes the file and returns when no worker of before accepts connections.
//
//go:embed nginx.sh
var nginxScript string

// waitIdle waits until the kernel of the balancer's host has no connection to
// the host left.
func (n *nginx) waitIdle(ctx context.Context, h *inventory.Host, max time.Duration) error {
	start := time.Now()
	all := addresses(ctx, h, n.at.of(h))
	for {
		count, err := n.connections(ctx, all)
		if err != nil {
			return err
		}
		waited := time.Since(start)
		if count == 0 {
			return nil
		}
		if waited >= max {
			return &BusyError{Balancer: n.host, Host: h.Name, Sessions: count, Waited: waited}
		}
		if fleet.Pause(ctx, min(2*idlePoll, max-waited)) != nil {
			return ctx.Err()
		}
	}
}

func (n *nginx) connections(ctx context.Context, addresses []string) (int, error) {
	// /proc/net/tcp6 is missing where IPv6 is off.
	res, err := n.conn.Run(ctx, remote.Command{Script: "cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || true",
		Timeout: askTimeout, Output: socketsOutput, Step: "count nginx's connections"})
	if err != nil {
		return 0, err
	}
	return countEstablished(string(res.Stdout), addresses), nil
}

func (n *nginx) state(ctx context.Context, hosts []*inventory.Host) (map[string]State, error) {
	n.mu.Lock()
	_, servers, err := n.read(ctx)
	n.mu.Unlock()
	if err != nil {
		return nil, err
	}
	res, err := n.conn.Run(ctx, remote.Command{Script: "cat /proc/net/tcp; cat /proc/net/tcp6 2>/dev/null || true",
		Timeout: askTimeout, Output: socketsOutput, Step: "count nginx's connections"})
	if err != nil {
		return nil, err
	}
	states := map[string]State{}
	for _, h := range hosts {
		s, ok := n.pick(ctx, servers, h)
		if !ok {
			states[h.Name] = State{Status: Unknown, Sessions: -1, CheckedBy: fmt.Sprintf("%s: upstream %q has no such server", n.host, n.upstream)}
			continue
		}
		st := State{Status: Up, Sessions: countEstablished(string(res.Stdout), addresses(ctx, h, n.at.of(h))),
			CheckedBy: n.host + ": configuration (nginx checks no health)"}
		switch {
		case s.ours:
			st.Status, st.Drained = Drain, true
		case s.down:
			st.Status, st.Drained = Maint, true
		}
		states[h.Name] = st
	}
	return states, nil
}
