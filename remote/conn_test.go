package remote

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// peer is a tunnel and the far end of it.
func peer(t *testing.T, network, address string) (near, far net.Conn) {
	t.Helper()
	c := dialHost(t, &remotetest.Server{})
	l, err := net.Listen(network, address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	near, err = c.Dial(t.Context(), network, l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = near.Close() })
	if far, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = far.Close() })
	return near, far
}

func TestTunnel(t *testing.T) {
	for network, address := range map[string]string{"tcp": "127.0.0.1:0", "unix": filepath.Join(t.TempDir(), "s")} {
		t.Run(network, func(t *testing.T) {
			near, far := peer(t, network, address)
			data := content(1 << 20)
			go func() { _, _ = far.Write(data); _ = far.Close() }()
			got, err := io.ReadAll(near)
			if err != nil || string(got) != string(data) {
				t.Errorf("%d bytes, %v", len(got), err)
			}
			if near.RemoteAddr().Network() != network || near.LocalAddr().String() != "from g1" {
				t.Errorf("%v %v", near.RemoteAddr(), near.LocalAddr())
			}
		})
	}
}

func TestTunnelDeadlines(t *testing.T) {
	near, far := peer(t, "tcp", "127.0.0.1:0")
	b := make([]byte, 4)
	if err := near.SetReadDeadline(time.Now().Add(10 * time.Millisecond)); err != nil {
		t.Fatal(err)
	}
	_, err := near.Read(b)
	var timeout net.Error
	if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() {
		t.Errorf("got %v", err)
	}
	// What comes after the deadline is read when it is lifted.
	if _, err := far.Write([]byte("late")); err != nil {
		t.Fatal(err)
	}
	if _, err := near.Read(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	_ = near.SetReadDeadline(time.Time{})
	if _, err := io.ReadFull(near, b); err != nil || string(b) != "late" {
		t.Errorf("%q %v", b, err)
	}
	// A deadline set meanwhile ends a waiting read, as a canceled query does.
	read := make(chan error)
	go func() { _, err := near.Read(b); read <- err }()
	_ = near.SetDeadline(time.Unix(1, 0))
	if err := <-read; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := near.Write(b); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	// The far end does not read: the windows fill, and the deadline frees the writer.
	much := make([]byte, 64<<20) // making it may take longer than the deadline
	_ = near.SetWriteDeadline(time.Now().Add(200 * time.Millisecond))
	_, err = near.Write(much)
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("got %v", err)
	}
	if _, err := near.Read(b); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
	if err := near.Close(); err != nil {
		t.Error(err)
	}
}

func TestHTTPThroughTheTunnel(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/slow" {
			<-r.Context().Done()
		}
		fmt.Fprint(w, "ok")
	})}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	client := &http.Client{Transport: &http.Transport{DialContext: c.Dial}}
	defer client.CloseIdleConnections()
	for range 3 {
		res, err := client.Get("http://" + l.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		body, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(body) != "ok" {
			t.Errorf("got %q", body)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	req, _ := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+l.Addr().String()+"/slow", nil)
	if res, err := client.Do(req); err == nil {
		_ = res.Body.Close()
		t.Error("no error")
	}
}

func TestDialErrors(t *testing.T) {
	c := dialHost(t, &remotetest.Server{})
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	_ = l.Close()
	_, err = c.Dial(t.Context(), "tcp", l.Addr().String())
	if !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("got %v", err)
	}
	mustContain(t, err, "g1: dial tcp "+l.Addr().String()+" from the host")
	for _, bad := range [][2]string{{"udp", "1.2.3.4:5"}, {"tcp", "no port"}, {"tcp", "h:http"}} {
		if _, err := c.Dial(t.Context(), bad[0], bad[1]); err == nil {
			t.Errorf("dialled %v", bad)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err = c.Dial(ctx, "tcp", "127.0.0.1:1"); err == nil {
		t.Error("dialled after the end")
	}
}

func TestForwardingRefused(t *testing.T) {
	c := dialHost(t, &remotetest.Server{NoForwarding: true})
	if _, err := c.Dial(t.Context(), "unix", "/s"); !errors.Is(err, ErrForwardingRefused) {
		t.Errorf("got %v", err)
	}
	if _, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0"); !errors.Is(err, ErrForwardingRefused) {
		t.Errorf("got %v", err)
	}
}

func TestListen(t *testing.T) {
	s := &remotetest.Server{}
	c := dialHost(t, s)
	l, err := c.Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	far, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer far.Close()
	near, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	_ = near.SetDeadline(time.Now().Add(time.Minute))
	if _, err := far.Write([]byte("hi")); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 2)
	if _, err := io.ReadFull(near, b); err != nil || string(b) != "hi" {
		t.Errorf("%q %v", b, err)
	}
	_ = near.Close()
	_ = c.Close()
	var lost *UnreachableError
	if _, err := l.Accept(); !errors.As(err, &lost) {
		t.Errorf("got %v", err)
	}
}
