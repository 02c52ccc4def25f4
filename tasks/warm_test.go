package tasks

import (
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Who takes over all users at once has answered such requests before: a Grafana that has
// just started takes long for its first ones.
func TestWhoTakesOverHasAnsweredRequestsBefore(t *testing.T) {
	c, r := startNodes(t, "old", "old", "old")
	r.cluster.Grafana.Admin = inventory.Admin{User: "admin", Password: inventory.NewSecret("right", "env:P")}
	for _, n := range c.all {
		n.password = "right"
	}
	r.handoverPolicy("h1", []string{"h1"}, []string{"h2", "h3"})
	if err := r.roll(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, strings.Join(c.said, "\n"))
	}
	for _, page := range warmPages {
		path, _, _ := strings.Cut(page, "?")
		if n := len(slices.DeleteFunc(slices.Clone(c.all["h1"].signedIn), func(p string) bool { return p != path })); n < warmWidth*warmRounds {
			t.Errorf("h1 was asked for %s %d times, want %d", path, n, warmWidth*warmRounds)
		}
	}
	if n := len(c.all["h2"].signedIn); n > 0 {
		t.Errorf("h2 comes back beside a host that serves, and was asked %d times", n)
	}
}

// A login that is refused is tried once, since Grafana locks a user after five, and who
// cannot be asked takes over all the same.
func TestWhoCannotBeAskedTakesOverAllTheSame(t *testing.T) {
	for name, asked := range map[string]int{"wrong": 1, "": 0} {
		c, r := startNodes(t, "old", "old")
		r.cluster.Grafana.Admin = inventory.Admin{User: "admin"}
		if name != "" {
			r.cluster.Grafana.Admin.Password = inventory.NewSecret(name, "env:P")
		}
		r.handoverPolicy("h1", []string{"h1"}, []string{"h2"})
		if err := r.roll(t.Context()); err != nil {
			t.Fatalf("%v\n%s", err, strings.Join(c.said, "\n"))
		}
		if n := len(c.all["h1"].signedIn); n != asked {
			t.Errorf("password %q was tried %d times, want %d", name, n, asked)
		}
		if c.all["h2"].version != "11.6.2" || !slices.Contains(c.said, "switch") {
			t.Errorf("no handover: %v", c.said)
		}
	}
}
