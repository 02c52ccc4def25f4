package tasks

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// recorder is a host that records what it is asked, and runs it on this machine.
type recorder struct {
	fleettest.Local
	mu       sync.Mutex
	asked    []string
	mutating []string
}

func (r *recorder) note(what string, writes bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.asked = append(r.asked, what)
	if writes {
		r.mutating = append(r.mutating, what)
	}
}

// Run knows the two scripts that only read; everything else counts as a write.
func (r *recorder) Run(ctx context.Context, cmd remote.Command) (remote.Result, error) {
	r.note("run "+cmd.Step, cmd.Script != observeScript && cmd.Script != deployedScript || cmd.Stdin != nil)
	return r.Local.Run(ctx, cmd)
}

func (r *recorder) Put(ctx context.Context, up remote.Upload) (remote.UploadResult, error) {
	r.note("put "+up.Path, true)
	return r.Local.Put(ctx, up)
}

func (r *recorder) Dial(ctx context.Context, network, address string) (net.Conn, error) {
	r.note("dial "+address, false)
	return r.Local.Dial(ctx, network, address)
}

func (r *recorder) Listen(ctx context.Context, network, address string) (net.Listener, error) {
	r.note("listen "+address, true)
	return r.Local.Listen(ctx, network, address)
}

func TestAPlanWritesNothingAndTakesTwoRoundTripsAtMost(t *testing.T) {
	for _, tt := range []struct {
		name string
		// deployed is grafana.ini of the current generation; empty: a bare host
		deployed string
		want     []string
	}{
		{"bare", "", []string{"run observe"}},
		{"changed", "[server]\nhttp_port = 3001\n", []string{"run observe", "run read the current files"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			c := testCluster("h1", "h2")
			c.LoadBalancer = inventory.LoadBalancer{Type: "none"}
			c.Grafana.Artifact = inventory.Artifact{Source: "https://mirror.example.com/grafana-{version}.tar.gz", SHA256: map[string]string{"": strings.Repeat("ab", 32)}, Delivery: "pull"}
			c.Paths.Root, c.Paths.Etc, c.Paths.State = filepath.Join(dir, "opt"), filepath.Join(dir, "etc"), filepath.Join(dir, "state")
			c.Paths.Service = "no-such-unit"
			if tt.deployed != "" {
				deploy(t, c.Paths.Root, tt.deployed)
			}
			hosts := map[string]*recorder{"h1": {}, "h2": {}}
			r := New(c, Options{Command: "plan", Connect: func(_ context.Context, h *inventory.Host) (fleet.Conn, error) { return hosts[h.Name], nil }})
			defer r.Close()

			before := tree(t, dir)
			p, err := r.Plan(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if p.Empty() {
				t.Error("there is nothing in the plan: that making it wrote nothing proves nothing")
			}
			if diff := cmp.Diff(before, tree(t, dir)); diff != "" {
				t.Errorf("planning changed files:\n%s", diff)
			}
			for name, h := range hosts {
				if len(h.mutating) > 0 {
					t.Errorf("%s was asked for what may write: %v", name, h.mutating)
				}
				// Which database the hosts are on, and are to be on, is asked through one of them.
				asked := slices.DeleteFunc(h.asked, func(what string) bool { return name == "h1" && what == "dial "+c.Database.Host })
				if diff := cmp.Diff(tt.want, asked); diff != "" {
					t.Errorf("%s: round trips: %s", name, diff)
				}
			}
		})
	}
}

// deploy makes a generation as it lies on a host that runs another grafana.ini.
func deploy(t *testing.T, root, ini string) {
	t.Helper()
	etc := filepath.Join(root, "generations", "aaaaaaaaaaaa", "etc")
	if err := os.MkdirAll(etc, 0o755); err != nil {
		t.Fatal(err)
	}
	for path, text := range map[string]string{filepath.Join(etc, "grafana.ini"): ini, filepath.Join(etc, "..", "manifest.json"): "{}"} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("generations/aaaaaaaaaaaa", filepath.Join(root, "current")); err != nil {
		t.Fatal(err)
	}
}
