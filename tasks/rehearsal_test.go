package tasks

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/aside"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

func TestARehearsalIsJudgedByWhatFailed(t *testing.T) {
	for name, c := range map[string]struct {
		log   aside.Log
		err   error
		after database.Counts
		bad   int64
		want  string // "": good
	}{
		"healthy":          {after: database.Counts{"users": 3}},
		"a migration":      {log: aside.Log{Failed: "x", Error: "Unknown collation"}, err: &aside.EndedError{}, want: `migration "x": Unknown collation`},
		"ended":            {log: aside.Log{Complaints: []string{"server: no plugin"}}, err: &aside.EndedError{Last: "exit 1"}, want: "exit 1; it logged: server: no plugin"},
		"late":             {log: aside.Log{Last: "slow one"}, err: aside.ErrLate, want: `"slow one"`},
		"lost":             {after: database.Counts{"users": 2}, want: "users: 3, now 2"},
		"marked as failed": {after: database.Counts{"users": 3}, bad: 1, want: "marked as failed"},
	} {
		r := Rehearsal{Before: database.Counts{"users": 3}}
		r.judge(&c.log, c.err)
		if r.Failed == "" {
			r.compare(c.after, c.bad)
		}
		if r.OK != (c.want == "") || !strings.Contains(r.Failed, c.want) {
			t.Errorf("%s: ok %v, %q, want %q", name, r.OK, r.Failed, c.want)
		}
		if r.setOutages(PolicyOneFirst, 3); (len(r.Outages) == 3) != r.OK {
			t.Errorf("%s: %+v", name, r.Outages)
		}
	}
}

func TestAnUpgradeIsRehearsedWhereItHasToBe(t *testing.T) {
	admin := &inventory.Credentials{User: "postgres"}
	for name, c := range map[string]struct {
		rehearse, to string
		create       *inventory.Credentials
		given        string
		systemd      int
		want, warns  bool
		refused      bool
	}{
		"a major version":                   {rehearse: "auto", to: "11.6.0", create: admin, want: true},
		"in a database that is given":       {rehearse: "auto", to: "11.6.0", given: "scratch", want: true},
		"without a database for it":         {rehearse: "auto", to: "11.6.0", warns: true},
		"it has to be, and cannot":          {rehearse: "always", to: "11.6.0", refused: true},
		"on systemd that is too old":        {rehearse: "auto", to: "11.6.0", create: admin, systemd: 219, warns: true},
		"a minor version":                   {rehearse: "auto", to: "10.4.0", create: admin},
		"a minor version, always":           {rehearse: "always", to: "10.4.0", create: admin, want: true},
		"a major version, never":            {rehearse: "never", to: "11.6.0", create: admin},
		"back":                              {rehearse: "always", to: "9.5.0", create: admin},
		"an inventory that says nothing":    {to: "11.6.0", create: admin, want: true},
		"a name that would be far too long": {rehearse: "auto", to: "11.6.0", create: admin, given: "", warns: true},
	} {
		cl := testCluster("h1", "h2")
		cl.Rollout.Rehearse, cl.Database.Create, cl.Database.Rehearsal, cl.Database.Type = c.rehearse, c.create, c.given, "postgres"
		if strings.Contains(name, "too long") {
			cl.Database.Name = strings.Repeat("n", 60)
		}
		in := planInput{cluster: cl, here: true, facts: map[string]*Facts{}}
		for _, h := range cl.Hosts {
			in.facts[h.Name] = &Facts{Current: "aaaaaaaaaaaa", Systemd: 252}
			if c.systemd != 0 {
				in.facts[h.Name].Systemd = c.systemd
			}
		}
		from, to := version(t, "10.3.1"), version(t, c.to)
		p := &Plan{}
		err := p.setRehearsal(in, from, to, grafana.UpgradePolicy(from, to))
		if (err != nil) != c.refused || (len(p.Before) == 1) != c.want || (len(p.Warnings) == 1) != c.warns {
			t.Errorf("%s: %v, before %v, warnings %q", name, err, p.Before, p.Warnings)
		}
	}
}

func version(t *testing.T, s string) grafana.Version {
	t.Helper()
	v, err := grafana.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
