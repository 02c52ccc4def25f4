package database

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// A pooler between host and server is found when it pools transactions, and left
// in peace when it pools sessions.
func TestLabTransactionPoolerIsFound(t *testing.T) {
	h := labHost(t, "h1")
	bouncer, err := exec.LookPath("pgbouncer")
	if err != nil {
		t.Skip("needs pgbouncer on this machine: apt-get install pgbouncer")
	}
	for mode, want := range map[string]bool{"transaction": true, "session": false} {
		t.Run(mode, func(t *testing.T) {
			address := startPooler(t, bouncer, mode)
			db := inventory.Database{Type: "postgres", Host: address, Name: "grafana", User: "grafana", Password: inventory.NewSecret("grafana", "literal")}
			r, err := Probe(t.Context(), h, db, ProbeOptions{Pooling: true, DDL: true})
			if err != nil {
				t.Fatal(err)
			}
			if r.TransactionPooling != want || r.DDL != "" {
				t.Errorf("report %+v", r)
			}
		})
	}
}

// startPooler runs PgBouncer on the lab's side of this machine until the test ends.
func startPooler(t *testing.T, bouncer, mode string) string {
	t.Helper()
	server := labtest.Need(t).Host("svc")
	here := server[:strings.LastIndexByte(server, '.')] + ".1" // this machine in the lab's network
	l, err := net.Listen("tcp", here+":0")
	if err != nil {
		t.Skipf("needs the lab's network on this machine: %v", err)
	}
	address := l.Addr().String()
	_, port, _ := net.SplitHostPort(address)
	_ = l.Close()
	dir, err := os.MkdirTemp("", "pooler")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	conf := fmt.Sprintf("[databases]\n* = host=%s port=5432 user=grafana password=grafana\n[pgbouncer]\nlisten_addr = %s\nlisten_port = %s\nauth_type = any\npool_mode = %s\nunix_socket_dir =\nignore_startup_parameters = extra_float_digits\n", server, here, port, mode)
	file := filepath.Join(dir, "pgbouncer.ini")
	if err := os.WriteFile(file, []byte(conf), 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), bouncer, "-q", "-u", "nobody", file)
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); {
		if c, err := net.DialTimeout("tcp", address, time.Second); err == nil {
			_ = c.Close()
			return address
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Fatal("pgbouncer does not listen")
	return ""
}
