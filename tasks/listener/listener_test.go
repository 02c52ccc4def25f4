package listener_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

// TestMain is also the stranger: another process that listens, as nobody where it can.
func TestMain(m *testing.M) {
	if addr := os.Getenv("STRANGER"); addr != "" {
		stranger(addr)
		return
	}
	os.Exit(m.Run())
}

// stranger listens, says "ready", and says what each connection sent when it ends. It
// ends with its standard input.
func stranger(addr string) {
	if os.Getenv("STRANGER_USER") == "nobody" && os.Getuid() == 0 {
		if err := errors.Join(syscall.Setgid(65534), syscall.Setuid(65534)); err != nil {
			panic(err)
		}
	}
	ln, err := listen(addr)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("ready")
	go func() { _, _ = io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	for {
		c, err := ln.Accept()
		if err != nil {
			select {}
		}
		if os.Getenv("STRANGER_ONCE") != "" {
			_ = ln.Close()
			fmt.Println("gone")
		}
		go func() {
			got, _ := io.ReadAll(c)
			fmt.Printf("got %q\n", got)
		}()
	}
}

// listen shares the port with whoever of the same user shares it too (SO_REUSEPORT).
func listen(addr string) (net.Listener, error) {
	network := "tcp4"
	if strings.HasPrefix(addr, "[") {
		network = "tcp"
	}
	lc := net.ListenConfig{Control: func(_, _ string, c syscall.RawConn) error {
		var err error
		_ = c.Control(func(fd uintptr) { err = syscall.SetsockoptInt(int(fd), syscall.SOL_SOCKET, 0xf, 1) })
		return err
	}}
	return lc.Listen(context.Background(), network, addr)
}

type other struct {
	t     *testing.T
	cmd   *exec.Cmd
	in    io.Closer
	lines *bufio.Scanner
}

func newStranger(t *testing.T, addr string, env ...string) *other {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	o := &other{t: t, cmd: exec.CommandContext(t.Context(), self)}
	o.cmd.Env = append(os.Environ(), append(env, "STRANGER="+addr)...)
	in, err := o.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := o.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	o.in, o.lines = in, bufio.NewScanner(out)
	if err := o.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = in.Close(); _ = o.cmd.Wait() })
	o.waitFor("ready")
	return o
}

func (o *other) waitFor(line string) {
	o.t.Helper()
	if !o.lines.Scan() || o.lines.Text() != line {
		o.t.Fatalf("the stranger says %q, not %q", o.lines.Text(), line)
	}
}

// nothing ends the stranger and fails when a byte has reached it.
func (o *other) nothing() {
	o.t.Helper()
	_ = o.in.Close()
	for o.lines.Scan() {
		if o.lines.Text() != `got ""` {
			o.t.Errorf("the stranger %s", o.lines.Text())
		}
	}
}

// host is this machine, whose unit is what systemctl says here.
func host(t *testing.T, pid int, group string) *fleettest.Local {
	t.Helper()
	bin := t.TempDir()
	script := fmt.Sprintf("#!/bin/sh\necho MainPID=%d\necho ControlGroup=%s\n", pid, group)
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	return &fleettest.Local{Name: "h1", Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}
}

// grafana serves on an address as this process, which is then the unit's.
func grafana(t *testing.T, addr string) {
	t.Helper()
	ln, err := listen(addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "admin" || password != "sesame" {
			w.WriteHeader(http.StatusUnauthorized)
		}
	})}
	go func() { _ = srv.Serve(ln) }()
	t.Cleanup(func() { _ = srv.Close() })
}

// login sends the administrator's password to an address of the host.
func login(t *testing.T, conn fleet.Conn, address string) error {
	t.Helper()
	transport := listener.Transport("grafana-server", fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: conn})
	defer transport.CloseIdleConnections()
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+address+"/", nil)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "sesame")
	resp, err := (&http.Client{Transport: transport, Timeout: time.Minute}).Do(req)
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		t.Errorf("status %s", resp.Status)
	}
	return resp.Body.Close()
}

func freePort(t *testing.T) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = ln.Close() }()
	_, port, _ := net.SplitHostPort(ln.Addr().String())
	return port
}

const asNobody, asTheSame = "STRANGER_USER=nobody", "STRANGER_USER="

func TestALoginGoesToTheUnitAlone(t *testing.T) {
	for name, tt := range map[string]struct {
		unit, stranger string // addresses
		as             string
		down           bool   // the unit has no process
		dial           string // address
		refused        bool
	}{
		"the unit's own listener":                       {unit: "127.0.0.1", dial: "127.0.0.1"},
		"the unit at all addresses":                     {unit: "0.0.0.0", dial: "127.0.0.1"},
		"the unit, dual stack":                          {unit: "[::]", dial: "127.0.0.1"},
		"the unit, dual stack, by IPv6":                 {unit: "[::]", dial: "[::1]"},
		"the unit, by name":                             {unit: "127.0.0.1", dial: "localhost"},
		"another user while the unit is down":           {stranger: "127.0.0.1", as: asNobody, down: true, dial: "127.0.0.1", refused: true},
		"another user while the unit starts":            {stranger: "127.0.0.1", as: asNobody, dial: "127.0.0.1", refused: true},
		"another user at all addresses":                 {stranger: "0.0.0.0", as: asNobody, dial: "127.0.0.1", refused: true},
		"another user, dual stack":                      {stranger: "[::]", as: asNobody, dial: "127.0.0.1", refused: true},
		"another user at ::1, the unit elsewhere":       {unit: "127.0.0.1", stranger: "[::1]", as: asNobody, dial: "[::1]", refused: true},
		"another user at ::1 is no reason to refuse":    {unit: "127.0.0.1", stranger: "[::1]", as: asNobody, dial: "127.0.0.1"},
		"another user at 127.0.0.2":                     {unit: "127.0.0.1", stranger: "127.0.0.2", as: asNobody, dial: "127.0.0.2", refused: true},
		"a name may be any address":                     {unit: "127.0.0.1", stranger: "127.0.0.2", as: asNobody, dial: "localhost", refused: true},
		"the same user shares the port":                 {unit: "127.0.0.1", stranger: "127.0.0.1", as: asTheSame, dial: "127.0.0.1", refused: true},
		"the same user at the address, the unit at all": {unit: "0.0.0.0", stranger: "127.0.0.1", as: asTheSame, dial: "127.0.0.1", refused: true},
		"the same user, the unit at all of IPv6":        {unit: "[::]", stranger: "127.0.0.1", as: asTheSame, dial: "127.0.0.1", refused: true},
	} {
		t.Run(name, func(t *testing.T) {
			port, pid := freePort(t), os.Getpid()
			if tt.down {
				pid = 0
			}
			if tt.unit != "" {
				grafana(t, tt.unit+":"+port)
			}
			var o *other
			if tt.stranger != "" {
				o = newStranger(t, tt.stranger+":"+port, tt.as)
			}
			h := host(t, pid, "")
			times := 1
			if tt.as == asTheSame {
				times = 3 // which of two that share a port is asked is chance
			}
			for range times {
				err := login(t, h, tt.dial+":"+port)
				if !tt.refused && err != nil {
					t.Fatal(err)
				}
				foreign, ok := errors.AsType[*listener.ForeignError](err)
				if ok != tt.refused {
					t.Fatalf("got %v", err)
				}
				if ok {
					named(t, foreign, o, tt.as == asNobody, tt.down)
				}
			}
			if o != nil {
				o.nothing()
			}
		})
	}
}

// named checks whom the error names. A busy machine may not get to naming anyone.
func named(t *testing.T, e *listener.ForeignError, o *other, nobody, down bool) {
	t.Helper()
	if e.Down != down {
		t.Errorf("down is %v", e.Down)
	}
	if len(e.By) == 0 {
		t.Log("not named in time")
		return
	}
	if e.By[0].PID != strconv.Itoa(o.cmd.Process.Pid) || nobody && os.Getuid() == 0 && e.By[0].User != "nobody" {
		t.Errorf("names %+v instead of %d", e.By, o.cmd.Process.Pid)
	}
}

func TestAnUnusedPortRefusesAsEver(t *testing.T) {
	if err := login(t, host(t, 0, ""), "127.0.0.1:"+freePort(t)); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
}

// A stranger that takes a connection and lets go of the port just before Grafana starts
// still holds the connection.
func TestWhoTookTheConnectionIsSeenAfterItLeftThePort(t *testing.T) {
	addr := "127.0.0.1:" + freePort(t)
	o := newStranger(t, addr, asNobody, "STRANGER_ONCE=yes")
	h := host(t, os.Getpid(), "")
	h.DialFunc = func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := (&net.Dialer{}).DialContext(ctx, network, address)
		o.waitFor("gone")
		grafana(t, addr)
		return c, err
	}
	err := login(t, h, addr)
	if _, ok := errors.AsType[*listener.ForeignError](err); !ok {
		t.Errorf("got %v", err)
	}
	o.nothing()
}

// Grafana behind a wrapper is a child of MainPID in the unit's control group.
func TestAChildInTheUnitsControlGroupIsTheUnit(t *testing.T) {
	tree := ""
	for _, dir := range []string{"/sys/fs/cgroup/systemd", "/sys/fs/cgroup"} {
		if _, err := os.Stat(filepath.Join(dir, "cgroup.procs")); err == nil {
			tree = dir
			break
		}
	}
	group := fmt.Sprintf("/listener-test-%d", os.Getpid())
	inner := filepath.Join(tree, group, "inner")
	if err := os.MkdirAll(inner, 0o755); tree == "" || err != nil {
		t.Skipf("no control group can be made here: %v", err)
	}
	port := freePort(t)
	o := newStranger(t, "127.0.0.1:"+port, asNobody)
	t.Cleanup(func() {
		_ = o.in.Close()
		_ = o.cmd.Wait()
		_ = os.Remove(inner)
		_ = os.Remove(filepath.Dir(inner))
	})
	dial := func(h *fleettest.Local) error {
		d := listener.Dialer{Host: fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: h}, Service: "grafana-server"}
		c, err := d.DialContext(t.Context(), "tcp", "127.0.0.1:"+port)
		if err == nil {
			_ = c.Close()
		}
		return err
	}
	if err := dial(host(t, os.Getpid(), group)); err == nil {
		t.Error("a process outside of the group passed for the unit")
	}
	if err := os.WriteFile(filepath.Join(inner, "cgroup.procs"), []byte(strconv.Itoa(o.cmd.Process.Pid)), 0o644); err != nil {
		t.Skip(err)
	}
	if err := dial(host(t, os.Getpid(), group)); err != nil {
		t.Error(err)
	}
	if err := dial(host(t, os.Getpid(), "/")); err == nil {
		t.Error("the root of all groups passed for the unit's")
	}
}

func TestTheScriptsNeedNoMoreThanBusybox(t *testing.T) {
	box, err := exec.LookPath("busybox")
	if err != nil {
		t.Skip("no busybox")
	}
	port := freePort(t)
	h := host(t, os.Getpid(), "/system.slice/none")
	bin, _, _ := strings.Cut(strings.TrimPrefix(h.Env[0], "PATH="), ":")
	if out, err := exec.Command(box, "--install", "-s", bin).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	_ = os.Remove(filepath.Join(bin, "ss"))
	h.Env = []string{"PATH=" + bin}
	if err := os.WriteFile(filepath.Join(bin, "systemctl"), fmt.Appendf(nil, "#!%s/sh\necho MainPID=%d\n", bin, os.Getpid()), 0o755); err != nil {
		t.Fatal(err)
	}
	grafana(t, "127.0.0.1:"+port)
	if err := login(t, h, "127.0.0.1:"+port); err != nil {
		t.Error(err)
	}
	o := newStranger(t, "127.0.0.2:"+port, asNobody)
	err = login(t, h, "127.0.0.2:"+port)
	foreign, ok := errors.AsType[*listener.ForeignError](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	named(t, foreign, o, true, false)
	o.nothing()
	t.Log(err)
}
