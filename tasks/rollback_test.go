package tasks

import (
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// on is a host with generations "version/id", of which the last is current and all
// but those that end in "!" passed their gates.
func on(t *testing.T, name string, generations ...string) seen {
	t.Helper()
	f := bare()
	for i, g := range generations {
		version, id, _ := strings.Cut(g, "/")
		id, never := strings.CutSuffix(id, "!")
		f.Generations[id] = version + "-0123456789ab"
		if !never {
			f.Good = append(f.Good, id)
			f.GoodAt[id] = time.Unix(int64(i), 0)
		}
		f.Current = id
	}
	c := testCluster(name)
	return seen{Host: fleet.Host{Host: c.Hosts[0]}, facts: f}
}

// TestWhereARollbackGoes: one generation back on every host; but out of an upgrade that
// was broken off, to the version that it came from, where some hosts still are.
func TestWhereARollbackGoes(t *testing.T) {
	even := []seen{on(t, "h1", "10.3.1/a1", "10.3.1/b1"), on(t, "h2", "10.3.1/a2", "10.3.1/b2")}
	broken := []seen{on(t, "h1", "10.3.1/a1", "10.3.1/b1"), on(t, "h2", "10.3.1/a2", "10.3.1/b2", "10.4.0/c2!")}
	first := []seen{on(t, "h1", "10.3.1/a1"), on(t, "h2", "10.3.1/a2", "10.4.0/c2")}
	for _, tt := range []struct {
		name  string
		hosts []seen
		to    string
		want  map[string]string // nil: refused
	}{
		{"the generation before", even, "", map[string]string{"h1": "a1", "h2": "a2"}},
		{"an id of one host takes all as far back", even, "a2", map[string]string{"h1": "a1", "h2": "a2"}},
		{"a version that all have stays", even, "10.3.1", map[string]string{"h1": "b1", "h2": "b2"}},
		{"broken off: whom it did not reach stays", broken, "", map[string]string{"h1": "b1", "h2": "b2"}},
		{"broken off, to the version", broken, "10.3.1", map[string]string{"h1": "b1", "h2": "b2"}},
		{"broken off after the first deploy", first, "", map[string]string{"h1": "a1", "h2": "a2"}},
		{"nothing before", []seen{on(t, "h1", "10.3.1/a1")}, "", nil},
	} {
		got, err := rollbackTargets(&picture{hosts: tt.hosts}, map[string]bool{"h1": true, "h2": true}, tt.to)
		if (err != nil) != (tt.want == nil) {
			t.Errorf("%s: %v", tt.name, err)
			continue
		}
		if diff := cmp.Diff(tt.want, got); diff != "" {
			t.Errorf("%s: %s", tt.name, diff)
		}
	}
}
