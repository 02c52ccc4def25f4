package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// serverTimeout bounds asking the database server what it is. It is one login; a server
// that does not answer costs a plan no more than this.
const serverTimeout = 10 * time.Second

// databaseServer is what was asked of the database server before a plan is made.
type databaseServer struct {
	grafana.DatabaseServer
	err error // why it is not known
}

// readServer asks the database server what it is, where something is known of the
// version ahead that depends on it. That it cannot be asked is no error: a plan is
// made without it, and says so.
func (r *Runner) readServer(ctx context.Context, p *picture, w want) {
	to, err := grafana.ParseVersion(cmp.Or(w.version, r.c.Grafana.Version))
	if err != nil || r.c.Database.Type == "sqlite3" || !grafana.MindsDatabase(to) || lowestRunning(p.factsByHost()) == to {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, serverTimeout)
	defer cancel()
	p.server.err = errors.New("no host is connected")
	for _, h := range p.hosts {
		p.server.DatabaseServer, p.server.err = database.Server(ctx, h.Conn, r.c.Database)
		if p.server.err == nil || ctx.Err() != nil {
			return
		}
	}
}

// lowestRunning is the lowest version that hosts have; zero where none has any.
func lowestRunning(facts map[string]*Facts) (lowest grafana.Version) {
	for _, f := range facts {
		if !f.Service.Running() && f.Current == "" {
			continue
		}
		if v, err := grafana.ParseVersion(runs(f).Version); err == nil && (lowest.IsZero() || v.Compare(lowest) < 0) {
			lowest = v
		}
	}
	return lowest
}

// knownBad refuses a version that is known not to come up with this database or these
// settings, before anything is touched; with --allow-known-bad it warns.
func (p *Plan) knownBad(in planInput) error {
	var to grafana.Version
	for _, hp := range p.Hosts {
		if !hp.Restart {
			continue
		}
		v, err := grafana.ParseVersion(hp.To.Version)
		if err != nil {
			return &UsageError{err.Error()}
		}
		to = v
	}
	from := lowestRunning(in.facts)
	if to.IsZero() || from == to {
		return nil
	}
	bad, err := badOf(in, from, to)
	if err != nil {
		return err
	}
	if in.server.Product == "" && grafana.MindsDatabase(to) && in.cluster.Database.Type != "sqlite3" {
		p.Warnings = append(p.Warnings, fmt.Sprintf("whether Grafana %s is known to fail on this database server was not looked up: %s",
			to, in.server.reason()))
	}
	if len(bad) == 0 {
		return nil
	}
	if !in.allowKnownBad {
		return refuseBad(in.command, bad)
	}
	for _, b := range bad {
		p.Warnings = append(p.Warnings, "known fault, and --allow-known-bad: "+b.String())
	}
	return nil
}

// refuseBad names the version to take instead of all that is bad, and how to insist.
func refuseBad(command string, bad []grafana.Bad) error {
	var texts []string
	take := bad[0].Take
	for _, b := range bad {
		texts = append(texts, b.String())
		if b.Take.Compare(take) > 0 {
			take = b.Take
		}
	}
	next := "set grafana.version to " + take.String()
	for _, c := range []string{"upgrade", "rehearse"} {
		if strings.HasPrefix(command, c) {
			next = "ghadeploy " + c + " INVENTORY --to " + take.String()
		}
	}
	return &UsageError{strings.Join(texts, "; ") + "; nothing was touched; next: " + next + " (--allow-known-bad goes on all the same)"}
}

func (s databaseServer) reason() string {
	if s.err != nil {
		return s.err.Error()
	}
	return fmt.Sprintf("it answers %.80q", s.Text)
}

// badOf lists the known faults between two versions on the hosts' own settings.
func badOf(in planInput, from, to grafana.Version) (bad []grafana.Bad, err error) {
	for _, h := range in.cluster.Hosts {
		if in.desired[h.Name] == nil {
			continue
		}
		settings, err := grafana.SettingsOf(in.desired[h.Name].Generation.File(desired.INIFile).Content)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", h.Name, err)
		}
		for _, b := range grafana.KnownBad(grafana.Situation{From: from, To: to, Database: in.server.DatabaseServer, Settings: settings}) {
			if !slices.Contains(bad, b) {
				bad = append(bad, b)
			}
		}
	}
	return bad, nil
}
