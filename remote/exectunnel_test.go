package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// needBash skips where the test server's commands cannot connect.
func needBash(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("bash"); err != nil {
		t.Skip("needs bash on this machine")
	}
}

func TestACommandConnectsWhereSSHDDoesNot(t *testing.T) {
	needBash(t)
	c := dialHost(t, &remotetest.Server{NoForwarding: true})
	big := strings.Repeat("binary \x00\xff\r\n", 100_000)
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%d ", len(b))
		_, _ = io.WriteString(w, big)
	}))
	defer web.Close()
	client := http.Client{Transport: &http.Transport{DialContext: c.Dial}}
	defer client.CloseIdleConnections()
	for range 3 {
		res, err := client.Post(web.URL, "text/plain", strings.NewReader(big))
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if want := fmt.Sprintf("%d %s", len(big), big); err != nil || string(got) != want {
			t.Fatalf("%d bytes came back, want %d; %v", len(got), len(want), err)
		}
	}
}

func TestACommandsConnectionHasDeadlinesAndAnEnd(t *testing.T) {
	needBash(t)
	s := &remotetest.Server{NoForwarding: true}
	c := dialHost(t, s)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	ctx, cancel := context.WithCancel(t.Context())
	conn, err := c.Dial(ctx, "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	cancel() // bounds the connecting alone
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	_ = conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatalf("got %v", err)
	}
	_ = conn.SetDeadline(time.Now().Add(time.Minute))
	if _, err := io.WriteString(conn, "ping"); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4)
	if _, err := io.ReadFull(far, b); err != nil || string(b) != "ping" {
		t.Fatalf("the far side read %q, %v", b, err)
	}
	if _, err := io.WriteString(far, "pong"); err != nil {
		t.Fatal(err)
	}
	_ = far.Close()
	if got, err := io.ReadAll(conn); err != nil || string(got) != "pong" {
		t.Fatalf("read %q to the end, %v", got, err)
	}
	if err := conn.Close(); err != nil {
		t.Error(err)
	}
	for range maxSessions { // its place is free again: all can be taken
		select {
		case c.slots <- struct{}{}:
		case <-time.After(time.Minute):
			t.Fatal("its place is still taken")
		}
	}
}

func TestClosingTellsTheFarSide(t *testing.T) {
	needBash(t)
	c := dialHost(t, &remotetest.Server{NoForwarding: true})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	conn, err := c.Dial(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	far, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	_ = conn.Close()
	_ = far.SetDeadline(time.Now().Add(time.Minute))
	if _, err := far.Read(make([]byte, 1)); !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("got %v", err)
	}
}

func TestWhatACommandSaysWhenItCannotConnect(t *testing.T) {
	needBash(t)
	c := dialHost(t, &remotetest.Server{NoForwarding: true})
	if _, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Dial(t.Context(), "tcp", "no-such-host.invalid:1"); err == nil || !strings.Contains(err.Error(), "no-such-host.invalid") {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Dial(ctx, "tcp", "127.0.0.1:1"); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

func TestWithoutBashForwardingStaysRefused(t *testing.T) {
	dir := t.TempDir()
	for _, tool := range []string{"sh", "dd", "cat"} {
		at, err := exec.LookPath(tool)
		if err != nil {
			t.Skip("needs " + tool)
		}
		if err := os.Symlink(at, filepath.Join(dir, tool)); err != nil {
			t.Fatal(err)
		}
	}
	c := dialHost(t, &remotetest.Server{NoForwarding: true, Env: []string{"PATH=" + dir}})
	_, err := c.Dial(t.Context(), "tcp", "127.0.0.1:1")
	if !errors.Is(err, ErrForwardingRefused) || !strings.Contains(err.Error(), "AllowTcpForwarding") {
		t.Errorf("got %v", err)
	}
}
