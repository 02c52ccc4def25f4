package redisconn

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// stream is a connection on which text has come already.
type stream struct {
	net.Conn
	io.Reader
}

func (s stream) Read(p []byte) (int, error)  { return s.Reader.Read(p) }
func (s stream) Write(p []byte) (int, error) { return len(p), nil }
func (s stream) Close() error                { return nil }

// Each reply has a bound, and all of a connection have none.
func TestTheBoundIsOfEachReply(t *testing.T) {
	reply := "*1000\r\n" + strings.Repeat("$1000\r\n"+strings.Repeat("x", 1000)+"\r\n", 1000)
	b := &bounded{Conn: stream{Reader: strings.NewReader(strings.Repeat(reply, 10))}}
	buf := make([]byte, len(reply))
	for range 10 {
		if _, err := b.Write([]byte("PING\r\n")); err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadFull(b, buf); err != nil {
			t.Fatal(err)
		}
	}
	b = &bounded{Conn: stream{Reader: strings.NewReader(strings.Repeat(reply, 10))}}
	if n, err := io.Copy(&bytes.Buffer{}, b); err == nil || n > 2*maxReply {
		t.Errorf("%d bytes that nobody asked for: %v", n, err)
	}
}

// manyNodes is a Redis Cluster that names as many nodes as go into a reply, on each of
// which it answers too.
func manyNodes() func(context.Context, string, string) (net.Conn, error) {
	var slots strings.Builder
	n := 3500
	fmt.Fprintf(&slots, "*%d\r\n", n)
	for i := range n {
		fmt.Fprintf(&slots, "*3\r\n:%d\r\n:%d\r\n*2\r\n$1\r\nh\r\n:%d\r\n", i, i, i+1)
	}
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			defer func() { _ = theirs.Close() }()
			for in := make([]byte, 4096); ; {
				k, err := theirs.Read(in)
				if err != nil {
					return
				}
				answer := "-ERR unknown command\r\n"
				switch text := strings.ToLower(string(in[:k])); {
				case strings.Contains(text, "slots"):
					answer = slots.String()
				case strings.Contains(text, "ping"):
					answer = "+PONG\r\n"
				case strings.Contains(text, "pubsub"):
					answer = "*1000\r\n" + strings.Repeat("$1\r\nx\r\n", 1000)
				}
				if _, err := io.WriteString(theirs, answer); err != nil {
					return
				}
			}
		}()
		return ours, nil
	}
}

func TestAClusterOfManyNodesCostsLittle(t *testing.T) {
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", DialFunc: manyNodes()}}
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := LiveNodes(t.Context(), h, inventory.Redis{Address: "10.0.0.9:6379", Cluster: true}, "gf_live.node.")
	runtime.ReadMemStats(&after)
	if err == nil {
		t.Error("it was believed")
	}
	t.Logf("%v; %d MB allocated in all", err, (after.TotalAlloc-before.TotalAlloc)>>20)
	if grown := int64(after.HeapSys) - int64(before.HeapSys); grown > 64<<20 {
		t.Errorf("the heap grew by %d MB", grown>>20)
	}
}
