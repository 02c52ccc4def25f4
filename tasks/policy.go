package tasks

import (
	"cmp"
	"fmt"
	"slices"
	"sort"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// setPolicy decides how the restarts of a plan are carried out: in which order,
// how many at once, and whether old and new may serve side by side.
func (p *Plan) setPolicy(in planInput) error {
	c := in.cluster
	order := turnOrder(p, in)
	p.Policy = Policy{
		Kind: PolicyNone, Reason: "nothing is restarted", Gates: gateNames(c), OnFailure: c.Rollout.OnFailure,
		Canary: c.Rollout.Canary, Bake: c.Rollout.Bake, PauseAfter: c.Rollout.PauseAfter,
	}
	running := func(h string) bool { return in.facts[h].Service.Running() }
	if len(order) == 0 {
		p.setSettle(c, running)
		return nil
	}
	p.Policy.Final = clusterGates(c)
	limit, err := unavailableCap(c.Rollout.MaxUnavailable, len(c.Hosts))
	if err != nil {
		return &UsageError{err.Error()}
	}
	p.Policy.MaxUnavailable = limit
	p.Policy.Kind, p.Policy.Reason = PolicyRolling, "the other hosts keep serving"
	from, highest, deployed := p.versionsRunning(in)
	if deployed && from.Compare(highest) != 0 {
		p.Warnings = append(p.Warnings, p.mixedVersions(in))
	}
	to, err := grafana.ParseVersion(p.target(order[0]))
	if err != nil {
		return &UsageError{err.Error()}
	}
	if !deployed {
		limit = 1
		p.deployFirst(in)
	} else if err := p.cross(in, from, highest, to); err != nil {
		return err
	}
	if err := p.setReach(in); err != nil {
		return err
	}
	if p.Policy.Kind == PolicyOneFirst || p.Policy.Kind == PolicyHandover {
		if err := p.alone(in); err != nil {
			return err
		}
	}
	if err := p.setBatches(in, order, limit); err != nil {
		return err
	}
	p.setSettle(c, running)
	return nil
}

// deployFirst is the policy where no host has anything yet.
func (p *Plan) deployFirst(in planInput) {
	p.Policy.Kind, p.Policy.Migrates = PolicyFirst, true
	p.Policy.Reason = "nothing runs yet: one host alone until the database is migrated, then the others one by one"
	p.leaveToTheEnd(gateLive)
	if _, err := dumpHost(in); err != nil && in.cluster.Database.Type != "sqlite3" && !in.noBackup {
		p.Warnings = append(p.Warnings, "an upgrade that has to dump the database would be refused: "+err.Error())
	}
}

// cross decides on the versions between what runs, from the lowest to the highest, and
// what is to run.
func (p *Plan) cross(in planInput, from, highest, to grafana.Version) error {
	switch {
	case highest.Compare(to) > 0 && from.Compare(highest) != 0 && !in.allowDowngrade:
		return &UsageError{fmt.Sprintf("an upgrade to %s was begun and broken off, and its migrations may have run: finish it with ghadeploy upgrade INVENTORY --to %s, or go back with ghadeploy rollback INVENTORY (with --with-database DUMP where they did)", highest, highest)}
	case highest.Compare(to) > 0:
		return p.changeVersion(in, highest, to)
	case from.Compare(to) != 0:
		return p.changeVersion(in, from, to)
	}
	return nil
}

// mixedVersions says which hosts have which version: somebody left it so.
func (p *Plan) mixedVersions(in planInput) string {
	var versions []string
	by := map[string][]string{}
	for _, hp := range p.Hosts {
		if v := hp.From.Version; v != "" {
			if by[v] == nil {
				versions = append(versions, v)
			}
			by[v] = append(by[v], hp.Host)
		}
	}
	for i, v := range versions {
		versions[i] = v + " on " + strings.Join(by[v], ", ")
	}
	return "the hosts do not have one version (" + strings.Join(versions, "; ") + "): an upgrade was broken off, or done with --limit"
}

// alone refuses and leaves out what does not go with versions that must not serve side
// by side: others that keep the old version, and pauses, which prolong the outage, or the
// time in which old and new share the database.
func (p *Plan) alone(in planInput) error {
	for _, hp := range p.Hosts {
		if hp.Stale && hp.From.Version != "" && hp.From.Version != hp.To.Version {
			return &UsageError{fmt.Sprintf("%s would stay on %s by --limit: %s; next: leave --limit out", hp.Host, hp.From.Version, p.Policy.Reason)}
		}
	}
	if r := in.cluster.Rollout; r.Canary || r.PauseAfter > 0 {
		meanwhile := "the other hosts are stopped meanwhile"
		if p.Policy.Kind == PolicyHandover {
			meanwhile = "old and new would share the database meanwhile"
		}
		p.Warnings = append(p.Warnings, "no pause and no watched canary: "+meanwhile)
	}
	p.withoutPauses()
	return nil
}

// withoutPauses takes out of a rollout what keeps hosts waiting that are stopped.
func (p *Plan) withoutPauses() { p.Policy.Canary, p.Policy.Bake, p.Policy.PauseAfter = false, 0, 0 }

// leaveToTheEnd takes a gate out of the turns. Where only the metric tells of Live's
// nodes it lags by 10 s; while nobody is served yet, one wait for all hosts is enough.
func (p *Plan) leaveToTheEnd(gate string) {
	p.Policy.Gates = slices.DeleteFunc(p.Policy.Gates, func(g string) bool { return g == gate })
	for _, hp := range p.Hosts {
		for i := range hp.Actions {
			hp.Actions[i].Steps = slices.DeleteFunc(hp.Actions[i].Steps, func(s Step) bool { return s == gateStep(gate) })
		}
	}
}

func (p *Plan) target(host string) string { return p.Host(host).To.Version }

// changeVersion applies what is known of the versions between.
func (p *Plan) changeVersion(in planInput, from, to grafana.Version) error {
	up := grafana.UpgradePolicyIn(from, to, situation(in, from))
	if up.Direction == grafana.Downgrade && !in.allowDowngrade {
		return &UsageError{fmt.Sprintf("%s -> %s is a downgrade: Grafana does not read a newer schema; restore a dump first and add --allow-downgrade, or use ghadeploy rollback", from, to)}
	}
	p.Policy.Migrates = true
	p.Policy.Reason = up.Reason
	if up.Kind == grafana.OneFirst && len(in.cluster.Hosts) > 1 {
		p.notSideBySide(in, from, to)
	}
	if err := p.setRehearsal(in, from, to, up); err != nil {
		return err
	}
	b := in.cluster.Database.Backup
	p.Policy.Backup = !in.noBackup && (up.Dump || b.On != "" || b.Command != "")
	if p.Policy.Backup {
		where, err := dumpHost(in)
		summary := fmt.Sprintf("dump database %s", in.cluster.Database.Name)
		if where == database.Operator {
			summary += " with this machine's tools, into " + in.hereDir
		}
		if err != nil {
			p.Warnings = append(p.Warnings, "apply will refuse: "+err.Error())
		}
		p.Before = append(p.Before, Action{Kind: ActionBackup, Host: where, Summary: summary, Reason: fmt.Sprintf("version %s -> %s", from, to)})
	} else if up.Dump {
		p.Warnings = append(p.Warnings, fmt.Sprintf("%s -> %s without a dump of the database: there is no way back", from, to))
	}
	return nil
}

// dumpHost is where the dump will be made, as [database.PickHost] will find it: the
// host that the inventory names, or the first that has the tools, or else this machine.
func dumpHost(in planInput) (string, error) {
	db := in.cluster.Database
	missing := &database.NoToolsError{Type: db.Type}
	if db.Backup.On == database.Operator {
		if in.here || db.Backup.Command != "" {
			return database.Operator, nil
		}
		missing.Hosts = []string{database.Operator}
		return database.Operator, missing
	}
	for _, h := range in.cluster.Hosts {
		f := in.facts[h.Name]
		if db.Backup.On != "" && h.Name != db.Backup.On || f == nil {
			continue
		}
		if db.Backup.Command != "" || database.HasTools(db.Type, func(c string) bool { return f.Tools[c] }) {
			return h.Name, nil
		}
		missing.Hosts = append(missing.Hosts, h.Name)
	}
	if db.Backup.On == "" && in.here {
		return database.Operator, nil
	}
	if db.Backup.On == "" {
		missing.Hosts = append(missing.Hosts, database.Operator)
	}
	return cmp.Or(db.Backup.On, in.cluster.Hosts[0].Name), missing
}

// setBatches cuts the order into batches. Whoever migrates goes alone.
func (p *Plan) setBatches(in planInput, order []string, limit int) error {
	r := in.cluster.Rollout
	var alone [][]string
	switch p.Policy.Kind {
	case PolicyOneFirst:
		p.oneFirst(in, order)
		return nil
	case PolicyHandover:
		p.handOver(in, order)
		return nil
	}
	if p.Policy.Migrates || r.Canary {
		alone, order = [][]string{order[:1:1]}, order[1:]
	}
	var rest [][]string
	if r.BatchLabel != "" {
		rest = batchesByLabel(order, func(h string) string { return in.cluster.Host(h).Labels[r.BatchLabel] }, limit)
	} else {
		var err error
		if rest, err = batches(order, r.Batch, limit, len(in.cluster.Hosts)); err != nil {
			return &UsageError{err.Error()}
		}
	}
	p.Policy.Batches = append(alone, rest...)
	return nil
}

// turnOrder sorts the hosts that restart: first those that serve nobody, and last
// the one that matters most, which is the alerting cluster's position 0, the node
// that notifies. With gossip that is the one that runs longest (peer names sort by
// start time); with Redis it is the lowest peer name.
func turnOrder(p *Plan, in planInput) []string {
	var order []string
	for _, hp := range p.Hosts {
		if hp.Restart {
			order = append(order, hp.Host)
		}
	}
	if in.cluster.Alerting.HA == string(grafana.OnRedis) && !nothingRuns(in) {
		slices.Reverse(order)
	}
	serves := func(h string) bool { return in.facts[h].Service.Running() && in.balancer[h] != "drain" }
	sort.SliceStable(order, func(i, j int) bool {
		a, b := in.facts[order[i]].Service, in.facts[order[j]].Service
		if serves(order[i]) != serves(order[j]) {
			return !serves(order[i])
		}
		if in.cluster.Alerting.HA != string(grafana.Gossip) || !a.Running() {
			return false
		}
		return a.Age < b.Age
	})
	return order
}

func nothingRuns(in planInput) bool {
	for _, f := range in.facts {
		if f.Service.Running() {
			return false
		}
	}
	return true
}

// settleText says for what the next turn waits where one follows.
func settleText(c *inventory.Cluster) string {
	if len(c.Hosts) < 2 {
		return "none: there is one host"
	}
	switch {
	case !c.Rollout.SettleAuto:
		return c.Rollout.Settle.String()
	case !clustered(c):
		return "none: alerting is not clustered"
	}
	return "until the host logs that gossip has settled, at most " + settleMax.String()
}

// settleMax is when Grafana itself goes on without a settled gossip; it calls it so
// with Redis too
// (10.3.1: pkg/services/ngalert/notifier/multiorg_alertmanager.go).
const settleMax = 30 * time.Second
