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
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/aside"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

const (
	// tidyTimeout bounds taking everything away, also when the run was told to stop.
	tidyTimeout = 2 * time.Minute
	// overTime is how long a Grafana on the side may live beyond the deadline of its start.
	overTime = 5 * time.Minute
	// unpackedUnknown is room for a release whose archive was not seen here, in bytes.
	unpackedUnknown = 1 << 30
)

// Rehearse carries an upgrade out on a copy of the database, with a Grafana on the side,
// and says how it went. What serves is not touched, and nothing of it stays. The error is a
// *[RefusedError] when it failed, or cannot be held; the result then says how far it came.
func (r *Runner) Rehearse(ctx context.Context, version string) (*Rehearsal, error) {
	if _, err := grafana.ParseVersion(version); err != nil {
		return nil, &UsageError{err.Error()}
	}
	w := want{version: version}
	p, err := r.gather(ctx, w)
	if err != nil {
		return nil, err
	}
	plan, err := r.plan(ctx, p, w)
	if err != nil {
		return nil, err
	}
	held, err := r.lockAll(ctx, p.connected())
	if err != nil {
		return nil, err
	}
	defer held.Release()
	j := r.newJournal(held)
	j.begin(plan)
	var out *Rehearsal
	err = guard.Do(func() (err error) {
		out, err = r.rehearse(ctx, p, plan, held)
		return err
	})
	j.end(&Result{}, err)
	return out, err
}

// rehearseFirst is the rehearsal that a plan announces, once everything is staged.
func (r *Runner) rehearseFirst(ctx context.Context, p *picture, plan *Plan, held *lock.Lock) error {
	if !slices.ContainsFunc(plan.Before, func(a Action) bool { return a.Kind == ActionRehearse }) {
		return nil
	}
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	guard.Go(func() {
		select {
		case <-r.o.Interrupt:
			stop()
		case <-ctx.Done():
		}
	})
	_, err := r.rehearse(ctx, p, plan, held)
	if r.stopped() {
		return interruptedError{next: resumeCommand(plan, nil)}
	}
	return err
}

// rehearsal is one at work.
type rehearsal struct {
	*Runner
	p       *picture
	plan    *Plan
	held    *lock.Lock
	scratch inventory.Database
	out     *Rehearsal
}

// rehearse is the whole of a rehearsal, to be read aloud: tidy, look, copy, start, compare, tidy.
func (r *Runner) rehearse(ctx context.Context, p *picture, plan *Plan, held *lock.Lock) (*Rehearsal, error) {
	from := lowestRunning(p.factsByHost())
	if from.IsZero() {
		return nil, &UsageError{"nothing is deployed that could be upgraded; next: ghadeploy apply INVENTORY"}
	}
	start := time.Now()
	x := &rehearsal{Runner: r, p: p, plan: plan, held: held, out: &Rehearsal{Run: r.id, Cluster: r.c.Name, From: from.String(), To: plan.Version(), Time: start.UTC()}}
	r.phase("rehearse", fmt.Sprintf("upgrade a copy of the database from %s to %s on the side", from, plan.Version()))
	defer r.phaseDone("rehearse", start)
	err := x.run(ctx)
	x.out.Seconds = time.Since(start).Seconds()
	if err != nil {
		return x.out, x.cannot(err)
	}
	x.note()
	if !x.out.OK {
		return x.out, &RefusedError{
			Message: fmt.Sprintf("the rehearsal of %s -> %s on a copy of the database failed: %s", x.out.From, x.out.To, x.out.Failed),
			Next:    fmt.Sprintf("take another version than %s, or correct the cause, then: ghadeploy rehearse INVENTORY --to VERSION", x.out.To),
		}
	}
	return x.out, nil
}

// cannot tells a rehearsal that cannot be held from a run that was stopped, or has lost a host.
func (x *rehearsal) cannot(err error) error {
	var usage *UsageError
	if unreachable(err) || errors.Is(err, context.Canceled) || errors.As(err, &usage) {
		return err
	}
	next := "correct it, then: ghadeploy rehearse INVENTORY --to " + x.out.To
	if strings.HasPrefix(x.plan.Command, "upgrade") || strings.HasPrefix(x.plan.Command, "apply") {
		next = "correct it, or set rollout.rehearse: never to go without, then: " + resumeCommand(x.plan, nil)
	}
	return &RefusedError{Message: fmt.Sprintf("%s -> %s cannot be rehearsed: %v", x.out.From, x.out.To, err), Cause: err, Next: next}
}

func (x *rehearsal) run(ctx context.Context) (err error) {
	if x.c.Database.Type == "sqlite3" {
		return errors.New("database.type is sqlite3: copies are made of PostgreSQL, MySQL and MariaDB")
	}
	if _, err := database.Scratch(x.c.Database); err != nil {
		return err
	}
	if err := x.step("", "tidy", "look for what a rehearsal has left", func() (string, error) { return x.tidy(ctx) }); err != nil {
		return err
	}
	defer func() {
		tidy, cancel := context.WithTimeout(context.WithoutCancel(ctx), tidyTimeout)
		defer cancel()
		e := x.step("", "tidy", "remove the copy and the Grafana on the side", func() (string, error) { return x.tidy(tidy) })
		if e != nil && err == nil {
			err = e
		}
	}()
	h, room, err := x.choose(ctx)
	if err != nil {
		return err
	}
	x.out.Host = h.Name
	if err := x.fill(ctx, h.Host); err != nil {
		return err
	}
	return x.try(ctx, h, room)
}

// step does one thing and tells of it; what it returns is told at its end.
func (x *rehearsal) step(host, name, message string, do func() (string, error)) error {
	start := time.Now()
	x.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: x.id, Host: host, Step: name, Message: message})
	said, err := do()
	e := event.Event{Kind: event.StepDone, Run: x.id, Host: host, Step: name, Message: said, Seconds: time.Since(start).Seconds()}
	if err != nil {
		e.Kind, e.Error, e.Message = event.StepFailed, err.Error(), ""
	}
	x.o.Sink.Emit(e)
	return err
}

func (x *rehearsal) place(h seen) aside.Place {
	return aside.Place{Root: x.c.Paths.Root, Service: x.c.Paths.Service, User: x.c.Paths.User, Group: x.p.desired[h.Name].Group}
}

// tidy takes everything of a rehearsal away, this one's or one's that was killed: on each
// host the Grafana on the side, then the dump, then the copy.
func (x *rehearsal) tidy(ctx context.Context) (string, error) {
	found := make([]bool, len(x.p.hosts))
	err := fleet.Each(x.p.connected(), func(i int, h fleet.Host) error {
		unit, err := aside.Clean(ctx, h, x.place(x.p.hosts[i]))
		if err != nil {
			return err
		}
		dump, err := database.CleanScratchDumps(ctx, h, x.c.Database, x.c.Name)
		found[i] = unit || dump
		return err
	})
	if err != nil {
		return "", err
	}
	here, err := database.CleanScratchDumps(ctx, database.OperatorHost(x.p.hosts[0].Conn), x.c.Database, x.c.Name)
	if err != nil {
		return "", err
	}
	dropped, err := database.DropScratch(ctx, x.p.hosts[0].Conn, x.c.Database)
	if err != nil {
		return "", err
	}
	if here || dropped || slices.Contains(found, true) {
		return "removed", nil
	}
	return "nothing was there", nil
}

// choose finds the host with most room for a Grafana on the side, one that is drained
// before one that serves.
func (x *rehearsal) choose(ctx context.Context) (best seen, room aside.Room, err error) {
	selected := x.selected()
	type candidate struct {
		seen
		room aside.Room
		err  error
	}
	var all []candidate
	for _, h := range x.p.hosts {
		if selected[h.Name] {
			all = append(all, candidate{seen: h})
		}
	}
	hosts := make([]fleet.Host, len(all))
	for i, c := range all {
		hosts[i] = c.Host
	}
	err = fleet.Each(hosts, func(i int, h fleet.Host) (err error) {
		c := &all[i]
		if c.err = x.place(c.seen).Refuse(c.facts.Systemd); c.err == nil && c.facts.Current == "" {
			c.err = errors.New("nothing is deployed there")
		}
		if c.err != nil {
			return nil
		}
		if c.room, err = aside.Look(ctx, h, x.place(c.seen), x.c.Database.Host); err == nil {
			c.err = c.room.Refuse(x.toBring(c.seen))
		}
		return err
	})
	if err != nil {
		return best, room, err
	}
	drained := func(c candidate) bool { return c.facts.Drained != "" || x.p.states[c.Name].Drained }
	slices.SortStableFunc(all, func(a, b candidate) int {
		if drained(a) != drained(b) {
			return map[bool]int{true: -1, false: 1}[drained(a)]
		}
		return cmp.Compare(b.room.Memory, a.room.Memory)
	})
	var why []string
	for _, c := range all {
		if c.err == nil {
			return c.seen, c.room, nil
		}
		why = append(why, c.Name+": "+c.err.Error())
	}
	return best, room, fmt.Errorf("no host has room for a Grafana on the side: %s", strings.Join(why, "; "))
}

// toBring is what the release takes on a host that does not have it, in bytes.
func (x *rehearsal) toBring(h seen) int64 {
	rel := x.p.desired[h.Name].Release
	if h.facts.Releases[rel.Name()] {
		return 0
	}
	return rel.Size + cmp.Or(rel.Unpacked, unpackedUnknown)
}

// fill makes the copy, and counts what it holds.
func (x *rehearsal) fill(ctx context.Context, via fleet.Host) error {
	start := time.Now()
	err := x.step(via.Name, "copy", "copy the database "+x.c.Database.Name, func() (string, error) {
		var size int64
		err := x.withDatabase(ctx, x.p.connected(), func(ctx context.Context, db *database.DB) (err error) {
			size, err = db.Size(ctx)
			return err
		})
		if err != nil {
			return "", err
		}
		if server, err := database.Server(ctx, via.Conn, x.c.Database); err == nil {
			x.out.Server = server.String()
		}
		if x.scratch, err = database.MakeScratch(ctx, via.Conn, x.c.Database); err != nil {
			return "", err
		}
		x.out.Copy = x.scratch.Name
		tools := x.c.Database
		tools.Backup.Command = ""
		from, err := database.PickHost(ctx, x.p.connected(), tools)
		if err != nil {
			return "", err
		}
		if err := database.FillScratch(ctx, from, x.c.Database, x.scratch, database.BackupOptions{Cluster: x.c.Name, Version: x.out.From}, size); err != nil {
			return "", err
		}
		x.out.Before, _, err = x.count(ctx, via)
		return fmt.Sprintf("into %s, %s of data", x.scratch.Name, megabytes(size)), err
	})
	x.out.CopySeconds = time.Since(start).Seconds()
	return err
}

// count counts the content of the copy, and the migrations that are marked as failed.
func (x *rehearsal) count(ctx context.Context, via fleet.Host) (database.Counts, int64, error) {
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	db, err := database.Open(ctx, via.Conn, x.scratch, nil)
	if err != nil {
		return nil, 0, err
	}
	defer func() { _ = db.Close() }()
	counts, err := db.Counts(ctx)
	if err != nil {
		return nil, 0, err
	}
	m, err := db.Migrations(ctx)
	return counts, m.Failed, err
}

// try starts the new version on the copy and judges how that goes.
func (x *rehearsal) try(ctx context.Context, h seen, room aside.Room) error {
	rel := x.p.desired[h.Name].Release
	if err := x.bring(ctx, h, rel); err != nil {
		return err
	}
	place := x.place(h)
	files, err := desired.Aside(x.c, h.Host.Host, x.p.inputs, rel, place.Folder(), grafana.Aside{Port: room.Port, Database: x.scratch.Name})
	if err != nil {
		return err
	}
	version, err := grafana.ParseVersion(rel.Version)
	if err != nil {
		return &UsageError{err.Error()}
	}
	spec := aside.Spec{
		Place: place, Version: version, Release: rel.Name(), Binary: rel.Binary, Port: room.Port, Memory: room.Limit(),
		Life: x.c.Rollout.StartTimeout + overTime, Addresses: room.Addresses, Files: files.WriteTar, Owned: files.Owned(),
	}
	start := time.Now()
	var log *aside.Log
	err = x.step(h.Name, "migrate", "start Grafana "+rel.Version+" on the side", func() (said string, err error) {
		if err := aside.Start(ctx, h.Host, spec); err != nil {
			return "", err
		}
		start = time.Now()
		log, err = x.follow(ctx, h.Host, spec)
		x.out.StartSeconds = time.Since(start).Seconds()
		if lostHost(err) || ctx.Err() != nil {
			return "", errors.Join(ctx.Err(), err)
		}
		x.out.judge(log, err)
		if x.out.Failed == "" {
			after, failed, err := x.count(ctx, h.Host)
			if err != nil {
				return "", err
			}
			x.out.compare(after, failed)
		}
		return x.out.found(), nil
	})
	x.out.setOutages(x.plan.Policy.Kind, len(x.c.Hosts))
	return err
}

// lostHost tells an error of the link from how the Grafana on the side came out.
func lostHost(err error) bool {
	var ended *aside.EndedError
	return err != nil && !errors.Is(err, aside.ErrLate) && !errors.As(err, &ended)
}

// bring brings the release to the host where it is not there yet.
func (x *rehearsal) bring(ctx context.Context, h seen, rel desired.Release) error {
	there, err := x.has(ctx, h.Host, rel.Name())
	if err != nil || there {
		return err
	}
	if err := aside.Bring(ctx, h.Host, x.place(h), rel.Name()); err != nil {
		return err
	}
	s := stager{paths: x.c.Paths, sink: x.o.Sink, lock: x.held, run: x.id, resume: "ghadeploy rehearse INVENTORY --to " + x.out.To}
	a := releaseAction(rel)
	return s.told(h.Host, a, func() error { return s.release(ctx, h.Host, x.p.desired[h.Name], a) })
}

// has tells whether a host has a release; an upgrade has staged it since the host was read.
func (x *rehearsal) has(ctx context.Context, h fleet.Host, release string) (bool, error) {
	res, err := h.Run(ctx, remote.Command{Step: "look for the release", Script: `[ ! -d "$1/releases/$2" ] || echo there`, Args: []string{x.c.Paths.Root, release}, Become: true})
	return strings.TrimSpace(string(res.Stdout)) == "there", err
}

// follow waits until it is healthy or has ended, at most as long as an upgrade would.
func (x *rehearsal) follow(ctx context.Context, h fleet.Host, spec aside.Spec) (*aside.Log, error) {
	ctx, cancel := context.WithTimeout(ctx, x.c.Rollout.StartTimeout)
	defer cancel()
	start, told := time.Now(), time.Time{}
	return aside.Follow(ctx, h, spec, func(l *aside.Log) {
		if time.Since(told) < gateTell {
			return
		}
		told = time.Now()
		x.o.Sink.Emit(event.Event{
			Kind: event.StepProgress, Run: x.id, Host: h.Name, Step: "migrate",
			Message: fmt.Sprintf("%d migrations: %s", l.Migrations, l.Last), Seconds: time.Since(start).Seconds(),
		})
	})
}

// note keeps in the hosts' journals what was found, for later plans.
func (x *rehearsal) note() {
	e := journal.Entry{
		Time: time.Now().UTC(), Run: x.id, Cluster: x.c.Name, Step: stepRehearsal, Result: "failed", Message: mask.For(x.c).Line(bounded(x.out.found())),
		Seconds: x.out.Seconds, Data: map[string]string{"from": x.out.From, "to": x.out.To},
	}
	if x.out.OK {
		e.Result = "done"
	}
	x.held.Journal("", e)
}
