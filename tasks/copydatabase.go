package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// CopyOptions are what CopyDatabase is told.
type CopyOptions struct {
	// File is the sqlite file to copy from, on this machine.
	File string
	// Replace: what people made in the target goes.
	Replace bool
	// WithoutRefused keeps the copy although the target did not take some rows.
	WithoutRefused bool
	// Compare copies nothing: it reads both sides.
	Compare bool
	// Confirm is asked before the first write; nil: no question.
	Confirm func(ctx context.Context, p *dbcopy.Plan) (bool, error)
}

// CopyDatabase copies the content of a sqlite file into the cluster's database, whose
// schema a Grafana of the same version has made, and compares every row. No Grafana may
// run meanwhile. Whatever fails leaves the database as it was.
func (r *Runner) CopyDatabase(ctx context.Context, o CopyOptions) (*dbcopy.Report, error) {
	if r.c.Database.Type == "sqlite3" {
		return nil, &UsageError{"database.type is sqlite3: a copy goes into PostgreSQL, MySQL or MariaDB, which hosts can share; next: ghadeploy docs database"}
	}
	src, err := dbcopy.OpenSQLite(ctx, o.File)
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	defer func() { _ = src.Close() }()
	hosts, err := r.connectAll(ctx)
	if err != nil {
		return nil, err
	}
	held, err := r.lockAll(ctx, hosts)
	if err != nil {
		return nil, err
	}
	defer held.Release()
	found, err := r.observe(ctx, r.c.Hosts)
	if err != nil {
		return nil, err
	}
	dst, via, err := r.openTarget(ctx, hosts)
	if err != nil {
		return nil, err
	}
	defer func() { _ = dst.Close() }()
	c := databaseCopy{r: r, o: o, src: src, dst: dst, via: via}
	return c.run(ctx, found)
}

// openTarget reaches the cluster's database through the first host from which it can be.
func (r *Runner) openTarget(ctx context.Context, hosts []fleet.Host) (dbcopy.Target, fleet.Host, error) {
	last := errors.New("no host answers")
	for _, h := range hosts {
		db, err := database.Open(ctx, h.Conn, r.c.Database, nil)
		if err != nil {
			last = &fleet.HostError{Host: h.Name, Step: "log in to the database", Cause: err, State: "nothing was touched", Next: "ghadeploy check INVENTORY"}
			continue
		}
		name := fmt.Sprintf("database %s at %s", r.c.Database.Name, r.c.Database.Host)
		var dst dbcopy.Target
		if db.Kind == database.Postgres {
			dst, err = dbcopy.OpenPostgres(ctx, db.DB, name, false)
		} else {
			dst, err = dbcopy.OpenMySQL(ctx, db.DB, string(db.Kind), name, false)
		}
		if err != nil {
			_ = db.Close()
			return nil, h, err
		}
		return &throughHost{dst, db}, h, nil
	}
	return nil, fleet.Host{}, last
}

// throughHost closes the login with the connection.
type throughHost struct {
	dbcopy.Target
	db *database.DB
}

// Rows takes any number: they are used up as they come.
func (t *throughHost) Rows(ctx context.Context, table *dbcopy.Table, columns []dbcopy.Column, most int64, each func(dbcopy.Row) error) error {
	defer t.db.Stream()()
	return t.db.Reason(t.Target.Rows(ctx, table, columns, most, each))
}

// Close closes both.
func (t *throughHost) Close() error { return errors.Join(t.Target.Close(), t.db.Close()) }

type databaseCopy struct {
	r   *Runner
	o   CopyOptions
	src dbcopy.Source
	dst dbcopy.Target
	via fleet.Host
}

func (c databaseCopy) run(ctx context.Context, hosts []seen) (*dbcopy.Report, error) {
	progress := c.progress()
	o := dbcopy.Options{Replace: c.o.Replace || c.o.Compare, WithoutRefused: c.o.WithoutRefused, Progress: progress.tell}
	c.r.phase("look", "read both databases")
	start := time.Now()
	plan, err := dbcopy.Look(ctx, c.src, c.dst, o)
	if err != nil {
		return nil, err
	}
	if !c.o.Compare {
		if err := c.nobodyWrites(ctx, hosts, plan); err != nil {
			return nil, err
		}
	}
	c.r.phaseDone("look", start)
	if err := c.notReady(plan); err != nil {
		return nil, err
	}
	c.warn(plan)
	if c.o.Compare {
		end := progress.begin("compare", "compare every row")
		rep, err := dbcopy.Compare(ctx, c.src, c.dst, plan, o)
		end(err)
		return rep, c.failed(err, rep)
	}
	if c.o.Confirm != nil {
		if yes, err := c.o.Confirm(ctx, plan); err != nil || !yes {
			return nil, errors.Join(err, declined(yes, err))
		}
	}
	end := progress.begin("copy", fmt.Sprintf("copy %d rows of %d tables", plan.Rows, plan.Tables))
	rep, err := dbcopy.Copy(ctx, c.src, c.dst, plan, o)
	end(err)
	return rep, c.failed(err, rep)
}

func declined(yes bool, err error) error {
	if err == nil && !yes {
		return ErrDeclined
	}
	return nil
}

// nobodyWrites adds what still uses the database to what is in the way.
func (c databaseCopy) nobodyWrites(ctx context.Context, hosts []seen, plan *dbcopy.Plan) error {
	var running []string
	for _, h := range hosts {
		if h.facts.Service.Running() {
			running = append(running, h.Name)
		}
	}
	if len(running) > 0 {
		plan.Obstacles = append(plan.Obstacles, dbcopy.Obstacle{What: "Grafana runs on " + strings.Join(running, ", ") + " and would write meanwhile", Next: "ghadeploy stop INVENTORY"})
		return nil
	}
	n, err := c.dst.Others(ctx)
	if err == nil && n > 0 {
		plan.Obstacles = append(plan.Obstacles, dbcopy.Obstacle{
			What: fmt.Sprintf("%d other connections to the database are open, from hosts that are not in the inventory", n),
			Next: "stop the Grafana (or whatever it is) that holds them",
		})
	}
	return err
}

// obstacle is a reason not to begin, with the exit code of a failed check.
type obstacle string

// Error is the reason.
func (o obstacle) Error() string { return string(o) }

// As makes it a [CheckError] for who asks for one.
func (o obstacle) As(target any) bool {
	check, ok := target.(**CheckError)
	if ok {
		*check = &CheckError{Failed: []string{string(o)}}
	}
	return ok
}

func (c databaseCopy) notReady(plan *dbcopy.Plan) error {
	var errs []error
	for _, o := range plan.Obstacles {
		errs = append(errs, &fleet.HostError{Host: c.r.c.Name, Step: "look at both databases", Cause: obstacle(o.What), State: "nothing was touched", Next: o.Next})
	}
	return errors.Join(errs...)
}

// warn names what holds something and is not copied.
func (c databaseCopy) warn(plan *dbcopy.Plan) {
	for _, l := range plan.LeftOut {
		if l.Rows > 0 {
			c.r.o.Sink.Emit(event.Event{Kind: event.Warning, Run: c.r.id, Message: fmt.Sprintf("%s is not copied (%d rows): %s", l.Table, l.Rows, l.Why)})
		}
	}
}

// failed says in which state a copy that failed left the database, and what to do.
func (c databaseCopy) failed(err error, rep *dbcopy.Report) error {
	if err == nil {
		return nil
	}
	e := &fleet.HostError{Host: c.via.Name, Step: "copy the database", Cause: err, State: "the database is as it was", Next: "the same command again: it begins anew"}
	switch {
	case c.o.Compare:
		e.Step, e.State, e.Next = "compare the databases", "nothing was touched", "see the tables above; copy again with --replace"
	case rep != nil && rep.Committed:
		e.State, e.Next = "the copy is kept", "the same command again with --replace"
	case errors.Is(err, dbcopy.ErrUnknown):
		e.State, e.Next = "the database has all of the copy or none of it", "the same command with --compare"
	case errors.Is(err, dbcopy.ErrRefused):
		e.Next = "correct these rows in the source, or add --without-refused-rows: they are left out then"
	}
	return e
}

// copyProgress tells how far a copy has come, a few times a second.
type copyProgress struct {
	c    databaseCopy
	step string
	mu   sync.Mutex
	last time.Time
}

func (c databaseCopy) progress() *copyProgress { return &copyProgress{c: c} }

// begin shows a step; what it gives shows its end.
func (p *copyProgress) begin(step, message string) func(error) {
	p.step = step
	start := time.Now()
	p.c.r.phase(step, message)
	p.c.r.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: p.c.r.id, Host: p.c.via.Name, Step: step, Message: message})
	return func(err error) {
		e := event.Event{Kind: event.StepDone, Run: p.c.r.id, Host: p.c.via.Name, Step: step, Seconds: time.Since(start).Seconds()}
		if err != nil {
			e.Kind, e.Error = event.StepFailed, err.Error()
		}
		p.c.r.o.Sink.Emit(e)
		p.c.r.phaseDone(step, start)
	}
}

func (p *copyProgress) tell(step, table string, done, total int64) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.last) < 200*time.Millisecond {
		return
	}
	p.last = time.Now()
	verb := map[string]string{"copy": "copied", "compare": "compared"}[step]
	p.c.r.o.Sink.Emit(event.Event{
		Kind: event.StepProgress, Run: p.c.r.id, Host: p.c.via.Name, Step: p.step,
		Message: fmt.Sprintf("%d of %d rows %s, in table %s", done, total, verb, table),
	})
}
