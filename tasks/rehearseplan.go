package tasks

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/aside"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

// ActionRehearse is an upgrade on a copy of the database, before any host is drained.
const ActionRehearse ActionKind = "rehearse"

// The values of rollout.rehearse.
const (
	rehearseAlways = "always"
	rehearseNever  = "never"
)

// LastRehearsal is what the last rehearsal of one upgrade found, as hosts have kept it.
type LastRehearsal struct {
	From  string    `json:"from"`
	To    string    `json:"to"`
	Time  time.Time `json:"time"`
	OK    bool      `json:"ok"`
	Found string    `json:"found"`
}

// setRehearsal decides whether an upgrade is rehearsed. What cannot be is told, and
// refused where it has to be.
func (p *Plan) setRehearsal(in planInput, from, to grafana.Version, up grafana.Policy) error {
	c := in.cluster
	p.Rehearsed = in.rehearsed
	crosses := up.Kind == grafana.OneFirst
	if up.Direction != grafana.Upgrade || c.Rollout.Rehearse == rehearseNever || !crosses && c.Rollout.Rehearse != rehearseAlways {
		return nil
	}
	if slices.ContainsFunc(p.Hosts, func(h HostPlan) bool { return h.From.Version == to.String() }) {
		return nil // an upgrade that was broken off has migrated the database, or tried to
	}
	if err := noRehearsal(in); err != nil {
		why := fmt.Sprintf("%s -> %s is not rehearsed: %v", from, to, err)
		if c.Rollout.Rehearse == rehearseAlways {
			return &RefusedError{Message: why, Next: "ghadeploy rehearse INVENTORY --to " + to.String() + ", once it can be; or set rollout.rehearse to auto or never"}
		}
		p.Warnings = append(p.Warnings, why)
		return nil
	}
	scratch, err := database.Scratch(c.Database)
	if err != nil {
		return err
	}
	p.Before = append(p.Before, Action{
		Kind:    ActionRehearse,
		Summary: fmt.Sprintf("rehearse it on a copy of the database (%s), with a Grafana %s on the side of the host that has most room; the end where that fails", scratch.Name, to),
		Reason:  fmt.Sprintf("version %s -> %s", from, to),
	})
	return nil
}

// noRehearsal says why none can be held here; nil when one can, as far as that is known
// before the hosts are looked at for it.
func noRehearsal(in planInput) error {
	c := in.cluster
	if c.Database.Type == "sqlite3" {
		return fmt.Errorf("database.type is sqlite3: copies are made of PostgreSQL, MySQL and MariaDB")
	}
	if _, err := database.Scratch(c.Database); err != nil {
		return err
	}
	own := in
	without := *c
	without.Database.Backup.Command = ""
	own.cluster = &without
	if _, err := dumpHost(own); err != nil {
		return err
	}
	place := aside.Place{Root: c.Paths.Root, Service: c.Paths.Service}
	var last error
	for _, f := range in.facts {
		if f == nil || f.Current == "" {
			continue
		}
		if last = place.Refuse(f.Systemd); last == nil {
			return nil
		}
	}
	return last
}

// readRehearsal reads of the hosts what the last rehearsal of this very upgrade found; that
// nobody knows is no error.
func (r *Runner) readRehearsal(ctx context.Context, p *picture, w want) {
	from := lowestRunning(p.factsByHost())
	to, err := grafana.ParseVersion(orElse(w.version, r.c.Grafana.Version))
	if err != nil || from.IsZero() || grafana.UpgradePolicy(from, to).Direction != grafana.Upgrade {
		return
	}
	if _, err := database.Scratch(r.c.Database); err != nil {
		return
	}
	hosts := p.connected()
	found := make([]*LastRehearsal, len(hosts))
	_ = fleet.Each(hosts, func(i int, h fleet.Host) error {
		found[i] = lastRehearsal(ctx, h, r.c.Paths.State, from.String(), to.String())
		return nil
	})
	for _, l := range found {
		if l != nil && (p.rehearsed == nil || l.Time.After(p.rehearsed.Time)) {
			p.rehearsed = l
		}
	}
}

func orElse(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

// stepRehearsal is the journal's line of a rehearsal.
const stepRehearsal = "rehearsal"

// rehearsalsScript prints the last lines about rehearsals in a host's journal.
const rehearsalsScript = `[ ! -r "$1/journal.jsonl" ] || grep -F '"step":"` + stepRehearsal + `"' "$1/journal.jsonl" | tail -n 50`

func lastRehearsal(ctx context.Context, h fleet.Host, state, from, to string) (last *LastRehearsal) {
	res, err := h.Run(ctx, remote.Command{Step: "read the last rehearsal", Script: rehearsalsScript, Args: []string{state}, Become: true})
	if err != nil {
		return nil
	}
	for _, e := range journal.Read(res.Stdout) {
		if e.Step != stepRehearsal || e.Data["from"] != from || e.Data["to"] != to {
			continue
		}
		if last == nil || e.Time.After(last.Time) {
			last = &LastRehearsal{From: from, To: to, Time: e.Time, OK: e.Result == "done", Found: bounded(e.Message)}
		}
	}
	return last
}

// bounded is what a host says, cut to what fits a plan.
func bounded(s string) string {
	const most = 400
	if len(s) > most {
		s = s[:most] + "..."
	}
	return s
}
