package check

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// A version that some databases strand is not called good when nobody could ask this one.
func TestKnownBadSaysWhenTheServerCouldNotBeAsked(t *testing.T) {
	hosts := fakeHosts(goodFacts())
	for version, severity := range map[string]Severity{"12.4.0": Skipped, "12.4.1": OK, "10.3.1": OK} {
		c := cluster(hosts...)
		c.Grafana.Version = version
		in := input(t, c, hosts)
		in.Version = parsed(t, version)
		found := only(t, in, "known-bad")
		if len(found) != 1 || found[0].Severity != severity {
			t.Errorf("%s:\n%s", version, list(found))
		}
	}
}

// Settings need no database; insisted on, the fault is a warning.
func TestKnownBadLooksAtTheSettings(t *testing.T) { // grafana#95658, with a server that is known
	r := clusterOf(func(c *inventory.Cluster) { c.Grafana.Version = "11.3.0" })
	r.Render = func(*inventory.Host) (grafana.Rendered, error) {
		return grafana.Rendered{INI: []byte("[database]\nssl_mode = require\n")}, nil
	}
	for _, allow := range []bool{false, true} {
		r.AllowKnownBad = allow
		found := r.knownBadFindings(grafana.ParseDatabaseServer("postgres", "15.3 (Debian 15.3-1.pgdg120+1)"))
		want := map[bool]Severity{false: Fail, true: Warning}[allow]
		if len(found) != 1 || found[0].Severity != want || !strings.Contains(found[0].String(), "PostgreSQL 15.3") {
			t.Fatalf("insisted on %v:\n%s", allow, list(found))
		}
		if !strings.Contains(found[0].Fix, "11.3.1") {
			t.Errorf("the version to take is not named: %s", found[0].Fix)
		}
	}
	r.Running = r.Version
	if found := r.knownBadFindings(grafana.ParseDatabaseServer("postgres", "15.3")); len(found) > 0 {
		t.Errorf("what runs already is called bad:\n%s", list(found))
	}
}

func parsed(t *testing.T, s string) grafana.Version {
	t.Helper()
	v, err := grafana.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
