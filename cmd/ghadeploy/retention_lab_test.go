package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// kept is what is on a host: generations, releases, and those that matter.
type kept struct {
	generations, releases      []string
	current, running, previous string
}

func (c *labCluster) kept(t *testing.T, host string) (k kept) {
	t.Helper()
	c.lines(t, host, `cd /opt/grafana/generations && ls`, &k.generations)
	c.lines(t, host, `cd /opt/grafana/releases && ls`, &k.releases)
	r := labtest.Ghadeploy(t, "releases", c.inv.Path, "--limit", host, "-o", "json")
	var doc releasesResult
	if err := json.Unmarshal([]byte(r.Stdout), &doc); err != nil || len(doc.Hosts) != 1 {
		t.Fatalf("releases: %v\n%s%s", err, r.Stdout, r.Stderr)
	}
	for _, g := range doc.Hosts[0].Generations {
		k.note(g)
	}
	link := c.Sh(t, host, `basename "$(readlink /opt/grafana/current)"`)
	if link != k.current {
		t.Errorf("%s: current is %s, releases says %s", host, link, k.current)
	}
	return k
}

func (k *kept) note(g tasks.GenerationInfo) {
	if g.Current {
		k.current = g.ID
	}
	if g.Running {
		k.running = g.ID
	}
	if g.Previous {
		k.previous = g.ID
	}
}

func (c *labCluster) lines(t *testing.T, host, script string, into *[]string) {
	t.Helper()
	*into = strings.Fields(c.Sh(t, host, script))
}

// Whatever comes and goes, a host keeps what runs, what is current and what a rollback
// goes to, as many generations as it was told, and no release that none of them needs.
func TestLabRetentionKeepsWhatRunsAndTheWayBack(t *testing.T) {
	lab := labtest.Need(t)
	c := labDeployed(t, labtest.Options{
		Hosts: []string{"h1"}, NoLive: true, Alerting: "none",
		Source: labSource(t, lab.Releases(t, map[string][]string{labtest.V1031: nil, labtest.V1032: nil})),
		Edit:   func(doc map[string]any) { with(nil)(doc); doc["keep_releases"] = 2 },
	})
	n := 0
	change := func() {
		n++
		c.theme(t, fmt.Sprintf("/kept/%d", n))
		c.must(t, "apply", "--yes", "--allow-downgrade", "--no-backup")
	}
	for _, tt := range []struct {
		name     string
		do       func()
		releases int
	}{
		{"a change", change, 1},
		{"another change", change, 1},
		{"an upgrade", func() { c.must(t, "upgrade", "--to", labtest.V1032, "--no-backup", "--yes") }, 2},
		{"a rollback", func() { c.must(t, "rollback", "--yes") }, 2},
		{"a change after the rollback", change, 1},
	} {
		before := c.kept(t, "h1")
		tt.do()
		k := c.kept(t, "h1")
		t.Logf("after %s: %+v", tt.name, k)
		for what, id := range map[string]string{"current": k.current, "running": k.running, "previous": k.previous} {
			if !slices.Contains(k.generations, id) {
				t.Errorf("after %s the %s generation %q is gone: %v", tt.name, what, id, k.generations)
			}
		}
		if k.running != k.current || k.previous == k.current {
			t.Errorf("after %s: %+v", tt.name, k)
		}
		if tt.name != "a rollback" && k.previous != before.running {
			t.Errorf("after %s a rollback goes to %s, not to %s, which ran before", tt.name, k.previous, before.running)
		}
		if len(k.generations) != 2 || len(k.releases) != tt.releases {
			t.Errorf("after %s: %d generations and %d releases, want 2 and %d: %+v", tt.name, len(k.generations), len(k.releases), tt.releases, k)
		}
	}
}
