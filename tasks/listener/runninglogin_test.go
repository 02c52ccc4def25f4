package listener

import (
	"context"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// hostWith is this machine with a Grafana of a generation, started so.
func hostWith(t *testing.T, ini, password, config string) (fleet.Host, string) {
	t.Helper()
	root := t.TempDir()
	g := filepath.Join(root, "generations", "0a1b2c")
	bin := filepath.Join(root, "bin")
	for _, d := range []string{filepath.Join(g, "etc/secrets"), bin} {
		if err := os.MkdirAll(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write := func(name, text string) {
		if err := os.WriteFile(name, []byte(text), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(filepath.Join(g, "etc/grafana.ini"), ini)
	if password != "" {
		write(filepath.Join(g, "etc/secrets/metrics.basic_auth_password"), password)
	}
	process := exec.Command("sh", "-c", "sleep 60; :", "sh", "--config="+strings.ReplaceAll(config, "ROOT", root))
	if err := process.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = process.Process.Kill(); _ = process.Wait() })
	write(filepath.Join(bin, "systemctl"), "#!/bin/sh\necho MainPID="+strconv.Itoa(process.Process.Pid)+"\n")
	conn := &fleettest.Local{Name: "h1", OwnListener: true, Env: []string{"PATH=" + bin + ":" + os.Getenv("PATH")}}
	return fleet.Host{Host: &inventory.Host{Name: "h1", Address: "127.0.0.1"}, Conn: conn}, root
}

// A host is read with the login of what runs there, whatever the inventory has by now.
func TestMetricsAreReadWithTheLoginOfWhatRuns(t *testing.T) {
	const ours = "ROOT/generations/0a1b2c/etc/grafana.ini"
	for _, tt := range []struct {
		name, ini, file, config, user, password string
		want                                    int
	}{
		{"changed", "[metrics]\nbasic_auth_username = old\n", "old-pw", ours, "new", "new-pw", 200},
		{"taken away", "[metrics]\nbasic_auth_username = old\n", "old-pw\n", ours, "", "", 200},
		{"in the file itself", "[metrics]\nbasic_auth_username = old\nbasic_auth_password = `old-pw`\n\n[x]\nbasic_auth_password = no\n", "", ours, "", "", 200},
		{"the inventory's", "", "", ours, "old", "old-pw", 200},
		{"not of a generation", "[metrics]\nbasic_auth_username = old\n", "old-pw", "/tmp/x/etc/grafana.ini", "", "", 401},
		{"out of the generations", "[metrics]\nbasic_auth_username = old\n", "old-pw", "ROOT/generations/../generations/0a1b2c/etc/grafana.ini", "", "", 401},
		{"none anywhere", "[metrics]\n", "", ours, "new", "new-pw", 401},
	} {
		t.Run(tt.name, func(t *testing.T) {
			srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				user, password, sent := r.BasicAuth()
				if r.URL.Path != "/metrics" && sent {
					t.Error("the login went elsewhere")
				}
				if user != "old" || password != "old-pw" {
					w.WriteHeader(http.StatusUnauthorized)
				}
			}))
			defer srv.Close()
			h, root := hostWith(t, tt.ini, tt.file, tt.config)
			m := &MetricsTransport{Next: Unchecked(h), Host: h, Root: root, Service: "grafana-server", User: tt.user, Password: tt.password}
			for range 2 { // the second time from memory
				req, _ := http.NewRequestWithContext(context.Background(), http.MethodGet, srv.URL+"/metrics", nil)
				resp, err := m.RoundTrip(req)
				if err != nil {
					t.Fatal(err)
				}
				_ = resp.Body.Close()
				if resp.StatusCode != tt.want {
					t.Errorf("status %d, want %d", resp.StatusCode, tt.want)
				}
			}
		})
	}
}
