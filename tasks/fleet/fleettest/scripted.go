package fleettest

import (
	"archive/tar"
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
)

// Cluster is hosts that a small model answers for: what is unpacked, deployed and
// current on each, and whether its Grafana runs. They need neither root nor time of
// their own, so that a rollout on them is over as soon as nobody waits any more.
type Cluster struct {
	mu    sync.Mutex
	hosts []*Scripted
	live  *Live // nil: its nodes count each other at once, and there is no Redis
}

// Scripted is one host of a [Cluster]. Scripts are known by their step; one that is not
// known succeeds and says nothing.
type Scripted struct {
	Name string
	// Fail is asked before a command is carried out; its error is the command's. Nil: none.
	Fail func(cmd remote.Command) error
	// Astray: its node of Live is on another Redis than the others', alone.
	Astray bool
	// Strays: it will be so from its next start on.
	Strays bool
	// Asked are the steps of all commands, in order.
	Asked []string

	c           *Cluster
	releases    map[string]bool
	generations map[string]map[string]string // id to path to SHA-256; "" is the release
	current     string
	runs        string // generation of the process; empty: none runs
	started     int    // when, as a number that grows
	startedAt   time.Time
	endedAt     time.Time // of what ran before; zero: nothing did
	prepared    bool
	enabled     bool
	linked      bool
	good        []string
	drained     string
	stopped     string
	done        chan struct{}
	conns       []net.Conn
}

// NewCluster makes bare hosts.
func NewCluster(names ...string) *Cluster {
	c := &Cluster{}
	for _, name := range names {
		c.hosts = append(c.hosts, &Scripted{Name: name, c: c, releases: map[string]bool{}, generations: map[string]map[string]string{}, done: make(chan struct{})})
	}
	return c
}

// Host is the host of that name; nil when there is none.
func (c *Cluster) Host(name string) *Scripted {
	for _, h := range c.hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Running are the names of the hosts whose Grafana runs.
func (c *Cluster) Running() (out []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, h := range c.hosts {
		if h.runs != "" {
			out = append(out, h.Name)
		}
	}
	return out
}

// Stop ends the host's Grafana, as a crash does.
func (s *Scripted) Stop() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.ended()
}

// Change has a file of the current generation be another one than was deployed.
func (s *Scripted) Change(file string) {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.generations[s.current][file] = strings.Repeat("0", 64)
}

// Forget drops what is known of generations whose gates passed, as a broken run leaves it.
func (s *Scripted) Forget() {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.good = nil
}

// Run implements fleet.Conn.
func (s *Scripted) Run(_ context.Context, cmd remote.Command) (remote.Result, error) {
	if cmd.Step == "hold the lock" {
		return remote.Result{}, s.lock(cmd)
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	s.Asked = append(s.Asked, cmd.Step)
	if s.Fail != nil {
		if err := s.Fail(cmd); err != nil {
			return remote.Result{}, err
		}
	}
	if do := scripts[cmd.Step]; do != nil {
		out, err := do(s, cmd)
		return remote.Result{Stdout: []byte(out)}, err
	}
	return remote.Result{}, nil
}

// scripts are what the model knows, by step. Call with mu held.
var scripts = map[string]func(s *Scripted, cmd remote.Command) (string, error){
	"observe":                    func(s *Scripted, _ remote.Command) (string, error) { return s.facts(), nil },
	"prepare":                    func(s *Scripted, _ remote.Command) (string, error) { s.prepared = true; return "", nil },
	"find the home folder":       func(*Scripted, remote.Command) (string, error) { return "/home/ops", nil },
	"unpack":                     func(s *Scripted, cmd remote.Command) (string, error) { s.releases[cmd.Args[1]] = true; return "", nil },
	"write the generation":       (*Scripted).generation,
	"link":                       func(s *Scripted, _ remote.Command) (string, error) { s.linked = true; return "", nil },
	"enable the unit":            func(s *Scripted, _ remote.Command) (string, error) { s.enabled = true; return "", nil },
	"flip":                       (*Scripted).turn,
	"restart":                    (*Scripted).turn,
	"stop":                       (*Scripted).turn,
	"start":                      (*Scripted).turn,
	"read the service's state":   func(s *Scripted, _ remote.Command) (string, error) { return s.state() + "Boot=b\n", nil },
	"follow the log":             func(*Scripted, remote.Command) (string, error) { return "gossip settled; proceeding\n", nil },
	"delete old generations":     (*Scripted).prune,
	"remove":                     (*Scripted).remove,
	"mark as drained":            func(s *Scripted, cmd remote.Command) (string, error) { s.drained = cmd.Args[2]; return "", nil },
	"take the mark drained away": func(s *Scripted, _ remote.Command) (string, error) { s.drained = ""; return "", nil },
	"mark as stopped":            func(s *Scripted, cmd remote.Command) (string, error) { s.stopped = cmd.Args[2]; return "", nil },
	"take the mark stopped away": func(s *Scripted, _ remote.Command) (string, error) { s.stopped = ""; return "", nil },
}

// lock holds the host's lock until the orders end.
func (s *Scripted) lock(cmd remote.Command) error {
	in := bufio.NewScanner(cmd.Stdin)
	in.Buffer(nil, 1<<20)
	in.Scan() // the holder
	if _, err := io.WriteString(cmd.Stdout, "locked\n"); err != nil {
		return err
	}
	for in.Scan() {
		if id, ok := strings.CutPrefix(in.Text(), "good "); ok {
			s.c.mu.Lock()
			s.good = append(slices.DeleteFunc(s.good, func(g string) bool { return g == id }), id)
			s.c.mu.Unlock()
		}
	}
	return nil
}

// generation takes the files of a generation from the stream.
func (s *Scripted) generation(cmd remote.Command) (string, error) {
	files := map[string]string{"": cmd.Args[2]}
	r := tar.NewReader(cmd.Stdin)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return "", err
		}
		sum := sha256.New()
		if _, err := io.Copy(sum, r); err != nil {
			return "", err
		}
		name := path.Clean(h.Name)
		if h.Typeflag == tar.TypeReg && !strings.HasPrefix(name, "shown/") {
			files[name] = hex.EncodeToString(sum.Sum(nil))
		}
	}
	if !s.releases[cmd.Args[2]] {
		return "", &remote.ExitError{Host: s.Name, Step: cmd.Step, Status: 1, Stderr: "release " + cmd.Args[2] + " is not on this host"}
	}
	s.generations[cmd.Args[1]] = files
	return "", nil
}

// turn is turn.sh.
func (s *Scripted) turn(cmd remote.Command) (string, error) {
	verb, id := cmd.Step, cmd.Args[len(cmd.Args)-1]
	if verb != "start" {
		s.ended()
	}
	if verb == "flip" {
		if s.generations[id] == nil {
			return "", &remote.ExitError{Host: s.Name, Step: verb, Status: 1, Stderr: "generation " + id + " is not on this host"}
		}
		s.current = id
	}
	if verb != "stop" {
		s.c.start(s)
	}
	return "", nil
}

// start lets the host run what is current there.
func (c *Cluster) start(s *Scripted) {
	last := 0
	for _, h := range c.hosts {
		last = max(last, h.started)
	}
	s.runs, s.enabled, s.started, s.startedAt = s.current, true, last+1, time.Now()
	s.Astray = s.Strays
}

func (s *Scripted) prune(cmd remote.Command) (string, error) {
	for _, p := range cmd.Args[1:] {
		kind, name, _ := strings.Cut(p, "/")
		if kind == "generations" && name != s.current {
			delete(s.generations, name)
		}
		if kind == "releases" {
			delete(s.releases, name)
		}
	}
	return "", nil
}

func (s *Scripted) remove(remote.Command) (string, error) {
	s.releases, s.generations, s.current, s.runs, s.good = map[string]bool{}, map[string]map[string]string{}, "", "", nil
	s.linked, s.enabled = false, false
	return "", nil
}

// state is what systemctl show says of Grafana.
func (s *Scripted) state() string {
	active, sub, pid := "inactive", "dead", 0
	if s.runs != "" {
		active, sub, pid = "active", "running", 100+s.started
	}
	return fmt.Sprintf("ActiveState=%s\nSubState=%s\nMainPID=%d\nNRestarts=0\nResult=success\n", active, sub, pid)
}

// facts are what observe.sh prints.
func (s *Scripted) facts() string {
	var b bytes.Buffer
	rec := func(fields ...string) { b.WriteString(strings.Join(fields, "\t") + "\n") }
	rec("arch", "x86_64")
	rec("clock", fmt.Sprint(time.Now().Unix()))
	rec("uptime", "100000.00")
	rec("systemd", "252")
	if s.prepared {
		rec("user")
		rec("data-folders")
	}
	for _, r := range slices.Sorted(maps.Keys(s.releases)) {
		rec("release", r)
	}
	for _, id := range slices.Sorted(maps.Keys(s.generations)) {
		rec("generation", id, "../../releases/"+s.generations[id][""])
	}
	if s.current != "" {
		rec("current", "generations/"+s.current)
		files := s.generations[s.current]
		for _, f := range slices.Sorted(maps.Keys(files)) {
			if f != "" {
				rec(files[f] + "  ./" + f)
			}
		}
		rec("unit", "/etc/systemd/system/grafana-server.service", "Managed by ghadeploy")
		rec(files["unit"] + "  /etc/systemd/system/grafana-server.service")
	}
	if s.linked {
		rec("etc", "link", "/opt/grafana/current/etc")
	} else {
		rec("etc", "absent")
	}
	for line := range strings.Lines(s.state()) {
		rec("show", strings.TrimSpace(line))
	}
	if s.enabled {
		rec("show", "UnitFileState=enabled")
	}
	rec("show", fmt.Sprintf("ExecMainStartTimestampMonotonic=%d", s.started*1_000_000))
	if s.runs != "" {
		rec("cmdline", "1", "/opt/grafana/generations/"+s.runs+"/release/bin/grafana server")
	}
	for i, g := range s.good {
		rec("good", fmt.Sprintf("%s %d", g, i+1))
	}
	if s.drained != "" {
		rec("drained", s.drained)
	}
	if s.stopped != "" {
		rec("stopped", s.stopped)
	}
	rec("end")
	return b.String()
}

// Put implements fleet.Conn: it takes the file, and keeps nothing of it.
func (s *Scripted) Put(_ context.Context, up remote.Upload) (remote.UploadResult, error) {
	return remote.UploadResult{}, nil
}

// Dial implements fleet.Conn: Grafana answers on its port, Redis where there is one, and
// nobody elsewhere.
func (s *Scripted) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	_, port, _ := net.SplitHostPort(address)
	if port == "6379" && s.c.live != nil {
		return s.c.live.Dial(ctx, network, address)
	}
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	if port != "3000" || s.runs == "" {
		return nil, errors.New("connection refused")
	}
	ours, theirs := net.Pipe()
	s.conns = append(s.conns, ours)
	go s.serve(theirs)
	return ours, nil
}

// serve answers health and metrics until the connection is closed.
func (s *Scripted) serve(conn net.Conn) {
	defer conn.Close()
	r := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(r)
		if err != nil {
			return
		}
		body := s.answer(req.URL.Path)
		res := http.Response{StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(body)), Body: io.NopCloser(strings.NewReader(body)), Request: req,
			Header: http.Header{"Content-Type": {"text/plain; version=0.0.4"}}}
		if res.Write(conn) != nil {
			return
		}
	}
}

func (s *Scripted) answer(page string) string {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	version := s.version()
	if strings.HasSuffix(page, "/api/health") {
		return fmt.Sprintf(`{"database": "ok", "version": %q}`, version)
	}
	n, position := 0, 0
	for _, h := range s.c.hosts {
		if h.runs == "" {
			continue
		}
		n++
		if h.started < s.started {
			position++
		}
	}
	return fmt.Sprintf("grafana_build_info{version=%q} 1\nalertmanager_cluster_members %d\nalertmanager_peer_position %d\ngrafana_live_node_num_nodes %d\n",
		version, n, position, s.liveNodes())
}

// Listen implements fleet.Conn; nothing of a rollout listens.
func (s *Scripted) Listen(context.Context, string, string) (net.Listener, error) {
	return nil, errors.ErrUnsupported
}

// User implements fleet.Conn.
func (s *Scripted) User() string { return "root" }

// Done implements fleet.Conn.
func (s *Scripted) Done() <-chan struct{} { return s.done }

// Close implements fleet.Conn: it ends the connections to Grafana, and the host may be
// connected to once more.
func (s *Scripted) Close() error {
	s.c.mu.Lock()
	defer s.c.mu.Unlock()
	for _, c := range s.conns {
		_ = c.Close()
	}
	s.conns = nil
	return nil
}
