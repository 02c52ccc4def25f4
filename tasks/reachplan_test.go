package tasks

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// changeOf is what a plan is made of that changes the settings of all hosts.
func changeOf(t *testing.T, change func(*inventory.Cluster)) planInput {
	t.Helper()
	old, c := testCluster(), testCluster()
	change(c)
	in := planInput{cluster: c, command: "apply", selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: map[string]*Facts{}, balancer: map[string]string{}}
	var hosts []reach.Host
	for i, h := range c.Hosts {
		was := desiredOf(t, old, "10.3.1")[h.Name]
		in.facts[h.Name] = converged(was, time.Duration(i+1)*time.Hour)
		hosts = append(hosts, reach.Host{Name: h.Name, Old: stateOf(t, was.Generation), New: stateOf(t, in.desired[h.Name].Generation)})
	}
	in.reach = reach.Between(hosts, reach.Stakes{Now: map[string]int64{"users": 3, reach.SourceSecrets: 2, reach.OtherSecrets: 0, reach.Sessions: 1}, Target: reach.Target{Asked: true, New: true}})
	return in
}

func stateOf(t *testing.T, g *desired.Generation) reach.State {
	t.Helper()
	s, err := deployed{root: "/opt/grafana", id: g.ID, files: wantedFiles(g)}.state()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func otherDatabase(c *inventory.Cluster) { c.Database.Name = "other" }
func otherKey(c *inventory.Cluster)      { c.Grafana.SecretKey = inventory.NewSecret("canary-key", "env:K") }
func otherLabel(c *inventory.Cluster)    { c.Alerting.Port = 9095 }

func TestWhatReachesFurtherIsNeverRolled(t *testing.T) {
	for _, tt := range []struct {
		name    string
		change  func(*inventory.Cluster)
		allow   reach.Kind
		refused bool
		policy  PolicyKind
		batches [][]string
	}{
		{"a database", otherDatabase, "", true, PolicyOneFirst, [][]string{{"h1"}, {"h2", "h3"}}},
		{"a database that is meant", otherDatabase, reach.Database, false, PolicyOneFirst, [][]string{{"h1"}, {"h2", "h3"}}},
		{"a key", otherKey, "", true, PolicyOneFirst, [][]string{{"h1"}, {"h2", "h3"}}},
		{"a key that is meant", otherKey, reach.SecretKey, false, PolicyOneFirst, [][]string{{"h1"}, {"h2", "h3"}}},
		{"a gossip port", otherLabel, "", false, PolicyHandover, [][]string{{"h1"}, {"h2", "h3"}}},
		{"a gossip port, twice is fine", otherLabel, reach.Alerting, false, PolicyRolling, [][]string{{"h1"}, {"h2"}, {"h3"}}},
		{"a gossip port without a balancer", func(c *inventory.Cluster) { otherLabel(c); c.LoadBalancer.Type = "none" }, "", false, PolicyOneFirst, [][]string{{"h1"}, {"h2", "h3"}}},
		{"an admin password", func(c *inventory.Cluster) { c.Grafana.Admin.Password = inventory.NewSecret("canary-admin", "") }, "", false, PolicyRolling, [][]string{{"h1"}, {"h2"}, {"h3"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			in := changeOf(t, tt.change)
			in.allow = map[reach.Kind]bool{tt.allow: true}
			p, err := makePlan(in)
			if err != nil {
				t.Fatal(err)
			}
			if _, refused := errors.AsType[*ReachError](p.refused()); refused != tt.refused {
				t.Errorf("refused: %v", p.refused())
			}
			if p.Policy.Kind != tt.policy {
				t.Errorf("policy %s (%s)", p.Policy.Kind, p.Policy.Reason)
			}
			if diff := cmp.Diff(tt.batches, p.Policy.Batches); diff != "" {
				t.Error(diff)
			}
			if len(p.Reach) != 1 || strings.Contains(p.Reach[0].String()+p.Policy.Reason, "canary") {
				t.Errorf("reach %+v", p.Reach)
			}
		})
	}
}

func TestAHostLeftOutStaysOnNoOtherDatabase(t *testing.T) {
	in := changeOf(t, otherDatabase)
	in.allow = map[reach.Kind]bool{reach.Database: true}
	delete(in.selected, "h3")
	if _, err := makePlan(in); err == nil || !strings.Contains(err.Error(), "two databases") {
		t.Errorf("with h3 left out: %v", err)
	}
}

// What is counted changes with every login: a saved plan must not depend on it.
func TestCountsAreNoPartOfAPlansHash(t *testing.T) {
	in := changeOf(t, otherKey)
	a, err := makePlan(in)
	if err != nil {
		t.Fatal(err)
	}
	in.reach[0].Notice = "another number of sessions"
	b, err := makePlan(in)
	if err != nil || a.Hash != b.Hash {
		t.Errorf("hashes %s and %s, %v", a.Hash, b.Hash, err)
	}
	in.reach[0].What = "something else"
	if c, _ := makePlan(in); c.Hash == a.Hash {
		t.Error("what changes is no part of the hash")
	}
}

func TestALoginIsReadBackFromAGeneration(t *testing.T) {
	for _, password := range []string{"plain", `quo'te\back`, "semi;colon#hash", "tab\tin"} {
		c := testCluster()
		c.Database.Password = inventory.NewSecret(password, "env:D")
		g := desiredOf(t, c, "10.3.1")["h1"].Generation
		d := deployed{root: "/opt/grafana", id: g.ID, files: wantedFiles(g)}
		s, err := d.state()
		if err != nil {
			t.Fatal(err)
		}
		db, err := d.database(s, t.TempDir())
		if err != nil || db.Password.Reveal() != password || db.Type != "postgres" || db.Host != "10.0.0.9:5432" || db.Name != "grafana" || db.User != "grafana" || db.SSLMode != "require" {
			t.Errorf("%q came back as %q (%v)", password, db.Password.Reveal(), err)
		}
	}
}

func TestTheEnvironmentGoesBeforeTheFile(t *testing.T) {
	c := testCluster()
	for _, h := range c.Hosts {
		h.Env = map[string]inventory.Value{"GF_DATABASE_NAME": inventory.PlainValue("from-$env"), "GF_AUTH_GITHUB_ENABLED": inventory.PlainValue("true")}
	}
	s := stateOf(t, desiredOf(t, c, "10.3.1")["h1"].Generation)
	if s.Settings["database.name"] != "from-$env" || s.Settings["auth.github.enabled"] != "true" || s.User != "grafana" {
		t.Errorf("name %q, github %q, user %q", s.Settings["database.name"], s.Settings["auth.github.enabled"], s.User)
	}
}

func TestARootThatWasChangedIsFoundInTheCommandLine(t *testing.T) {
	f, err := parseFacts("show\tMainPID=7\nshow\tActiveState=active\ncmdline\t7\t/srv/g/generations/0123456789ab/release/bin/grafana server --homepath=x\nend\n", "/opt/grafana")
	if err != nil {
		t.Fatal(err)
	}
	if root, id := runsFrom(f, testCluster().Paths); root != "/srv/g" || id != "0123456789ab" {
		t.Errorf("root %q, id %q", root, id)
	}
}

func TestEnvironmentIsReadAsItIsWritten(t *testing.T) {
	want := map[string]string{"A": `q"u\o$te` + "`", "B": ""}
	text, err := grafana.RenderEnvironment(want)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, grafana.EnvironmentOf(text)); diff != "" {
		t.Error(diff)
	}
}
