package tasks

import (
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// What somebody else put where ours goes is named in the plan, and ends a run
// before its first write.
func TestWhatIsNotOursIsNeverOverwritten(t *testing.T) {
	for _, tt := range []struct {
		name  string
		there func(*Facts)
		want  string // "": not in the way
	}{
		{"a bare host", func(*Facts) {}, ""},
		{"an empty folder", func(f *Facts) { f.Etc.Kind = "empty" }, ""},
		{"our link", func(f *Facts) { f.Etc = EtcState{Kind: "link", Target: "/opt/grafana/current/etc"} }, ""},
		{"our link of another root", func(f *Facts) { f.Etc = EtcState{Kind: "link", Target: "/srv/grafana/current/etc"} }, ""},
		{"our unit", func(f *Facts) { f.Unit = UnitFacts{Exists: true, Managed: true} }, ""},
		{"a unit", func(f *Facts) { f.Unit = UnitFacts{Exists: true} }, "mv /etc/systemd/system/grafana-server.service /root/"},
		{"a folder", func(f *Facts) { f.Etc.Kind = "folder" }, "mv /etc/grafana /etc/grafana.before-ghadeploy"},
		{"a file", func(f *Facts) { f.Etc.Kind = "file" }, "mv /etc/grafana /etc/grafana.before-ghadeploy"},
		{"a link", func(f *Facts) { f.Etc = EtcState{Kind: "link", Target: "/srv/etc"} }, "rm /etc/grafana"},
		{"a folder for current", func(f *Facts) { f.CurrentForeign = true }, "mv /opt/grafana/current "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := testCluster()
			facts := map[string]*Facts{"h1": bare(), "h2": bare(), "h3": bare()}
			tt.there(facts["h2"])
			plan, err := makePlan(planInput{cluster: c, command: "apply", selected: allSelected(c), desired: desiredOf(t, c, "10.3.1"), facts: facts})
			if err != nil {
				t.Fatal(err)
			}
			told := slices.ContainsFunc(plan.Warnings, func(w string) bool {
				return strings.HasPrefix(w, "h2: apply will refuse: ") && strings.Contains(w, tt.want)
			})
			p := &picture{}
			for _, h := range c.Hosts {
				p.hosts = append(p.hosts, seen{Host: fleet.Host{Host: h}, facts: facts[h.Name]})
			}
			err = refuseForeign(p, plan, c.Paths)
			if refused := err != nil && strings.Contains(err.Error(), "h2: ") && strings.Contains(err.Error(), tt.want); refused != (tt.want != "") || told != refused {
				t.Errorf("warned %v, refused with %v; want %q", told, err, tt.want)
			}
		})
	}
}
