package tasks

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// lostBy says what putting a dump back takes away: counts of now against those of the dump,
// or, where none were recorded with it, since when everything goes.
func lostBy(d *foundDump, now database.Counts, at time.Time) string {
	since := "of " + d.String() + ", of unknown age,"
	if !d.made.Time.IsZero() {
		since = fmt.Sprintf("of %s, made %s (%s ago),", d, d.made.Time.Format(time.RFC3339), at.Sub(d.made.Time).Round(time.Second))
	}
	text := "the database becomes what it was in the dump " + since + " and what was written since is lost"
	switch differs := reach.Differences(now, d.made.Counts, "now ", "in the dump "); {
	case len(now) == 0 && len(d.made.Counts) == 0:
		return text + "; neither could be counted"
	case len(now) == 0:
		return text + "; in the dump are " + reach.Content(d.made.Counts) + ", and what is there now could not be counted"
	case len(d.made.Counts) == 0:
		return text + "; what the dump holds was not recorded with it; now there are " + reach.Content(now)
	case len(differs) == 0:
		return text + "; the numbers are the same: " + reach.Content(now)
	default:
		return text + ": " + strings.Join(differs, "; ")
	}
}

// tellLoss puts into a plan what a dump takes away, and that the present is dumped before.
func (r *Runner) tellLoss(ctx context.Context, p *picture, plan *Plan, d *foundDump) {
	text := lostBy(d, r.content(ctx, p.connected()), time.Now())
	plan.Warnings = append(plan.Warnings, text)
	if r.o.Confirm == nil { // nobody is shown the plan
		r.o.Sink.Emit(event.Event{Kind: event.Attention, Run: r.id, Message: text})
	}
	if r.o.NoBackup {
		plan.Warnings = append(plan.Warnings, "the database is not dumped as it is now (--no-backup): there is no way back to it")
		return
	}
	plan.Before = append(plan.Before, Action{Kind: ActionBackup, Host: d.host.Name,
		Summary: "dump database " + r.c.Database.Name + " as it is now, once nothing writes to it", Reason: "the way back from " + d.path})
}

// dumpPresent dumps what is about to be overwritten, and names it in the result. One dump
// more than usual is kept, so that the one to put back does not go for it.
func (r *Runner) dumpPresent(ctx context.Context, plan *Plan, d *foundDump, res *Result) error {
	if r.o.NoBackup {
		return nil
	}
	start := time.Now()
	r.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: r.id, Host: d.host.Name, Step: string(ActionBackup),
		Message: "dump the database as it is now"})
	b, err := database.Dump(ctx, d.host, r.c.Database,
		database.BackupOptions{Cluster: r.c.Name, Version: versionOn(plan, r.c.Grafana.Version), Extra: 1})
	if err != nil {
		r.o.Sink.Emit(event.Event{Kind: event.StepFailed, Run: r.id, Host: d.host.Name, Step: string(ActionBackup), Error: err.Error()})
		return &fleet.HostError{Host: d.host.Name, Step: "dump the database as it is now", Cause: err, State: "nothing was put back",
			Next: "correct it and run it again, or go without with --no-backup"}
	}
	where := "kept by database.backup.command"
	if b.Path != "" {
		where = b.Host + ":" + b.Path
	}
	text := "the database as it was before is " + where + " (" + reach.Content(b.Counts) + ")"
	res.Warnings = append(res.Warnings, text)
	r.o.Sink.Emit(event.Event{Kind: event.StepDone, Run: r.id, Host: d.host.Name, Step: string(ActionBackup), Message: text,
		Seconds: time.Since(start).Seconds()})
	return nil
}

// versionOn is the version that wrote what is in the database: the highest that hosts run.
func versionOn(plan *Plan, otherwise string) string {
	_, highest, any := plan.versions()
	if !any {
		return otherwise
	}
	return highest.String()
}
