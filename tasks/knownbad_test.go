package tasks

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

const oldMariaDB = "10.11.6-MariaDB-0+deb12u1"

// upgradeOf is what a plan from one version to another is made of; from "" is a first
// deployment.
func upgradeOf(t *testing.T, from, to, server string) planInput {
	t.Helper()
	c := testCluster()
	c.Database.Type, c.Database.SSLMode, c.Database.Host = "mysql", "", "10.0.0.9:3306"
	in := planInput{cluster: c, command: "upgrade", selected: map[string]bool{}, desired: desiredOf(t, c, to), facts: map[string]*Facts{}}
	in.server.DatabaseServer = grafana.ParseDatabaseServer("mysql", server)
	for _, h := range c.Hosts {
		in.selected[h.Name] = true
		in.facts[h.Name] = bare()
		if from != "" {
			in.facts[h.Name] = converged(desiredOf(t, c, from)[h.Name], time.Hour)
		}
	}
	return in
}

func TestAKnownBadVersionIsRefusedWithTheOneToTake(t *testing.T) { // grafana#118836
	for name, from := range map[string]string{"upgrade": "10.4.0", "first deployment": ""} {
		t.Run(name, func(t *testing.T) {
			in := upgradeOf(t, from, "12.4.0", oldMariaDB)
			_, err := makePlan(in)
			if _, isUsage := errors.AsType[*UsageError](err); !isUsage {
				t.Fatalf("got %v, want a usage error", err)
			}
			for _, want := range []string{
				"MariaDB 10.11.6", "utf8mb4_0900_as_cs", "ghadeploy upgrade INVENTORY --to 12.4.1", "--allow-known-bad", "#118836",
			} {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v\ndoes not say %q", err, want)
				}
			}
			in.allowKnownBad = true
			p, err := makePlan(in)
			if err != nil || !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "known fault") }) {
				t.Errorf("insisted on: %v", err)
			}
		})
	}
}

func TestAKnownBadVersionHoldsNobodyUpWhomItDoesNotConcern(t *testing.T) {
	for name, in := range map[string]planInput{
		"across it":                        upgradeOf(t, "10.4.0", "12.4.1", oldMariaDB),
		"another server":                   upgradeOf(t, "10.4.0", "12.4.0", "8.0.36"),
		"what runs already stays as it is": upgradeOf(t, "12.4.0", "12.4.0", oldMariaDB),
	} {
		t.Run(name, func(t *testing.T) {
			p, err := makePlan(in)
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "known to fail") }) {
				t.Errorf("warnings %q", p.Warnings)
			}
		})
	}
}

// A changed setting restarts hosts on the version they have: its faults are behind it.
func TestAKnownBadVersionThatRunsTakesNewSettings(t *testing.T) {
	in := upgradeOf(t, "12.4.0", "12.4.0", oldMariaDB)
	in.cluster.Hosts[0].Config = inventory.Config{{Name: "smtp", Keys: []inventory.Key{{Name: "from_name", Value: inventory.PlainValue("g")}}}}
	in.desired = desiredOf(t, in.cluster, "12.4.0")
	p, err := makePlan(in)
	if err != nil || p.Empty() {
		t.Errorf("empty %v, %v", p == nil || p.Empty(), err)
	}
}

func TestTheHostsOwnSettingsAreLookedAt(t *testing.T) { // grafana#100256
	off := inventory.Config{{Name: "database", Keys: []inventory.Key{{Name: "migration_locking", Value: inventory.PlainValue("false")}}}}
	in := upgradeOf(t, "11.4.0", "11.6.2", "8.0.35-27.1")
	if _, err := makePlan(in); err != nil {
		t.Fatal(err)
	}
	in.cluster.Hosts[2].Config = off
	in.desired = desiredOf(t, in.cluster, "11.6.2")
	if _, err := makePlan(in); err == nil || !strings.Contains(err.Error(), "11.6.3") {
		t.Errorf("got %v, want it to name 11.6.3", err)
	}
}

func TestAPlanIsMadeWithoutADatabaseAndSaysWhatItCouldNotLookUp(t *testing.T) {
	for version, asked := range map[string]bool{"12.4.0": true, "12.4.1": false, "10.3.1": false} {
		dir := t.TempDir()
		t.Setenv("XDG_CACHE_HOME", t.TempDir())
		c := testCluster("h1", "h2")
		c.LoadBalancer = inventory.LoadBalancer{Type: "none"}
		c.Database.Type, c.Database.SSLMode, c.Database.Host = "mysql", "", "127.0.0.1:1" // nobody listens there
		c.Grafana.Artifact = inventory.Artifact{
			Source: "https://mirror.example.com/grafana-{version}.tar.gz", SHA256: map[string]string{"": strings.Repeat("ab", 32)}, Delivery: "pull",
		}
		c.Paths.Root, c.Paths.Etc, c.Paths.State = filepath.Join(dir, "opt"), filepath.Join(dir, "etc"), filepath.Join(dir, "state")
		c.Paths.Service = "no-such-unit"
		hosts := map[string]*recorder{"h1": {}, "h2": {}}
		connect := func(_ context.Context, h *inventory.Host) (fleet.Conn, error) { return hosts[h.Name], nil }
		r := New(c, Options{Command: "plan", Connect: connect})
		p, err := r.PlanUpgrade(t.Context(), version)
		r.Close()
		if err != nil {
			t.Fatalf("%s: %v", version, err)
		}
		warned := slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.Contains(w, "not looked up") })
		dialled := slices.Contains(hosts["h1"].asked, "dial 127.0.0.1:1")
		if warned != asked || dialled != asked {
			t.Errorf("%s: asked the database: %v, warned: %v, want %v; %q", version, dialled, warned, asked, p.Warnings)
		}
	}
}
