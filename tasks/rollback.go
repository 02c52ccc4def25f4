package tasks

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// Rollback takes the selected hosts back to an earlier generation, through the same
// turns and gates as any change: to the previous one whose gates passed, or to the
// one named by an id or a version. When migrations ran since, old code would run on
// a newer schema; then a dump has to be put back too.
func (r *Runner) Rollback(ctx context.Context, to, withDatabase string) (*Result, error) {
	if withDatabase != "" && len(r.selected()) < len(r.c.Hosts) {
		return nil, &UsageError{"a database is put back for all hosts: leave --limit out, or --with-database"}
	}
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return nil, err
	}
	targets, err := rollbackTargets(p, r.selected(), to)
	if err != nil {
		return nil, err
	}
	if withDatabase == "" {
		// Who is there already needs no turn.
		maps.DeleteFunc(targets, func(host, id string) bool { return p.factsByHost()[host].Current == id })
	}
	if err := r.mayGoBack(ctx, p, targets, withDatabase); err != nil {
		return nil, err
	}
	plan, err := r.turnsTo(p, targets, "rollback")
	if err != nil {
		return nil, err
	}
	if to != "" {
		plan.arguments = " --to " + to
	}
	if len(plan.Policy.Batches) == 0 {
		return &Result{Run: r.id, Plan: plan, Hosts: map[string]HostOutcome{}}, nil
	}
	if withDatabase == "" {
		if err := r.migratedSince(ctx, p, targets); err != nil {
			return nil, err
		}
	}
	return r.takeTurns(ctx, p, plan, withDatabase)
}

// gatherFacts reads the hosts and the balancers, and no artifact: what is rolled back
// to is on the hosts already.
func (r *Runner) gatherFacts(ctx context.Context) (*picture, error) {
	return r.gatherFactsBut(ctx, r.leftOut())
}

// rollbackTargets finds each selected host's generation to go back to. Ids differ from
// host to host, since their configurations do; so where a host does not have the id
// that was asked for, it goes back as many generations as the host that has it. Where
// hosts run different versions, an upgrade was broken off: all go back to the lower
// one, and those that the upgrade did not reach stay there. So does, with --to
// VERSION, a host of that version.
func rollbackTargets(p *picture, selected map[string]bool, to string) (map[string]string, error) {
	steps := 0
	if to != "" {
		for _, h := range p.hosts {
			if i := indexBack(h.facts, to); i > 0 {
				steps = i
			}
		}
	}
	lowest := brokenOffAt(p)
	out := map[string]string{}
	for _, h := range p.hosts {
		if !selected[h.Name] {
			continue
		}
		id, what := "", "generation or version "+to
		switch current := versionOf(h.facts.Generations[h.facts.Current]); {
		case to == "" && lowest == "":
			id, what = previousGood(h.facts), "an earlier generation whose gates passed"
		case current != "" && current == cmp.Or(to, lowest):
			id = h.facts.Current
		case to == "":
			id, what = findGeneration(h.facts, lowest, 0), "a generation of "+lowest+", from which an upgrade was broken off"
		default:
			id = findGeneration(h.facts, to, steps)
		}
		if id == "" {
			return nil, &UsageError{fmt.Sprintf("%s does not have %s; next: ghadeploy releases INVENTORY", h.Name, what)}
		}
		out[h.Name] = id
	}
	return out, nil
}

// brokenOffAt is the lowest version where hosts have different ones current; empty
// where all agree.
func brokenOffAt(p *picture) string {
	var lowest, highest grafana.Version
	text := ""
	for _, h := range p.hosts {
		s := versionOf(h.facts.Generations[h.facts.Current])
		v, err := grafana.ParseVersion(s)
		if err != nil {
			continue
		}
		if text == "" || v.Compare(lowest) < 0 {
			lowest, text = v, s
		}
		if v.Compare(highest) > 0 {
			highest = v
		}
	}
	if lowest.Compare(highest) == 0 {
		return ""
	}
	return text
}

// others are the good generations besides the current one, newest first.
func others(f *Facts) (out []string) {
	for _, id := range slices.Backward(f.Good) {
		if _, there := f.Generations[id]; there && id != f.Current {
			out = append(out, id)
		}
	}
	return out
}

// indexBack is how many generations back an id lies, from 1; 0 when it is not there.
func indexBack(f *Facts, id string) int {
	return slices.IndexFunc(others(f), func(g string) bool { return strings.HasPrefix(g, id) }) + 1
}

func findGeneration(f *Facts, to string, steps int) string {
	if i := indexBack(f, to); i > 0 {
		return others(f)[i-1]
	}
	for _, id := range others(f) {
		if versionOf(f.Generations[id]) == to {
			return id
		}
	}
	if steps > 0 && steps <= len(others(f)) {
		return others(f)[steps-1]
	}
	return ""
}

// turnsTo is a plan whose turns flip to generations that are on the hosts already. A
// host without a target is left alone.
func (r *Runner) turnsTo(p *picture, targets map[string]string, reason string) (*Plan, error) {
	plan := &Plan{Schema: 1, Cluster: r.c.Name, Command: r.o.Command}
	in := planInput{cluster: r.c, facts: p.factsByHost(), desired: p.desired, reach: p.reach.changes(), allow: r.o.Allow}
	for _, h := range p.hosts {
		f := h.facts
		hp := HostPlan{Host: h.Name, From: runs(f), To: runs(f)}
		p.desired[h.Name] = &desired.Host{Host: h.Name, Generation: &desired.Generation{ID: f.Current, Version: hp.To.Version}}
		if id := targets[h.Name]; id != "" {
			g := &desired.Generation{ID: id, Release: f.Generations[id], Version: versionOf(f.Generations[id])}
			p.desired[h.Name].Generation = g
			hp.To = Deployed{Version: g.Version, Release: g.Release, Generation: id}
			hp.Restart, hp.Reasons = true, []string{reason}
			a := turnAction(in, f, g, hp.Reasons)
			a.Host = h.Name
			hp.Actions = []Action{a}
		} else {
			hp.Skipped = true
		}
		plan.Hosts = append(plan.Hosts, hp)
	}
	plan.Policy = Policy{
		Kind: PolicyRolling, Reason: "the other hosts keep serving", Gates: gateNames(r.c), Final: clusterGates(r.c), OnFailure: "stop",
		Canary: r.c.Rollout.Canary, Bake: r.c.Rollout.Bake, PauseAfter: r.c.Rollout.PauseAfter,
	}
	order := turnOrder(plan, in)
	limit, err := unavailableCap(r.c.Rollout.MaxUnavailable, len(r.c.Hosts))
	if err != nil {
		return nil, &UsageError{err.Error()}
	}
	plan.Policy.MaxUnavailable = limit
	if reason == "rollback" && r.c.Rollout.OnFailure == "rollback" {
		plan.Policy.OnFailure = "rollback" // to what runs now: no host is left down for having gone back
	}
	if len(order) > 0 {
		if err := plan.setReach(in); err != nil {
			return nil, err
		}
		if plan.Policy.Kind != PolicyRolling {
			plan.withoutPauses()
		}
		if err := plan.setBatches(in, order, limit); err != nil {
			return nil, err
		}
	}
	plan.setSettle(r.c, func(h string) bool { return in.facts[h].Service.Running() })
	return plan, plan.seal()
}

// currentOf are the selected hosts' current generations.
func currentOf(p *picture, selected map[string]bool) map[string]string {
	out := map[string]string{}
	for _, h := range p.hosts {
		if selected[h.Name] && h.facts.Current != "" {
			out[h.Name] = h.facts.Current
		}
	}
	return out
}

// migratedSince refuses to go back over migrations. The log of the database says when
// the last one ran, the host when the generation to go back to was last seen good.
func (r *Runner) migratedSince(ctx context.Context, p *picture, targets map[string]string) error {
	changes, oneWay := false, false
	var seenGood time.Time
	back := ""
	for _, h := range p.hosts {
		id := targets[h.Name]
		if id == "" {
			continue
		}
		from := runs(h.facts).Version
		back = versionOf(h.facts.Generations[id])
		changes = changes || from != back
		a, errA := grafana.ParseVersion(from)
		b, errB := grafana.ParseVersion(back)
		oneWay = oneWay || errA == nil && errB == nil && len(grafana.OneWayStep(b, a)) > 0
		if at := h.facts.GoodAt[id]; at.After(seenGood) {
			seenGood = at
		}
	}
	if !changes {
		return nil
	}
	var m database.Migrations
	db, err := database.Open(ctx, p.hosts[0].Conn, r.c.Database, nil)
	if err == nil {
		m, err = db.Migrations(ctx)
		_ = db.Close()
	}
	if err != nil {
		return &fleet.HostError{Host: p.hosts[0].Name, Step: "read the migration log", Cause: err, State: "nothing was touched",
			Next: "bring the database back, or restore a dump: ghadeploy rollback INVENTORY --with-database DUMP"}
	}
	if m.LatestAt.After(seenGood) || oneWay {
		return &RefusedError{
			Message: fmt.Sprintf("migrations ran since %s was last seen good (the last, %q, at %s): it does not know the schema they made; restore the dump that was taken before", back, m.LatestID, m.LatestAt.Format(time.RFC3339)),
			Next:    "ghadeploy rollback INVENTORY --with-database DUMP (ghadeploy backup INVENTORY --list)",
		}
	}
	return nil
}

// takeTurns carries a plan of turns out that needs nothing staged; with a dump, all
// hosts are stopped while it is put back, and the first starts alone.
func (r *Runner) takeTurns(ctx context.Context, p *picture, plan *Plan, dump string) (*Result, error) {
	var from *foundDump
	if dump != "" {
		var err error
		// Nothing is stopped for a dump that is not there, or cannot be read.
		if from, err = r.findDump(ctx, p.connected(), dump); err != nil {
			return nil, err
		}
		r.tellLoss(ctx, p, plan, from)
		plan.putBackDatabase(from.String(), len(r.c.Hosts))
	}
	return r.locked(ctx, p.connected(), plan, func(held *lock.Lock, res *Result) error {
		if err := r.unmoved(ctx, p); err != nil {
			return err
		}
		k := r.hooks()
		return k.around(ctx, plan, res, func() error {
			ro := r.rollout(p, plan, held, k)
			if from != nil {
				if err := r.putBack(ctx, ro, p, from, res); err != nil {
					maps.Copy(res.Hosts, ro.outcomes)
					return err
				}
				plan.Policy.Kind = PolicyFirst
				ro.migrations = nil
			}
			err := r.roll(ctx, ro, res)
			if err == nil {
				r.warnOfInventory(plan)
			}
			return err
		})
	})
}

// putBackDatabase makes a plan of turns one that puts a dump back before them.
func (p *Plan) putBackDatabase(dump string, hosts int) {
	p.Before = append(p.Before,
		Action{Kind: ActionStop, Host: "all hosts", Summary: "stop Grafana on all hosts and restore " + dump, Reason: "restore", Disrupts: true})
	p.Policy.Kind, p.Policy.Reason = PolicyOneFirst, "the database is put back while nothing runs on it: an outage"
	p.Policy.MaxUnavailable, p.Policy.OnFailure = hosts, "stop" // what runs now does not know the schema of the dump
	p.Policy.Settle = "none: the hosts meet at the end"
	p.withoutPauses()
	// Nobody else is on the database while the first host finds out what it has to migrate.
	if b := p.Policy.Batches; len(b[0]) > 1 {
		p.Policy.Batches = append([][]string{b[0][:1], b[0][1:]}, b[1:]...)
	}
	_ = p.seal()
}

// putBack stops all hosts, dumps what there is, and puts the dump back.
func (r *Runner) putBack(ctx context.Context, ro *rollout, p *picture, from *foundDump, res *Result) error {
	if err := ro.stopAll(ctx, p.connected()); err != nil {
		return ro.bringBack(ctx, err)
	}
	if err := r.dumpPresent(ctx, ro.plan, from, res); err != nil {
		return ro.bringBack(ctx, err)
	}
	return r.restoreDump(ctx, from)
}

// unmoved refuses to go on when another run has changed a host before this one got its
// lock: its turns would undo what that run did.
func (r *Runner) unmoved(ctx context.Context, p *picture) error {
	return fleet.Each(p.connected(), func(i int, h fleet.Host) error {
		was := p.hosts[i].facts
		now, err := r.observeHost(ctx, h)
		if err != nil {
			return err
		}
		if now.Current != was.Current || now.Service.Generation != was.Service.Generation {
			return &fleet.HostError{Host: h.Name, Step: "look again under the lock",
				Cause: fmt.Errorf("another run has changed it: generation %s is current now, it was %s", orNone(now.Current), orNone(was.Current)),
				State: "nothing was touched", Next: "run it again"}
		}
		return nil
	})
}

// warnOfInventory says that the inventory still names the version that was left: the
// next apply would go there again.
func (r *Runner) warnOfInventory(plan *Plan) {
	for _, hp := range plan.Hosts {
		if v := hp.To.Version; v != hp.From.Version && v != r.c.Grafana.Version {
			message := fmt.Sprintf("%s still says grafana.version: %s, and the next apply goes there again; set it to %s to stay", r.c.File,
				r.c.Grafana.Version, v)
			if at := r.c.Place("grafana", "version"); r.c.Extended(at) {
				message = fmt.Sprintf("%s still says grafana.version: %s, for other inventories that extend it too, and the next apply goes there again; "+
					`write grafana: {version: "%s"} into %s to stay`, at, r.c.Grafana.Version, v, r.c.File)
			}
			r.o.Sink.Emit(event.Event{Kind: event.Attention, Run: r.id, Message: message})
			return
		}
	}
}

// stopAll takes all hosts out of service at once.
func (r *rollout) stopAll(ctx context.Context, hosts []fleet.Host) error {
	return fleet.Each(hosts, func(_ int, h fleet.Host) error { return r.stopHost(ctx, h, "by this run") })
}
