package check

import (
	"bufio"
	"context"
	"crypto/rand"
	_ "embed"
	"encoding/hex"
	"io"
	"net"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

//go:embed listen.sh
var listenScript string

//go:embed probe.sh
var probeScript string

// gossipChecks try the alerting cluster's ports between every ordered pair of hosts.
func gossipChecks() []unit {
	return []unit{{
		name: "gossip", about: "TCP and UDP between every pair of hosts on the alerting port",
		skip: func(r *run) string {
			switch {
			case r.Cluster.Alerting.HA != "gossip":
				return "alerting.ha is " + r.Cluster.Alerting.HA
			case len(r.Hosts) < 2:
				return "one host alone"
			}
			return ""
		},
		run: checkGossip,
	}}
}

const (
	listenSeconds = 8               // the listeners' own end, when the link to them is lost
	readyWithin   = 2 * time.Second // for the listeners to be up
	lateWithin    = 500 * time.Millisecond
)

// matrix is one run of the gossip check.
type matrix struct {
	r     *run
	port  int
	nonce string

	mu sync.Mutex
	// mode by host: "listen" or "ping"; cannot says why a host cannot be a target.
	mode   map[string]string
	cannot map[string]string
	// said is what the probe saw, by protocol, from and to.
	said map[[3]string]string
	// arrived are the datagrams that a listener printed, by from and to.
	arrived map[[2]string]bool
	news    chan struct{} // a datagram arrived
}

func checkGossip(ctx context.Context, r *run) []Finding {
	var random [8]byte
	_, _ = rand.Read(random[:])
	m := &matrix{
		r: r, port: r.gossipPort(), nonce: "ghadeploy-" + hex.EncodeToString(random[:]),
		mode: map[string]string{}, cannot: map[string]string{},
		said: map[[3]string]string{}, arrived: map[[2]string]bool{}, news: make(chan struct{}, 1),
	}
	listening, stop := context.WithCancel(ctx)
	defer stop()
	var listeners guard.Group
	defer listeners.Wait()
	defer stop() // before the wait
	m.prepare(listening, &listeners)
	var probes guard.Group
	for _, h := range r.Hosts {
		probes.Go(func() { m.probe(ctx, h) })
	}
	probes.Wait()
	m.awaitLate(ctx)
	return m.findings()
}

// prepare decides how each host can be a target, and starts listeners on the
// bare ones; it returns when all listen, or will not.
func (m *matrix) prepare(ctx context.Context, listeners *guard.Group) {
	up := map[string]chan struct{}{}
	for _, h := range m.r.Hosts {
		mode, cannot := m.target(h.Name)
		m.mu.Lock()
		if cannot != "" {
			m.cannot[h.Name] = cannot
		} else {
			m.mode[h.Name] = mode
		}
		m.mu.Unlock()
		if mode == "listen" {
			ready := make(chan struct{})
			up[h.Name] = ready
			listeners.Go(func() { m.listen(ctx, h, ready) })
		}
	}
	late := time.NewTimer(readyWithin)
	defer late.Stop()
	for name, ready := range up {
		select {
		case <-ready:
		case <-late.C:
			late.Reset(0) // the others are late too
			m.fail(name, "its listener was not up within "+readyWithin.String())
		case <-ctx.Done():
			return
		}
	}
}

// target says how a host can be tried: its running Grafana answers a ping, a bare
// one listens for us.
func (m *matrix) target(host string) (mode, cannot string) {
	f, known := m.r.facts[host]
	if !known {
		return "", "its facts could not be read"
	}
	for _, s := range f.sockets() {
		switch {
		case s.port != m.port:
		case f.ours(s):
			return "ping", ""
		default:
			return "", "another process holds the port: " + s.owner
		}
	}
	if f.get("listener") == "" {
		return "", "nothing listens there yet and it has no systemd-socket-activate to listen with"
	}
	return "listen", ""
}

func (m *matrix) fail(host, why string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.cannot[host] = why
	delete(m.mode, host)
}

// listen runs the listeners on h until ctx ends; up is closed once both are there,
// or will never be.
func (m *matrix) listen(ctx context.Context, h fleet.Host, up chan<- struct{}) {
	out, in := io.Pipe()
	var reading guard.Group
	reading.Go(func() {
		m.read(h.Name, out, up)
		_ = out.Close()
	})
	_, err := h.Run(ctx, remote.Command{
		Script: listenScript, Args: []string{strconv.Itoa(m.port), strconv.Itoa(listenSeconds)},
		Stdout: in, Timeout: Limit, Step: "listen on the gossip port",
	})
	_ = in.CloseWithError(io.EOF)
	reading.Wait()
	if err != nil && ctx.Err() == nil {
		m.fail(h.Name, err.Error())
	}
}

func (m *matrix) read(host string, out io.Reader, up chan<- struct{}) {
	waiting := 2 // TCP and UDP
	done := func() {
		if waiting > 0 {
			waiting = 0
			close(up)
		}
	}
	defer done()
	for lines := bufio.NewScanner(out); lines.Scan(); {
		line := lines.Text()
		switch {
		case strings.Contains(line, "Listening on"):
			if waiting--; waiting == 0 {
				waiting = 1
				done()
			}
		case strings.Contains(line, "Failed to"):
			m.fail(host, strings.TrimSpace(line))
			done()
		}
		if _, from, found := strings.Cut(line, m.nonce+" "); found {
			m.mu.Lock()
			m.arrived[[2]string{strings.TrimSpace(from), host}] = true
			m.mu.Unlock()
			select {
			case m.news <- struct{}{}:
			default:
			}
		}
	}
}

// probe has h try all other hosts, in one command.
func (m *matrix) probe(ctx context.Context, h fleet.Host) {
	ctx, cancel := context.WithTimeout(ctx, Probe)
	defer cancel()
	m.mu.Lock()
	modes := map[string]string{}
	for name, mode := range m.mode {
		modes[name] = mode
	}
	m.mu.Unlock()
	var args []string
	for _, to := range m.r.Hosts {
		mode := modes[to.Name]
		if to.Name == h.Name || mode == "" {
			continue
		}
		hello := printfBytes(m.nonce + " " + h.Name + "\n")
		payload := []string{hello, hello, hello}
		if mode == "ping" {
			labelled := printfBytes(memberlistPing(m.r.Cluster.Alerting.Label))
			payload = []string{labelled, printfBytes(memberlistPing("")), labelled}
		}
		args = append(args, to.Name, m.r.peerAddress(to), strconv.Itoa(m.port), mode, strings.Join(payload, " "))
	}
	if len(args) == 0 {
		return
	}
	if m.r.facts[h.Name].get("bash") == "" {
		m.probeThroughSSH(ctx, h, modes)
		return
	}
	res, err := h.Run(ctx, remote.Command{Args: append([]string{"bash", "-c", probeScript, "bash"}, args...), Timeout: Probe,
		Step: "try the gossip port of the other hosts"})
	m.mu.Lock()
	defer m.mu.Unlock()
	for line := range strings.Lines(string(res.Stdout)) {
		if words := strings.SplitN(strings.TrimSpace(line), "\t", 3); len(words) == 3 {
			m.said[[3]string{words[0], h.Name, words[1]}] = words[2]
		}
	}
	if err != nil {
		for i := 0; i < len(args); i += 5 {
			for _, proto := range []string{"tcp", "udp"} {
				if key := [3]string{proto, h.Name, args[i]}; m.said[key] == "" {
					m.said[key] = "untried: " + err.Error()
				}
			}
		}
	}
}

// probeThroughSSH is for hosts without bash: sshd there connects for us, over TCP only.
func (m *matrix) probeThroughSSH(ctx context.Context, h fleet.Host, modes map[string]string) {
	var all guard.Group
	for _, to := range m.r.Hosts {
		if to.Name == h.Name || modes[to.Name] == "" {
			continue
		}
		all.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, 2*time.Second)
			defer cancel()
			said := "ok"
			c, err := h.Dial(ctx, "tcp", net.JoinHostPort(m.r.peerAddress(to), strconv.Itoa(m.port)))
			if err == nil {
				_ = c.Close()
			} else {
				said = err.Error()
			}
			m.mu.Lock()
			defer m.mu.Unlock()
			m.said[[3]string{"tcp", h.Name, to.Name}] = said
			m.said[[3]string{"udp", h.Name, to.Name}] = "untried: no bash there to send a datagram with"
		})
	}
	all.Wait()
}

// awaitLate gives the last datagrams the time to travel: they come over another
// connection than the word that they were sent.
func (m *matrix) awaitLate(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, lateWithin)
	defer cancel()
	for m.outstanding() {
		select {
		case <-m.news:
		case <-ctx.Done():
			return
		}
	}
}

func (m *matrix) outstanding() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	for key, said := range m.said {
		if key[0] == "udp" && said == "sent" && !m.arrived[[2]string{key[1], key[2]}] {
			return true
		}
	}
	return false
}
