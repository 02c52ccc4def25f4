package check

import (
	"context"
	"fmt"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

func knownBadChecks() []unit {
	return []unit{{name: "known-bad", about: "the version is not known to fail on this database or with these settings", run: checkKnownBad}}
}

// checkKnownBad looks the version, the database server and the settings up in the
// table of what is known to strand a cluster.
func checkKnownBad(ctx context.Context, r *run) []Finding {
	if r.Version.IsZero() {
		return []Finding{skipped("there is no version to look up", "", "")}
	}
	var server grafana.DatabaseServer
	var all []Finding
	if grafana.MindsDatabase(r.Version) && r.Running != r.Version && r.Cluster.Database.Type != "sqlite3" {
		var err error
		if server, err = r.server(ctx); err != nil {
			all = append(all, skipped("the database server's version could not be read: "+err.Error(),
				fmt.Sprintf("Grafana %s is known to fail on some", r.Version), "bring the database back, then check again"))
		}
	}
	all = append(all, r.knownBadFindings(server)...)
	if len(all) == 0 {
		return ok("no fault of Grafana %s is known for this database and these settings", r.Version)
	}
	return all
}

func (r *run) knownBadFindings(server grafana.DatabaseServer) []Finding {
	var all []Finding
	for _, b := range grafana.KnownBad(grafana.Situation{From: r.Running, To: r.Version, Database: server, Settings: r.settings()}) {
		f := fail(fmt.Sprintf("Grafana %s with %s is known to fail", b.Version, b.On), b.Happens+" ("+b.Source+")",
			fmt.Sprintf("take %s or a later version; --allow-known-bad goes on all the same", b.Take))
		if r.AllowKnownBad {
			f.Severity = Warning
		}
		all = append(all, f)
	}
	return all
}

// server asks the database through the first host from which it can be reached.
func (r *run) server(ctx context.Context) (s grafana.DatabaseServer, err error) {
	err = fmt.Errorf("no host is connected")
	for _, h := range r.Hosts {
		probe, cancel := context.WithTimeout(ctx, Probe)
		s, err = database.Server(probe, h, r.Cluster.Database)
		cancel()
		if err == nil || ctx.Err() != nil {
			break
		}
	}
	return s, err
}

// settings are those that will be written; nil where they do not render, which the
// check "config" tells.
func (r *run) settings() grafana.Settings {
	if r.Render == nil || len(r.Cluster.Hosts) == 0 {
		return nil
	}
	rendered, err := r.Render(r.Cluster.Hosts[0])
	if err != nil {
		return nil
	}
	s, err := grafana.SettingsOf(rendered.INI)
	if err != nil {
		return nil
	}
	return s
}
