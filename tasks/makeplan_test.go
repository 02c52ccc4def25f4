package tasks

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// testCluster is three hosts with gossip, Live and a balancer.
func testCluster(hosts ...string) *inventory.Cluster {
	if len(hosts) == 0 {
		hosts = []string{"h1", "h2", "h3"}
	}
	c := &inventory.Cluster{
		Name: "prod", KeepReleases: 3,
		Grafana: inventory.Grafana{
			Version: "10.3.1", RootURL: "https://grafana.example.com/", SecretKey: inventory.NewSecret("a-key-of-its-own", "env:K"),
			Admin: inventory.Admin{User: "admin", Password: inventory.NewSecret("admin-password", "env:A")},
		},
		Database:     inventory.Database{Type: "postgres", Host: "10.0.0.9:5432", Name: "grafana", User: "grafana", Password: inventory.NewSecret("db-password", "env:D"), SSLMode: "require"},
		Alerting:     inventory.Alerting{HA: "gossip", Port: 9094, Label: "prod"},
		Live:         inventory.Live{Redis: inventory.Redis{Address: "10.0.0.9:6379"}},
		LoadBalancer: inventory.LoadBalancer{Type: "haproxy", Backend: "grafana"},
		Rollout:      inventory.Rollout{Batch: []string{"1"}, MaxUnavailable: "1", SettleAuto: true, OnFailure: "rollback", Drain: 10 * time.Second},
		Paths:        inventory.Paths{Root: "/opt/grafana", Data: "/var/lib/grafana", Logs: "/var/log/grafana", Etc: "/etc/grafana", State: "/var/lib/ghadeploy", Service: "grafana-server", User: "grafana"},
	}
	for _, h := range hosts {
		c.Hosts = append(c.Hosts, &inventory.Host{Name: h, Address: "10.0.0.1" + h[1:], SSH: inventory.SSH{User: "root"}})
	}
	return c
}

// testInputs are what desired.Of needs, for any cluster of testCluster.
func testInputs(c *inventory.Cluster, version string) desired.Inputs {
	in := desired.Inputs{
		Version:  version,
		Releases: map[string]desired.Release{"amd64": {Version: version, Arch: "amd64", SHA256: strings.Repeat("ab", 32), Path: "/tmp/g.tar.gz", Size: 66e6, Binary: "grafana"}},
		Arch:     map[string]string{}, IPs: map[string]string{}, Systemd: map[string]int{},
	}
	for _, h := range c.Hosts {
		in.Arch[h.Name], in.IPs[h.Name], in.Systemd[h.Name] = "amd64", h.Address, 252
	}
	return in
}

func desiredOf(t *testing.T, c *inventory.Cluster, version string) map[string]*desired.Host {
	t.Helper()
	out := map[string]*desired.Host{}
	for _, h := range c.Hosts {
		s, err := desired.Of(c, h, testInputs(c, version))
		if err != nil {
			t.Fatal(err)
		}
		out[h.Name] = s
	}
	return out
}

// bare is a host on which nothing was ever deployed.
func bare() *Facts {
	return &Facts{Arch: "amd64", Systemd: 252, Etc: EtcState{Kind: "absent"}, Releases: map[string]bool{}, Generations: map[string]string{}, Files: map[string]string{}, GoodAt: map[string]time.Time{}}
}

// converged is a host that runs s, for age.
func converged(s *desired.Host, age time.Duration) *Facts {
	f := bare()
	g := s.Generation
	f.User, f.DataFolders = true, true
	f.Releases[g.Release], f.Generations[g.ID] = true, g.Release
	f.Current, f.Etc = g.ID, EtcState{Kind: "link", Target: "/opt/grafana/current/etc"}
	for _, w := range g.Files {
		f.Files[w.Path] = w.SHA256
	}
	f.Unit = UnitFacts{Exists: true, Managed: true, SHA256: g.File(desired.UnitFile).SHA256}
	f.Service = ServiceFacts{Load: "loaded", Active: "active", Sub: "running", PID: 100, Enabled: true, Age: age, Generation: g.ID}
	f.Good = []string{g.ID}
	return f
}

func allSelected(c *inventory.Cluster) map[string]bool {
	out := map[string]bool{}
	for _, h := range c.Hosts {
		out[h.Name] = true
	}
	return out
}

func kinds(hp *HostPlan) (out []ActionKind) {
	for _, a := range hp.Actions {
		out = append(out, a.Kind)
	}
	return out
}

func TestBareHostsStartOneAloneThenOneByOne(t *testing.T) {
	c := testCluster()
	in := planInput{cluster: c, command: "apply", selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: map[string]*Facts{"h1": bare(), "h2": bare(), "h3": bare()}}
	p, err := makePlan(in)
	if err != nil {
		t.Fatal(err)
	}
	want := []ActionKind{ActionPrepare, ActionRelease, ActionGeneration, ActionLink, ActionTurn}
	for _, hp := range p.Hosts {
		if diff := cmp.Diff(want, kinds(&hp)); diff != "" {
			t.Errorf("%s: %s", hp.Host, diff)
		}
		if hp.Actions[4].Disrupts {
			t.Errorf("%s: a first start disrupts nobody", hp.Host)
		}
	}
	if slices.Contains(p.Policy.Gates, gateLive) || slices.Contains(p.Hosts[0].Actions[4].Steps, gateStep(gateLive)) || !slices.Equal(p.Policy.Final, []string{gateMembers, gateLive}) {
		t.Errorf("Live is waited for once, at the end: gates %v, final %v", p.Policy.Gates, p.Policy.Final)
	}
	if p.Policy.Kind != PolicyFirst || !p.Policy.Migrates {
		t.Errorf("policy %+v", p.Policy)
	}
	if diff := cmp.Diff([][]string{{"h1"}, {"h2"}, {"h3"}}, p.Policy.Batches); diff != "" {
		t.Error(diff)
	}
}

func TestConvergedClusterHasAnEmptyPlan(t *testing.T) {
	c := testCluster()
	d := desiredOf(t, c, "10.3.1")
	p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: d, facts: map[string]*Facts{
		"h1": converged(d["h1"], 3), "h2": converged(d["h2"], 2), "h3": converged(d["h3"], 1)}})
	if err != nil {
		t.Fatal(err)
	}
	if !p.Empty() || p.Policy.Kind != PolicyNone {
		t.Errorf("plan %+v", p)
	}
}

// TestRestartReasons is the table of what makes a host stale.
func TestRestartReasons(t *testing.T) {
	c := testCluster()
	now := desiredOf(t, c, "10.3.1")["h1"]
	c.Hosts[0].Config = inventory.Config{{Name: "smtp", Keys: []inventory.Key{{Name: "enabled", Value: inventory.PlainValue("true")}}}}
	changed := desiredOf(t, c, "10.3.1")["h1"]
	newer := desiredOf(t, c, "10.4.0")["h1"]
	for _, tt := range []struct {
		name   string
		want   *desired.Host
		change func(f *Facts)
		reason string // part of it; empty: no restart
	}{
		{"nothing changed", now, func(*Facts) {}, ""},
		{"config changed", changed, func(*Facts) {}, "grafana.ini changed"},
		{"version changed", newer, func(*Facts) {}, "version 10.3.1 -> 10.4.0"},
		{"written and flipped, never restarted", changed, func(f *Facts) {
			f.Generations[changed.Generation.ID] = changed.Generation.Release
			f.Current = changed.Generation.ID
			for _, w := range changed.Generation.Files {
				f.Files[w.Path] = w.SHA256
			}
		}, "still runs generation " + now.Generation.ID},
		{"staged only", changed, func(f *Facts) { f.Generations[changed.Generation.ID] = changed.Generation.Release }, "grafana.ini changed"},
		{"stopped", now, func(f *Facts) { f.Service = ServiceFacts{Active: "inactive"} }, "not running"},
		{"a process of somebody else's", now, func(f *Facts) { f.Service.Generation = "" }, "not started from a generation"},
		{"grafana.ini edited on the host", now, func(f *Facts) { f.Files[desired.INIFile] = "edited" }, "etc/grafana.ini changed on the host"},
		{"a file added on the host", now, func(f *Facts) { f.Files["etc/provisioning/x.yaml"] = "new" }, "etc/provisioning/x.yaml changed on the host"},
		{"unit edited", now, func(f *Facts) { f.Unit.SHA256 = "edited" }, "unit file was changed"},
		{"unit not read", now, func(f *Facts) { f.Service.NeedReload = true }, "not read the unit file"},
		{"the link moved back", now, func(f *Facts) { f.Current = "0123" }, "names another generation"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			f := converged(now, time.Hour)
			tt.change(f)
			one := testCluster("h1")
			p, err := makePlan(planInput{cluster: one, selected: allSelected(one), desired: map[string]*desired.Host{"h1": tt.want}, facts: map[string]*Facts{"h1": f}})
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(p.Hosts[0].Reasons, "; ")
			if (tt.reason == "") != (got == "") || !strings.Contains(got, tt.reason) {
				t.Errorf("reasons %q, want %q", got, tt.reason)
			}
			if p.Hosts[0].Restart != (tt.reason != "") {
				t.Errorf("restart %v", p.Hosts[0].Restart)
			}
		})
	}
}

func TestTheNodeThatNotifiesGoesLast(t *testing.T) {
	for _, tt := range []struct {
		ha   string
		ages map[string]time.Duration
		down string
		want []string
	}{
		// Gossip: peer names sort by start time, the oldest is position 0.
		{"gossip", map[string]time.Duration{"h1": 5 * time.Hour, "h2": time.Hour, "h3": 3 * time.Hour}, "", []string{"h2", "h3", "h1"}},
		// Redis: positions follow the peer names, the lowest is position 0.
		{"redis", map[string]time.Duration{"h1": 1, "h2": 2, "h3": 3}, "", []string{"h3", "h2", "h1"}},
		// Who serves nobody goes first.
		{"gossip", map[string]time.Duration{"h1": 5 * time.Hour, "h2": time.Hour}, "h3", []string{"h3", "h2", "h1"}},
	} {
		c := testCluster()
		c.Alerting.HA, c.Alerting.Redis.Address = tt.ha, "10.0.0.9:6379"
		c.Alerting.Redis.Prefix = c.Name
		d := desiredOf(t, c, "10.3.1")
		facts := map[string]*Facts{}
		for _, h := range c.Hosts {
			facts[h.Name] = converged(d[h.Name], tt.ages[h.Name])
		}
		if tt.down != "" {
			facts[tt.down].Service = ServiceFacts{Active: "failed"}
		}
		c.Grafana.RootURL = "https://other.example.com/" // restarts all
		p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: facts})
		if err != nil {
			t.Fatal(err)
		}
		if got := slices.Concat(p.Policy.Batches...); !slices.Equal(got, tt.want) {
			t.Errorf("%s: order %v, want %v", tt.ha, got, tt.want)
		}
	}
}

func TestVersionChanges(t *testing.T) {
	for _, tt := range []struct {
		from, to string
		kind     PolicyKind
		alone    bool
		refused  bool
	}{
		{"10.3.1", "10.3.3", PolicyRolling, true, false},
		{"10.3.1", "10.4.0", PolicyRolling, true, false},
		{"8.5.27", "9.0.0", PolicyOneFirst, true, false},
		{"9.3.0", "9.4.0", PolicyOneFirst, true, false},
		{"12.3.1", "12.4.0", PolicyOneFirst, true, false},
		{"12.4.0", "13.0.0", PolicyOneFirst, true, false},
		{"10.4.0", "10.3.1", "", false, true},
	} {
		t.Run(tt.from+" to "+tt.to, func(t *testing.T) {
			c := testCluster()
			c.Live = inventory.Live{} // not every version here knows its keys
			now, then := desiredOf(t, c, tt.from), desiredOf(t, c, tt.to)
			facts := map[string]*Facts{}
			for _, h := range c.Hosts {
				facts[h.Name] = converged(now[h.Name], time.Hour)
			}
			p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: then, facts: facts})
			if tt.refused {
				var usage *UsageError
				if !asError(err, &usage) || !strings.Contains(usage.Message, "downgrade") {
					t.Fatalf("got %v, want a refusal", err)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p.Policy.Kind != tt.kind || len(p.Policy.Batches[0]) != 1 || !p.Policy.Migrates {
				t.Errorf("policy %+v", p.Policy)
			}
		})
	}
}

func TestLimitLeavesOthersAloneAndSaysWhoIsStale(t *testing.T) {
	c := testCluster()
	d := desiredOf(t, c, "10.3.1")
	facts := map[string]*Facts{"h1": bare(), "h2": converged(d["h2"], 1), "h3": bare()}
	p, err := makePlan(planInput{cluster: c, selected: map[string]bool{"h1": true}, desired: d, facts: facts})
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Host("h3").Actions) != 0 || !p.Host("h3").Stale || p.Host("h2").Stale || len(p.Host("h1").Actions) == 0 {
		t.Errorf("plan %+v", p.Hosts)
	}
	if !slices.ContainsFunc(p.Warnings, func(w string) bool { return strings.HasPrefix(w, "h3 is left as it is") }) {
		t.Errorf("warnings %q", p.Warnings)
	}
	if got := slices.Concat(p.Policy.Batches...); !slices.Equal(got, []string{"h1"}) {
		t.Errorf("batches %v", got)
	}
}

func TestAbortedTurnIsFinished(t *testing.T) {
	c := testCluster()
	d := desiredOf(t, c, "10.3.1")
	facts := map[string]*Facts{}
	for _, h := range c.Hosts {
		facts[h.Name] = converged(d[h.Name], time.Hour)
	}
	facts["h1"].Good = nil                            // its gates were never seen to open
	facts["h3"].Drained = "anna, by hand, for a disk" // stays drained
	p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: d, facts: facts, balancer: map[string]string{"h2": "drain", "h3": "drain"}})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string][]ActionKind{"h1": {ActionUndrain}, "h2": {ActionUndrain}, "h3": nil} {
		if diff := cmp.Diff(want, kinds(p.Host(host))); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

func TestADisabledUnitIsEnabledWithoutARestart(t *testing.T) {
	c := testCluster("h1")
	d := desiredOf(t, c, "10.3.1")
	f := converged(d["h1"], time.Hour)
	f.Service.Enabled = false
	p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: d, facts: map[string]*Facts{"h1": f}})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]ActionKind{ActionEnable}, kinds(p.Host("h1"))); diff != "" || p.Host("h1").Restart {
		t.Errorf("restart %v, actions:\n%s", p.Host("h1").Restart, diff)
	}
}

func TestRetentionKeepsWhatRunsAndTheWayBack(t *testing.T) {
	c := testCluster("h1")
	c.KeepReleases = 2
	d := desiredOf(t, c, "10.3.1")["h1"]
	f := converged(d, time.Hour)
	id := d.Generation.ID
	f.Generations = map[string]string{id: d.Generation.Release, "old1": "9.0.0-a", "old2": "10.0.0-b", "old3": "10.0.0-b", "never": "10.2.0-c"}
	f.Releases = map[string]bool{d.Generation.Release: true, "9.0.0-a": true, "10.0.0-b": true, "10.2.0-c": true}
	f.Good = []string{"old1", "old2", "old3", id}
	want := []string{"generations/never", "generations/old1", "generations/old2", "releases/10.2.0-c", "releases/9.0.0-a"}
	if diff := cmp.Diff(want, prunable(c, f, d.Generation)); diff != "" {
		t.Error(diff)
	}
	// What runs and never passed its gates is no way back, and goes with this run.
	never := converged(d, time.Hour)
	never.Generations = map[string]string{"bad": "10.2.0-c", "old2": "10.0.0-b", "old3": "10.0.0-b"}
	never.Current, never.Service.Generation, never.Good = "bad", "bad", []string{"old2", "old3"}
	if got := prunable(c, never, d.Generation); !slices.Contains(got, "generations/bad") || slices.Contains(got, "generations/old3") {
		t.Errorf("with a current generation that never was good: %v", got)
	}
	// A second plan, after those are gone, deletes nothing more.
	for _, p := range want {
		delete(f.Generations, strings.TrimPrefix(p, "generations/"))
		delete(f.Releases, strings.TrimPrefix(p, "releases/"))
	}
	if again := prunable(c, f, d.Generation); len(again) != 0 {
		t.Errorf("again: %v", again)
	}
}

func TestALostRecordOfWhatWasGoodKeepsTheWayBack(t *testing.T) {
	c := testCluster("h1")
	d := desiredOf(t, c, "10.3.1")["h1"]
	f := converged(d, time.Hour)
	id := d.Generation.ID
	f.Generations = map[string]string{id: d.Generation.Release, "old": "10.0.0-b"}
	f.Releases = map[string]bool{d.Generation.Release: true, "10.0.0-b": true}
	f.Good = []string{id}
	if paths := prunable(c, f, d.Generation); len(paths) != 0 {
		t.Errorf("2 generations, keep_releases 3: deletes %v", paths)
	}
}

func TestDataThatWasLostIsMadeAgain(t *testing.T) {
	c := testCluster()
	d := desiredOf(t, c, "10.3.1")
	facts := map[string]*Facts{}
	for _, h := range c.Hosts {
		facts[h.Name] = converged(d[h.Name], time.Hour)
	}
	facts["h2"].DataFolders = false
	p, err := makePlan(planInput{cluster: c, selected: allSelected(c), desired: d, facts: facts})
	if err != nil {
		t.Fatal(err)
	}
	for host, want := range map[string][]ActionKind{"h1": nil, "h2": {ActionPrepare}, "h3": nil} {
		if diff := cmp.Diff(want, kinds(p.Host(host))); diff != "" {
			t.Errorf("%s: %s", host, diff)
		}
	}
}

func TestTheReasonOfATurnIsNotThatOfADeletion(t *testing.T) {
	hp := HostPlan{Actions: []Action{{Kind: ActionTurn, Reason: "not running"}, {Kind: ActionPrune, Reason: "keep_releases: 3"}}}
	if got := hp.turnReason(); got != "not running" {
		t.Error(got)
	}
}

func TestEqualInputsGiveEqualPlans(t *testing.T) {
	c := testCluster()
	in := planInput{cluster: c, selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: map[string]*Facts{"h1": bare(), "h2": bare(), "h3": bare()}}
	first, err := makePlan(in)
	if err != nil {
		t.Fatal(err)
	}
	in.desired = desiredOf(t, c, "10.3.1")
	second, err := makePlan(in)
	if err != nil || first.Hash != second.Hash {
		t.Errorf("hashes %s and %s, %v", first.Hash, second.Hash, err)
	}
	in.facts["h2"].DiskFree = 5 // moves all the time and is no reason to refuse a saved plan
	if third, _ := makePlan(in); third.Hash != first.Hash {
		t.Error("the free disk space moves the hash")
	}
	in.facts["h2"].Releases["9.9.9-x"] = true
	if third, _ := makePlan(in); third.Hash == first.Hash {
		t.Error("a host that has changed gives the same hash")
	}
}
