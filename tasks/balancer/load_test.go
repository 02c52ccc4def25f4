package balancer

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// node is a server in place of Grafana. Its stop is brutal: what is in flight is cut.
type node struct {
	host *inventory.Host
	addr string
	srv  *http.Server
	held chan struct{} // requests for=held are answered when it is closed
	got  atomic.Int64  // requests
}

func startNode(t *testing.T, name, addr string) *node {
	n := &node{addr: addr, held: make(chan struct{})}
	n.start(t)
	_, port, _ := net.SplitHostPort(n.addr)
	n.host = &inventory.Host{Name: name, Address: "127.0.0.1", Config: inventory.Config{
		{Name: "server", Keys: []inventory.Key{{Name: "http_port", Value: inventory.PlainValue(port)}}}}}
	t.Cleanup(n.stop)
	return n
}

func (n *node) start(t *testing.T) {
	t.Helper()
	l, err := net.Listen("tcp", n.addr)
	if err != nil {
		t.Fatal(err)
	}
	n.addr = l.Addr().String()
	n.srv = &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		n.got.Add(1)
		if r.URL.Query().Get("for") == "held" {
			select {
			case <-n.held:
			case <-r.Context().Done():
				return
			}
		}
		if d, err := time.ParseDuration(r.URL.Query().Get("for")); err == nil {
			select {
			case <-time.After(d):
			case <-r.Context().Done():
				return
			}
		}
		_, _ = io.WriteString(w, "ok")
	})}
	go func() { _ = n.srv.Serve(l) }()
}

func (n *node) stop() { _ = n.srv.Close() }

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// need skips the test when a program is missing, and with -short, where no servers start.
func need(t *testing.T, program string) string {
	t.Helper()
	if testing.Short() {
		t.Skip("starts " + program)
	}
	for _, p := range []string{program, "/usr/sbin/" + program} {
		if path, err := exec.LookPath(p); err == nil {
			return path
		}
	}
	t.Skip("needs " + program + " (apt-get install " + program + ")")
	return ""
}

func write(t *testing.T, path, text string, mode os.FileMode) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), mode); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// run starts a program in the foreground and ends it with the test.
func run(t *testing.T, program string, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out := &output{}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			t.Log(out.String())
		}
	})
	return cmd
}

// output is what a program has said so far.
type output struct {
	mu sync.Mutex
	b  strings.Builder
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.Write(p)
}

func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.b.String()
}

// reachable waits until something answers at addr.
func reachable(t *testing.T, addr string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		resp, err := get(ctx, "http://"+addr+"/")
		if err == nil && resp == http.StatusOK {
			return
		}
		if fleet.Pause(ctx, 20*time.Millisecond) != nil {
			t.Fatalf("%s does not answer: %v", addr, err)
		}
	}
}

// get asks on a connection of its own.
func get(ctx context.Context, url string, cookies ...*http.Cookie) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	for _, c := range cookies {
		req.AddCookie(c)
	}
	tr := &http.Transport{DisableKeepAlives: true}
	resp, err := tr.RoundTrip(req)
	if err != nil {
		return 0, err
	}
	defer resp.Body.Close()
	_, err = io.Copy(io.Discard, resp.Body)
	return resp.StatusCode, err
}

// load sends requests until it is stopped and keeps what failed.
type load struct {
	wg     sync.WaitGroup
	mu     sync.Mutex
	sent   int
	failed []string
	cancel context.CancelFunc
}

func (l *load) note(status int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if err != nil || status != http.StatusOK {
		l.failed = append(l.failed, fmt.Sprintf("%d %v", status, err))
	}
}

// startLoad sends one request every interval, and each 500 ms one that takes long.
func startLoad(ctx context.Context, url string, interval, long time.Duration, cookies ...*http.Cookie) *load {
	l := &load{}
	stop, cancel := context.WithCancel(ctx)
	l.cancel = cancel
	send := func(every time.Duration, url string) {
		for fleet.Pause(stop, every) == nil {
			l.wg.Go(func() { l.note(get(ctx, url, cookies...)) })
		}
	}
	l.wg.Go(func() { send(interval, url) })
	l.wg.Go(func() { send(500*time.Millisecond, url+"?for="+long.String()) })
	return l
}

func (l *load) stop(t *testing.T, least int) {
	t.Helper()
	for {
		l.mu.Lock()
		enough := l.sent >= least || len(l.failed) > 0
		l.mu.Unlock()
		if enough || fleet.Pause(t.Context(), 10*time.Millisecond) != nil {
			break
		}
	}
	l.cancel()
	l.wg.Wait()
	if len(l.failed) > 0 {
		t.Errorf("%d of %d requests failed, the first: %s", len(l.failed), l.sent, l.failed[0])
	}
}

// roll takes every node through a turn under load.
func roll(t *testing.T, b Balancer, nodes []*node, max time.Duration) {
	t.Helper()
	for _, n := range nodes {
		busy(t, b, n.host)
		if err := b.Drain(t.Context(), n.host); err != nil {
			t.Fatal(err)
		}
		states, err := b.State(t.Context())
		if err != nil || !states[n.host.Name].Drained {
			t.Fatalf("after the drain: %+v, %v", states, err)
		}
		if err := b.WaitIdle(t.Context(), n.host, max); err != nil {
			t.Fatal(err)
		}
		n.stop()
		n.start(t)
		if err := b.Undrain(t.Context(), n.host); err != nil {
			t.Fatal(err)
		}
		if err := b.WaitUp(t.Context(), n.host, 20*time.Second); err != nil {
			t.Fatal(err)
		}
	}
}

// until polls the balancer's state of a host until it is as wanted.
func until(t *testing.T, b Balancer, h *inventory.Host, wanted func(State) bool) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	for {
		states, err := b.State(ctx)
		if err == nil && wanted(states[h.Name]) {
			return
		}
		if fleet.Pause(ctx, 10*time.Millisecond) != nil {
			t.Fatalf("%s stays %+v, %v", h.Name, states[h.Name], err)
		}
	}
}

// busy waits until requests are in flight to a host.
func busy(t *testing.T, b Balancer, h *inventory.Host) {
	t.Helper()
	until(t, b, h, func(s State) bool { return s.Sessions > 0 })
}
