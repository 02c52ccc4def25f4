package tasks

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Plan says what Apply would do. It writes nothing on any host.
func (r *Runner) Plan(ctx context.Context) (*Plan, error) {
	r.looks = true
	return r.planOf(ctx, want{})
}

// PlanUpgrade says what Upgrade would do.
func (r *Runner) PlanUpgrade(ctx context.Context, version string) (*Plan, error) {
	r.looks = true
	return r.planOf(ctx, want{version: version})
}

func (r *Runner) planOf(ctx context.Context, w want) (*Plan, error) {
	p, err := r.gather(ctx, w)
	if err != nil {
		return nil, err
	}
	return r.plan(ctx, p, w)
}

// Apply makes the cluster what the inventory says.
func (r *Runner) Apply(ctx context.Context) (*Result, error) { return r.change(ctx, want{}) }

// Upgrade is Apply with another version and the care that a schema change needs.
func (r *Runner) Upgrade(ctx context.Context, version string) (*Result, error) {
	if _, err := grafana.ParseVersion(version); err != nil {
		return nil, &UsageError{err.Error()}
	}
	return r.change(ctx, want{version: version})
}

// Restart starts Grafana anew on the selected hosts, on what is current there, in turns
// between gates. What the inventory would change meanwhile is apply's business.
func (r *Runner) Restart(ctx context.Context) (*Result, error) {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := r.turnsTo(p, currentOf(p, r.selected()), "restart was asked for")
	if err != nil {
		return nil, err
	}
	return r.takeTurns(ctx, p, plan, "")
}

// change is the whole of a run, to be read aloud: read, plan, ask, lock, read
// again, check, before, stage, roll, prune.
func (r *Runner) change(ctx context.Context, w want) (*Result, error) {
	p, err := r.gather(ctx, w)
	if err != nil {
		return nil, err
	}
	plan, err := r.plan(ctx, p, w)
	if err != nil {
		return nil, err
	}
	return r.locked(ctx, p.connected(), plan, func(held *lock.Lock, res *Result) error {
		return r.carryOut(ctx, w, plan, held, res)
	})
}

// carryOut does what a plan says, under the lock of every host.
func (r *Runner) carryOut(ctx context.Context, w want, plan *Plan, held *lock.Lock, res *Result) error {
	// Somebody may have changed the hosts between the plan and the lock.
	p, plan, err := r.again(ctx, w, plan)
	if err != nil {
		return err
	}
	res.Plan = plan
	if err := r.check(ctx, p, plan); err != nil {
		return err
	}
	if err := refuseForeign(p, plan, r.c.Paths); err != nil {
		return err
	}
	k := r.hooks()
	return k.around(ctx, plan, res, func() error { return r.execute(ctx, p, plan, held, k, res) })
}

// again reads and plans once more under the lock. Whoever held it before us has left
// other hosts behind than those that were planned for: the operator is asked again.
// A saved plan that no longer holds is not carried out.
func (r *Runner) again(ctx context.Context, w want, plan *Plan) (*picture, *Plan, error) {
	p, err := r.gather(ctx, w)
	if err != nil {
		return nil, nil, err
	}
	plan2, err := r.plan(ctx, p, w)
	if err != nil {
		return nil, nil, err
	}
	if err := plan2.refused(); err != nil {
		return nil, nil, err
	}
	if plan2.Hash == plan.Hash {
		return p, plan2, nil
	}
	if r.o.Saved != nil {
		return nil, nil, movedSince(plan, plan2)
	}
	if r.o.Confirm != nil && !plan2.Empty() {
		ok, err := r.o.Confirm(ctx, plan2)
		if err == nil && !ok {
			err = ErrDeclined
		}
		if err != nil {
			return nil, nil, err
		}
	}
	return p, plan2, nil
}

// check runs the preflight checks; a failed one ends the run before any write.
func (r *Runner) check(ctx context.Context, p *picture, plan *Plan) error {
	if slices.Contains(r.o.SkipChecks, "all") {
		return nil
	}
	r.phase("check", "look at what Grafana will rely on")
	defer r.phaseDone("check", time.Now())
	in := r.checkInput(p)
	in.Dump = plan.Policy.Backup
	found, err := check.Run(ctx, in)
	if err != nil {
		return err
	}
	failed := check.Failed(found)
	if len(failed) == 0 {
		return nil
	}
	e := &CheckError{}
	for _, f := range failed {
		e.Failed = append(e.Failed, f.String())
		if !slices.Contains(e.Names, f.Check) {
			e.Names = append(e.Names, f.Check)
		}
	}
	return e
}

func (r *Runner) phase(name, message string) {
	r.o.Sink.Emit(event.Event{Kind: event.PhaseStarted, Run: r.id, Step: name, Message: message})
}

func (r *Runner) phaseDone(name string, start time.Time) {
	r.o.Sink.Emit(event.Event{Kind: event.PhaseDone, Run: r.id, Step: name, Seconds: time.Since(start).Seconds()})
}

// execute is what the plan says, in its order.
func (r *Runner) execute(ctx context.Context, p *picture, plan *Plan, held *lock.Lock, k hooks, res *Result) error {
	if err := r.before(ctx, p, plan, false); err != nil {
		return err
	}
	if err := r.stage(ctx, p, plan, held); err != nil {
		return err
	}
	if r.stopped() {
		return interruptedError{next: resumeCommand(plan, nil)}
	}
	if err := r.rehearseFirst(ctx, p, plan, held); err != nil {
		return err
	}
	// The dump comes last before the first turn, so that it misses as little as possible.
	if err := r.before(ctx, p, plan, true); err != nil {
		return err
	}
	var before database.Counts
	if plan.changesVersion() {
		before = r.content(ctx, p.connected())
	}
	ro := r.rollout(p, plan, held, k)
	if plan.changesDatabase() {
		ro.migrations = nil // those of the new database do not bind who goes back to the old one
	}
	ro.migrated = func(ctx context.Context) error {
		if err := r.nothingLost(ctx, p, before, "only the first host runs the new version"); err != nil {
			return ro.leaveStopped(err, "the first host's migration lost something", r.wayBack(p))
		}
		return nil
	}
	if err := r.roll(ctx, ro, res); err != nil {
		return err
	}
	if err := r.nothingLost(ctx, p, before, "all hosts run the new version"); err != nil {
		return err
	}
	return r.prune(ctx, p, plan, held)
}

func (r *Runner) stopped() bool {
	select {
	case <-r.o.Interrupt:
		return true
	default:
		return false
	}
}

// before carries the actions of the whole cluster out: the database and the managed
// balancers first, the dump once everything is staged.
func (r *Runner) before(ctx context.Context, p *picture, plan *Plan, dump bool) error {
	for _, a := range plan.Before {
		if (a.Kind == ActionBackup) != dump || a.Kind == ActionRehearse {
			continue
		}
		start := time.Now()
		r.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: r.id, Host: a.Host, Step: string(a.Kind), Message: a.Summary})
		var err error
		switch a.Kind {
		case ActionCreateDatabase:
			_, err = database.Create(ctx, p.hosts[0].Conn, r.c.Database)
		case ActionBackup:
			p.dump, err = r.dump(ctx, p.connected(), plan)
		case ActionBalancer:
			// One call writes all balancers, so that they agree; a second finds nothing to do.
			err = p.balancer.Apply(ctx, p.changes)
			p.changes = nil
		}
		if err != nil {
			r.o.Sink.Emit(event.Event{Kind: event.StepFailed, Run: r.id, Host: a.Host, Step: string(a.Kind), Error: err.Error()})
			return &fleet.HostError{Host: a.Host, Step: a.Summary, Cause: err, State: "no host was touched", Next: "correct it, then: " + resumeCommand(plan, nil)}
		}
		r.o.Sink.Emit(event.Event{Kind: event.StepDone, Run: r.id, Host: a.Host, Step: string(a.Kind), Message: a.Summary, Seconds: time.Since(start).Seconds()})
	}
	return nil
}

// dump backs the database up where the inventory says.
func (r *Runner) dump(ctx context.Context, hosts []fleet.Host, plan *Plan) (database.Backup, error) {
	h, err := database.PickHost(ctx, hosts, r.c.Database)
	if err != nil {
		return database.Backup{}, err
	}
	version := r.c.Grafana.Version
	if plan != nil {
		from := plan.Host(h.Name)
		if from == nil { // this machine
			from = plan.Host(hosts[0].Name)
		}
		if from != nil && from.From.Version != "" {
			version = from.From.Version
		}
	}
	return database.Dump(ctx, h, r.c.Database, database.BackupOptions{Cluster: r.c.Name, Version: version})
}

// stage does everything harmless on all hosts at once.
func (r *Runner) stage(ctx context.Context, p *picture, plan *Plan, held *lock.Lock) error {
	s := stager{paths: r.c.Paths, sink: r.o.Sink, lock: held, run: r.id, resume: resumeCommand(plan, nil)}
	r.phase("stage", "bring what is new beside what runs")
	defer r.phaseDone("stage", time.Now())
	return fleet.Each(p.connected(), func(_ int, h fleet.Host) error {
		return s.stage(ctx, h, p.desired[h.Name], plan.Host(h.Name).Actions)
	})
}

func (r *Runner) rollout(p *picture, plan *Plan, held *lock.Lock, k hooks) *rollout {
	ro := &rollout{
		cluster: r.c, plan: plan, desired: p.desired, hosts: p.fleet(), balancer: p.balancer, sink: r.o.Sink, lock: held,
		run: r.id, pause: r.o.Pause, interrupt: r.o.Interrupt, hooks: k,
		facts: map[string]*Facts{}, runs: map[string]string{}, up: map[string]bool{}, deployed: map[string]bool{}, probes: map[string]*Probe{}, outcomes: map[string]HostOutcome{}, byHand: map[string]string{},
	}
	ro.absent = len(p.absent)
	for _, h := range p.hosts {
		ro.byHand[h.Name], ro.facts[h.Name] = h.facts.Drained, h.facts
		ro.up[h.Name], ro.deployed[h.Name] = h.facts.Service.Running(), h.facts.Current != ""
	}
	if p.dump.Path != "" {
		ro.dump = p.dump.Host + ":" + p.dump.Path
	}
	ro.migrations = func(ctx context.Context) (int, error) { return r.countMigrations(ctx, p.connected()) }
	ro.alerts = func(ctx context.Context) (a database.Alerts, err error) {
		err = r.withDatabase(ctx, p.connected(), func(ctx context.Context, db *database.DB) error {
			a, err = db.Alerts(ctx)
			return err
		})
		return a, err
	}
	return ro
}

// databaseTimeout bounds one short reading of the database.
const databaseTimeout = 15 * time.Second

// countMigrations reads the migration log through the first host that still answers.
func (r *Runner) countMigrations(ctx context.Context, hosts []fleet.Host) (n int, err error) {
	err = r.withDatabase(ctx, hosts, func(ctx context.Context, db *database.DB) error {
		m, err := db.Migrations(ctx)
		n = int(m.Rows + max(m.Unified, 0))
		return err
	})
	return n, err
}

// roll gives the hosts their turns, finishes what an earlier run left, and proves at
// the end that the whole cluster is one.
func (r *Runner) roll(ctx context.Context, ro *rollout, res *Result) error {
	r.phase("rollout", ro.plan.Policy.Reason)
	start := time.Now()
	ro.noteShared(ctx, dependencies(r.c))
	err := ro.finishOthers(ctx)
	if err == nil && ro.plan.Policy.Kind != PolicyNone {
		err = ro.roll(ctx)
	}
	maps.Copy(res.Hosts, ro.outcomes)
	for _, b := range ro.plan.Policy.Batches {
		for _, h := range b {
			if _, reached := ro.outcomes[h]; !reached && err != nil {
				o := res.Hosts[h]
				o.Outcome = "not reached"
				res.Hosts[h] = o
			}
		}
	}
	if err == nil {
		err = ro.whole(ctx)
	}
	r.phaseDone("rollout", start)
	return err
}

// prune deletes what retention lists, once everything else has succeeded.
func (r *Runner) prune(ctx context.Context, p *picture, plan *Plan, held *lock.Lock) error {
	s := stager{paths: r.c.Paths, sink: r.o.Sink, lock: held, run: r.id, resume: resumeCommand(plan, nil)}
	return fleet.Each(p.connected(), func(_ int, h fleet.Host) error {
		for _, a := range plan.Host(h.Name).Actions {
			if a.Kind != ActionPrune {
				continue
			}
			if err := s.told(h, a, func() error { return s.prune(ctx, h, a) }); err != nil {
				return &fleet.HostError{Host: h.Name, Step: a.Summary, Cause: err, State: "Grafana is deployed and runs", Next: s.resume}
			}
		}
		return nil
	})
}
