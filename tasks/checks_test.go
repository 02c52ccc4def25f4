package tasks

import (
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// Where database.create cannot look whether role and database are there, check says so
// among its findings and goes on.
func TestCheckFindsADatabaseThatCannotBeMade(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", t.TempDir())
	c := testCluster("h1")
	c.LoadBalancer, c.Alerting.HA = inventory.LoadBalancer{Type: "none"}, "none"
	c.Database.Host, c.Database.Create = "127.0.0.1:1", &inventory.Credentials{User: "admin", Password: inventory.NewSecret("a", "env:A")}
	c.Grafana.Artifact = inventory.Artifact{Source: "https://mirror.example.com/grafana-{version}.tar.gz", SHA256: map[string]string{"": strings.Repeat("ab", 32)}, Delivery: "pull"}
	c.Paths.Root, c.Paths.Etc, c.Paths.State = filepath.Join(dir, "opt"), filepath.Join(dir, "etc"), filepath.Join(dir, "state")
	c.Paths.Service = "no-such-unit"
	var others []string
	for _, name := range check.Names() {
		if name, _, _ = strings.Cut(name, "\t"); name != "database" {
			others = append(others, name)
		}
	}
	r := New(c, Options{Command: "check", SkipChecks: others, Connect: func(context.Context, *inventory.Host) (fleet.Conn, error) { return &fleettest.Local{}, nil }})
	defer r.Close()
	found, err := r.Check(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if !slices.ContainsFunc(check.Failed(found), func(f check.Finding) bool {
		return f.Check == "database" && f.Host == "h1" && strings.Contains(f.What, "cannot reach the database at 127.0.0.1:1")
	}) {
		t.Errorf("found %v", found)
	}
}
