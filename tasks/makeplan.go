package tasks

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// planInput is everything a plan follows from. Two equal inputs give two equal plans.
type planInput struct {
	cluster  *inventory.Cluster
	command  string
	selected map[string]bool // by --limit
	desired  map[string]*desired.Host
	facts    map[string]*Facts
	old      map[string]map[string][]byte // shown texts of each host's current files
	// balancer is the state of each host as the load balancer sees it.
	balancer map[string]string
	// lines are where balancers that are not managed name hosts that come to answer elsewhere.
	lines []balancer.Line
	// before are the actions of the whole cluster, found by reading the
	// database and the balancers.
	before         []Action
	allowDowngrade bool
	noBackup       bool
	// here tells whether the operator's machine has the tools for a dump, and hereDir
	// where the dump would lie there.
	here          bool
	hereDir       string
	allowKnownBad bool
	server        databaseServer
	rehearsed     *LastRehearsal
	// reach are the changes that reach beyond a restart, and allow those that are meant.
	reach  []reach.Change
	allow  map[reach.Kind]bool
	absent map[string]error // hosts that could not be reached
}

// makePlan says what has to be done. It is pure.
func makePlan(in planInput) (*Plan, error) {
	p := &Plan{Schema: 1, Cluster: in.cluster.Name, Command: in.command, Before: in.before}
	for _, h := range in.cluster.Hosts {
		if in.absent[h.Name] != nil {
			p.Hosts = append(p.Hosts, HostPlan{Host: h.Name, Skipped: true})
			continue
		}
		hp := planHost(in, h)
		if !in.selected[h.Name] {
			hp.Skipped, hp.Stale, hp.Restart = true, len(hp.Actions) > 0, false
			hp.Actions, hp.Reasons = nil, nil
			if hp.Stale {
				p.Warnings = append(p.Warnings, fmt.Sprintf("%s is left as it is by --limit, though it would change: the hosts differ until it is applied too", h.Name))
			}
		}
		for _, w := range inTheWay(in.cluster.Paths, in.facts[h.Name], in.desired[h.Name]) {
			p.Warnings = append(p.Warnings, fmt.Sprintf("%s: apply will refuse: %s", h.Name, w))
		}
		p.Warnings = append(p.Warnings, aboutHost(in.cluster.Paths, h.Name, in.facts[h.Name], in.desired[h.Name])...)
		for _, w := range in.desired[h.Name].Warnings {
			if !slices.Contains(p.Warnings, w) {
				p.Warnings = append(p.Warnings, w)
			}
		}
		p.Hosts = append(p.Hosts, hp)
	}
	if err := p.setPolicy(in); err != nil {
		return nil, err
	}
	if err := p.knownBad(in); err != nil {
		return nil, err
	}
	if err := p.refuseAbsent(in.absent); err != nil {
		return nil, err
	}
	p.withoutAbsent(in.cluster, in.absent)
	p.warnOfMoves(in)
	p.setApart(in)
	return p, p.seal()
}

// seal gives the plan the hash that a saved plan is compared by.
func (p *Plan) seal() error {
	c := *p
	c.Hash, c.Estimate, c.Rehearsed = "", 0, nil
	c.Reach = withoutCounts(p.Reach)
	c.Policy.PauseAfter = 0 // who asks when changes nothing of what is done
	b, err := json.Marshal(c)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	p.Hash = hex.EncodeToString(sum[:])[:16]
	return nil
}

// planHost says what has to be done on one host, whether selected or not.
func planHost(in planInput, h *inventory.Host) HostPlan {
	f, want := in.facts[h.Name], in.desired[h.Name]
	g := want.Generation
	drift := driftOf(f, g)
	hp := HostPlan{Host: h.Name, To: Deployed{Version: g.Version, Release: g.Release, Generation: g.ID}, From: runs(f)}
	hp.Reasons = append(restartReasons(f, g, drift), staleProcess(in.cluster.Paths, h, f, g)...)
	if hp.Restart = len(hp.Reasons) > 0; hp.Restart {
		hp.Reasons = append(hp.Reasons, unitReason(in.old[h.Name], g)...)
	}

	hp.Actions = stageActions(in, h.Name, f, want, drift)
	switch {
	case hp.Restart:
		hp.Actions = append(hp.Actions, movedInTurn(in, h, f, turnAction(in, f, g, hp.Reasons)))
	case f.Service.Generation == g.ID && !slices.Contains(f.Good, g.ID):
		hp.Actions = append(hp.Actions, Action{Kind: ActionUndrain, Summary: "run the gates, put the host back into the load balancer; restart it if it has not joined the cluster", Reason: "an earlier run ended before its gates"})
	case in.balancer[h.Name] == "drain" && f.Drained == "":
		hp.Actions = append(hp.Actions, Action{Kind: ActionUndrain, Summary: "put the host back into the load balancer", Reason: "an earlier run left it drained"})
	}
	if paths := prunable(in.cluster, f, g); len(paths) > 0 {
		hp.Actions = append(hp.Actions, Action{Kind: ActionPrune, Summary: fmt.Sprintf("delete %s", strings.Join(paths, ", ")), Reason: fmt.Sprintf("keep_releases: %d", in.cluster.KeepReleases), Paths: paths})
	}
	for i := range hp.Actions {
		hp.Actions[i].Host = h.Name
	}
	return hp
}

// stageActions are the harmless ones: they bring what is missing beside what runs.
func stageActions(in planInput, host string, f *Facts, want *desired.Host, drift []string) (out []Action) {
	g, paths := want.Generation, in.cluster.Paths
	out = append(out, prepareAction(paths, f)...)
	if !f.Releases[g.Release] {
		out = append(out, releaseAction(want.Release))
	}
	if _, there := f.Generations[g.ID]; !there || len(drift) > 0 {
		out = append(out, generationAction(in, host, f, g, drift))
	}
	if target := path.Join(paths.Root, "current", desired.EtcDir); f.Etc.Target != target {
		out = append(out, Action{Kind: ActionLink, Summary: fmt.Sprintf("link %s -> %s", paths.Etc, target), Reason: f.Etc.Kind})
	}
	if f.Current == g.ID && f.Unit.Exists && !f.Service.Enabled {
		out = append(out, Action{Kind: ActionEnable, Summary: "enable " + paths.Service + ".service", Reason: "it is disabled: the host would stay down after a reboot"})
	}
	return out
}

// runs is what a host runs at the moment; where nothing runs, what is current.
func runs(f *Facts) Deployed {
	id := f.Service.Generation
	if id == "" {
		id = f.Current
	}
	rel := f.Generations[id]
	return Deployed{Generation: id, Release: rel, Version: versionOf(rel)}
}

// versionOf takes the version from the name of a release folder, which ends in
// "-" and twelve digits of a checksum.
func versionOf(release string) string {
	i := strings.LastIndexByte(release, '-')
	if i < 0 {
		return ""
	}
	return release[:i]
}

func releaseAction(r desired.Release) Action {
	a := Action{Kind: ActionRelease, Reason: "not on the host", Bytes: r.Size}
	if r.URL != "" {
		a.Summary = fmt.Sprintf("download release %s from %s and unpack it", r.Name(), r.RedactedURL())
	} else {
		a.Summary = fmt.Sprintf("upload and unpack release %s (%s)", r.Name(), megabytes(r.Size))
	}
	return a
}

func megabytes(n int64) string { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }

// driftOf lists the files of the wanted generation that are on the host under its
// id but not with its content, and files that nobody deployed there.
func driftOf(f *Facts, g *desired.Generation) (out []string) {
	if f.Current != g.ID {
		return nil
	}
	for _, w := range g.Files {
		if f.Files[w.Path] != w.SHA256 {
			out = append(out, w.Path)
		}
	}
	for p := range f.Files {
		if p != "manifest.json" && g.File(p) == nil {
			out = append(out, p)
		}
	}
	slices.Sort(out)
	return out
}

func generationAction(in planInput, host string, f *Facts, g *desired.Generation, drift []string) Action {
	a := Action{Kind: ActionGeneration, Summary: "write generation " + g.ID + withPlugins(g), Diffs: diffFiles(f, g, in.old[host])}
	switch {
	case len(drift) > 0:
		a.Reason = "changed on the host: " + strings.Join(drift, ", ")
		a.Summary = "write generation " + g.ID + withPlugins(g) + " again (what is there goes to " + path.Join(in.cluster.Paths.State, "changed") + ")"
	case f.Current == "":
		a.Reason = "first deploy to this host"
	default:
		a.Reason = changes(a.Diffs)
	}
	return a
}

// withPlugins names the plugins of a generation.
func withPlugins(g *desired.Generation) string {
	if len(g.Plugins) == 0 {
		return ""
	}
	var out []string
	for _, p := range g.Plugins {
		out = append(out, p.ID+" "+p.Version)
	}
	return " with " + inWords(out)
}

// changes sums a list of diffs up: "grafana.ini, 2 provisioning files".
func changes(diffs []FileDiff) string {
	var names []string
	tree := 0
	for _, d := range diffs {
		switch {
		case strings.HasPrefix(d.Path, desired.Provisioning+"/"):
			tree++
		case d.Path == desired.UnitFile:
			names = append(names, "unit")
		default:
			names = append(names, strings.TrimPrefix(d.Path, desired.EtcDir+"/"))
		}
	}
	if tree > 0 {
		names = append(names, fmt.Sprintf("%d provisioning files", tree))
	}
	if len(names) == 0 {
		return "content changed"
	}
	return strings.Join(names, ", ") + " changed"
}

// restartReasons says why Grafana on a host has to be started anew. It goes by
// what the process was started from, not by what a link or a file says.
func restartReasons(f *Facts, g *desired.Generation, drift []string) (why []string) {
	s := f.Service
	switch {
	case !s.Running():
		return []string{"not running"}
	case s.Generation == "":
		return []string{"the running process was not started from a generation"}
	case s.Generation != g.ID:
		return []string{staleReason(f, g)}
	case len(drift) > 0:
		why = append(why, strings.Join(drift, ", ")+" changed on the host")
	}
	if f.Current != g.ID {
		return append(why, "the link names another generation than what runs")
	}
	if f.Unit.SHA256 != g.File(desired.UnitFile).SHA256 {
		why = append(why, "the unit file was changed on the host")
	} else if s.NeedReload {
		why = append(why, "systemd has not read the unit file")
	}
	return why
}

// staleReason says how what runs differs from what is wanted.
func staleReason(f *Facts, g *desired.Generation) string {
	running := f.Generations[f.Service.Generation]
	from := versionOf(running)
	switch {
	case from != g.Version:
		return fmt.Sprintf("version %s -> %s", orNone(from), g.Version)
	case running != g.Release:
		return "release rebuilt: " + running + " -> " + g.Release
	case f.Current == g.ID:
		return "still runs generation " + f.Service.Generation
	}
	return changes(diffFiles(f, g, nil))
}

func turnAction(in planInput, f *Facts, g *desired.Generation, why []string) Action {
	a := Action{Kind: ActionTurn, Reason: strings.Join(why, "; "), Disrupts: f.Service.Running()}
	lb := drains(in.cluster)
	if a.Disrupts {
		a.Summary = "restart Grafana " + g.Version
		if lb {
			a.Steps = append(a.Steps, Step{StepDrain, fmt.Sprintf("(at most %s)", in.cluster.Rollout.Drain)})
		}
		a.Steps = append(a.Steps, Step{Kind: StepStop})
	} else {
		a.Summary = "start Grafana " + g.Version
	}
	if f.Current != g.ID {
		flip := "to " + g.ID
		if f.Current != "" {
			flip = f.Current + " -> " + g.ID
		}
		a.Steps = append(a.Steps, Step{StepFlip, flip})
	}
	a.Steps = append(a.Steps, Step{Kind: StepStart})
	a.Steps = append(a.Steps, rejoinSteps(in.cluster, f)...)
	return a
}

// rejoinSteps are those of a host that was started: its gates, and back into the load
// balancer, unless somebody drained it by hand.
func rejoinSteps(c *inventory.Cluster, f *Facts) (out []Step) {
	for _, name := range append(gateNames(c), gateStability) {
		out = append(out, gateStep(name))
	}
	switch {
	case drains(c) && f.Drained != "":
		out = append(out, Step{StepStay, "drained, by " + f.Drained})
	case drains(c):
		out = append(out, Step{Kind: StepUndrain}, gateStep(gateBalancer))
	}
	return out
}

// prunable lists what retention deletes. It is deleted last in a run, when the wanted
// generation is current and runs on the host: never that one, nor the one that a
// rollback goes to, nor the last keep_releases whose gates passed. What ran before and
// never passed its gates goes too, or the next plan would not be empty.
func prunable(c *inventory.Cluster, f *Facts, g *desired.Generation) (paths []string) {
	good := append(slices.DeleteFunc(slices.Clone(f.Good), func(id string) bool { return id == g.ID }), g.ID)
	good = slices.DeleteFunc(good, func(id string) bool { _, there := f.Generations[id]; return !there && id != g.ID })
	keep := map[string]bool{g.ID: true}
	releases := map[string]bool{g.Release: true}
	// Two at least: what is wanted, and what a rollback goes to.
	room := max(c.KeepReleases, 2)
	for _, id := range good[max(len(good)-room, 0):] {
		keep[id] = true
	}
	// Where the record of what was good is lost, or short, what nobody knows fills it up:
	// it may be the way back.
	for _, id := range slices.Sorted(maps.Keys(f.Generations)) {
		if !keep[id] && !slices.Contains(good, id) && len(good) < room {
			keep[id], room = true, room-1
		}
	}
	for id, rel := range f.Generations {
		if keep[id] {
			releases[rel] = true
		} else {
			paths = append(paths, path.Join("generations", id))
		}
	}
	for rel := range f.Releases {
		if !releases[rel] {
			paths = append(paths, path.Join("releases", rel))
		}
	}
	slices.Sort(paths)
	return paths
}

// versionsRunning are the lowest and the highest version that is deployed at the
// moment; they differ after an upgrade that was broken off.
func (p *Plan) versionsRunning(in planInput) (lowest, highest grafana.Version, any bool) {
	return p.versionsOf(func(host string) bool {
		f := in.facts[host]
		return f != nil && (f.Service.Running() || f.Current != "")
	})
}

// versions are those of all hosts that have one.
func (p *Plan) versions() (lowest, highest grafana.Version, any bool) {
	return p.versionsOf(func(string) bool { return true })
}

func (p *Plan) versionsOf(counts func(host string) bool) (lowest, highest grafana.Version, any bool) {
	for _, hp := range p.Hosts {
		if !counts(hp.Host) {
			continue
		}
		v, err := grafana.ParseVersion(hp.From.Version)
		if err != nil {
			continue
		}
		if !any || v.Compare(lowest) < 0 {
			lowest = v
		}
		if !any || v.Compare(highest) > 0 {
			highest = v
		}
		any = true
	}
	return lowest, highest, any
}
