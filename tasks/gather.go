package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/artifact"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// picture is everything that was read before a plan is made.
type picture struct {
	hosts    []seen
	inputs   Inputs
	desired  map[string]*HostState
	balancer balancer.Balancer
	states   map[string]balancer.State
	changes  []balancer.Change
	before   []Action
	// dump is the one that this run took; zero before, or without one.
	dump database.Backup
	// server is the database server, where it was asked.
	server databaseServer
}

// want is what a command wants of the cluster.
type want struct {
	version string // "": the inventory's
}

// gather reads the hosts, the balancers, the database and the operator's files.
// It writes nothing anywhere but in the operator's own cache.
func (r *Runner) gather(ctx context.Context, w want) (*picture, error) {
	p, err := r.gatherHosts(ctx, w)
	if err != nil {
		return nil, err
	}
	r.readServer(ctx, p, w)
	return p, r.readDatabase(ctx, p)
}

// gatherHosts is gather without the database, for those who look at that themselves.
func (r *Runner) gatherHosts(ctx context.Context, w want) (*picture, error) {
	if problems := Problems(r.c); len(problems) > 0 {
		return nil, problems
	}
	p := &picture{desired: map[string]*HostState{}}
	var wg guard.Group
	var lbErr, ipErr error
	wg.Go(func() { lbErr = r.readBalancer(ctx, p) })
	wg.Go(func() { p.inputs.IPs, ipErr = r.addresses(ctx) })
	var hostErr error
	p.hosts, hostErr = r.observeAll(ctx)
	wg.Wait()
	if err := fleet.Join(hostErr, lbErr, ipErr); err != nil {
		return nil, err
	}
	if err := r.readInputs(ctx, p, w); err != nil {
		return nil, err
	}
	for _, h := range p.hosts {
		s, err := Desired(r.c, h.Host.Host, p.inputs)
		if err != nil {
			return nil, err
		}
		p.desired[h.Name] = s
	}
	return p, r.keepPlaces(ctx, p)
}

// keepPlaces has a managed balancer go on naming hosts where they answer now, when their
// turns are to change that: each is named anew in its own turn.
func (r *Runner) keepPlaces(ctx context.Context, p *picture) error {
	mover, ok := p.balancer.(balancer.Mover)
	at := map[string]grafana.Listen{}
	for _, h := range p.hosts {
		if from, _, moves := moves(h.Host.Host, h.facts, p.desired[h.Name].Generation.ID); moves {
			at[h.Name] = from
		}
	}
	if !ok || len(at) == 0 {
		return nil
	}
	mover.Keep(at)
	p.before = slices.DeleteFunc(p.before, func(a Action) bool { return a.Kind == ActionBalancer })
	return r.planBalancer(ctx, p)
}

// readBalancer asks the load balancers what they think of the hosts.
func (r *Runner) readBalancer(ctx context.Context, p *picture) error {
	b, err := r.openBalancer(ctx)
	if err != nil || b == nil {
		return err
	}
	p.balancer = b
	return r.planBalancer(ctx, p)
}

// planBalancer finds what a managed balancer's configuration lacks, and how the hosts are
// seen there.
func (r *Runner) planBalancer(ctx context.Context, p *picture) (err error) {
	b := p.balancer
	if p.changes, err = b.Plan(ctx); err != nil {
		return fmt.Errorf("%w; no host was touched; next: bring the load balancer back, then run it again", err)
	}
	if len(p.changes) > 0 {
		for _, c := range p.changes {
			p.before = append(p.before, Action{
				Kind: ActionBalancer, Host: c.Balancer, Summary: "write the backend into " + c.Path, Reason: "load_balancer.manage",
				Diffs: []FileDiff{{Path: c.Path, Change: "change", Unified: c.Diff}},
			})
		}
		return nil // a backend that is not there yet has no state
	}
	if p.states, err = b.State(ctx); err != nil {
		return fmt.Errorf("%w; no host was touched; next: bring the load balancer back, then run it again", err)
	}
	return nil
}

// readInputs finds the releases and reads the local files that generations are made of.
func (r *Runner) readInputs(ctx context.Context, p *picture, w want) error {
	in := &p.inputs
	in.Version, in.Arch, in.Systemd, in.Releases = w.version, map[string]string{}, map[string]int{}, map[string]artifact.Release{}
	in.Groups = map[string]string{}
	version := w.version
	if version == "" {
		version = r.c.Grafana.Version
	}
	store := artifact.NewStore(r.o.Sink)
	for _, h := range p.hosts {
		in.Arch[h.Name], in.Systemd[h.Name] = h.facts.Arch, h.facts.Systemd
		if g := groupOf(r.c.Paths, h.facts); g.wrong() == "" {
			in.Groups[h.Name] = g.ref
		}
		if _, ok := in.Releases[h.facts.Arch]; ok {
			continue
		}
		rel, err := store.Release(ctx, r.c.Grafana.Artifact, version, h.facts.Arch, r.c.Dir)
		if err != nil {
			return artifactError(err)
		}
		in.Releases[h.facts.Arch] = rel
	}
	var err error
	if in.Files, in.Provisioning, err = ReadLocal(r.c); err != nil {
		return err
	}
	in.Plugins, err = store.Plugins(ctx, r.c.Grafana.Plugins)
	return artifactError(err)
}

// artifactError makes a mistake in what the inventory says of an artifact one of usage.
func artifactError(err error) error {
	if e, ok := errors.AsType[*artifact.Error](err); ok {
		return &UsageError{e.Message}
	}
	return err
}

// readDatabase finds out whether role and database have to be made first. A cluster
// that runs has them, so only a first deploy asks.
func (r *Runner) readDatabase(ctx context.Context, p *picture) error {
	if r.c.Database.Create == nil || slices.ContainsFunc(p.hosts, func(h seen) bool { return h.facts.Service.Running() }) {
		return nil
	}
	missing, err := database.Missing(ctx, p.hosts[0].Conn, r.c.Database)
	if err != nil {
		next := "ghadeploy check INVENTORY"
		if in, ok := errors.AsType[*database.InsecureError](err); ok {
			next = in.Fix()
		}
		return &fleet.HostError{Host: p.hosts[0].Name, Step: "look for the database", Cause: err, State: "nothing was touched", Next: next}
	}
	if len(missing) > 0 {
		reason := "database.create"
		if database.OpenCreate(r.c.Database) {
			reason += ", without verified TLS"
		}
		p.before = append([]Action{{
			Kind: ActionCreateDatabase, Host: p.hosts[0].Name,
			Summary: fmt.Sprintf("%s on %s", strings.Join(missing, ", "), r.c.Database.Host), Reason: reason,
		}}, p.before...)
	}
	return nil
}

// plan turns a picture into a plan.
func (r *Runner) plan(ctx context.Context, p *picture, w want) (*Plan, error) {
	in := planInput{
		cluster: r.c, command: r.o.Command, selected: r.selected(), desired: p.desired, before: p.before,
		facts: map[string]*Facts{}, old: map[string]map[string][]byte{}, balancer: map[string]string{},
		allowDowngrade: r.o.AllowDowngrade, noBackup: r.o.NoBackup, here: database.OperatorHas(r.c.Database.Type),
		allowKnownBad: r.o.AllowKnownBad, server: p.server, lines: r.readLines(ctx, p),
	}
	in.hereDir, _ = database.OperatorDir(r.c.Database, r.c.Name)
	var mu sync.Mutex
	mask := clusterMasker(r.c)
	hosts := make([]fleet.Host, len(p.hosts))
	for i, h := range p.hosts {
		hosts[i], in.facts[h.Name] = h.Host, h.facts
		if s := p.states[h.Name]; s.Drained {
			in.balancer[h.Name] = "drain"
		}
	}
	err := fleet.Each(hosts, func(i int, h fleet.Host) error {
		old, err := readShown(ctx, h, r.c.Paths, p.hosts[i].facts, p.desired[h.Name].Generation, mask)
		mu.Lock()
		defer mu.Unlock()
		in.old[h.Name] = old
		return err
	})
	if err != nil {
		return nil, err
	}
	plan, err := makePlan(in)
	if err != nil {
		return nil, err
	}
	plan.Estimate = r.estimate(plan)
	return plan, nil
}

// selected are the hosts that --limit lets change.
func (r *Runner) selected() map[string]bool {
	out := map[string]bool{}
	hosts := r.o.Limit
	if hosts == nil {
		hosts = r.c.Hosts
	}
	for _, h := range hosts {
		out[h.Name] = true
	}
	return out
}

// shownScript prints, for each path, its length and its text as people may see it:
// shown/PATH where that exists, else the file itself.
const shownScript = `
cd "$1/current/" 2>/dev/null || exit 0
shift
for p; do
	f=$p; [ -f "shown/$p" ] && f=shown/$p
	[ -f "$f" ] || continue
	printf '%s\t%s\n' "$(wc -c <"$f" | tr -d ' ')" "$p"; cat "$f"
done
`

// textsOutput bounds the texts of the files that differ, in bytes.
const textsOutput = 4 << 20

// readShown reads the texts of a host's current files that differ from what they
// will be, for diffs. It costs a round trip only where there is such a file.
func readShown(ctx context.Context, h fleet.Host, paths inventory.Paths, f *Facts, g *Generation, mask masker) (map[string][]byte, error) {
	var ask []string
	for _, w := range g.Files {
		if have, there := f.Files[w.Path]; there && have != w.SHA256 && w.Shown != nil {
			ask = append(ask, w.Path)
		}
	}
	if len(ask) == 0 {
		return map[string][]byte{}, nil
	}
	res, err := h.Run(ctx, remote.Command{
		Step: "read the current files", Script: shownScript, Args: append([]string{paths.Root}, ask...), Become: true, Output: textsOutput,
	})
	if err != nil {
		return nil, err
	}
	old, err := splitTexts(h.Name, res.Stdout)
	// Another version of ghadeploy may have left them there, and hidden less.
	for name, text := range old {
		if w := g.file(name); w != nil {
			old[name] = mask.again(*w, text)
		}
	}
	return old, err
}

// splitTexts takes "length, tab, path, newline, text" apart, again and again.
func splitTexts(host string, b []byte) (map[string][]byte, error) {
	out := map[string][]byte{}
	for len(b) > 0 {
		head, rest, whole := bytes.Cut(b, []byte("\n"))
		if !whole {
			return out, nil
		}
		size, name, _ := strings.Cut(string(head), "\t")
		n, err := strconv.Atoi(size)
		if err != nil || n < 0 || n > len(rest) { // what the host says against what it sent
			return nil, fmt.Errorf("%s: read the current files: %.40q is no size of what follows", host, size)
		}
		out[path.Clean(name)] = rest[:n:n]
		b = rest[n:]
	}
	return out, nil
}

// factsByHost is for what needs the facts alone.
func (p *picture) factsByHost() map[string]*Facts {
	out := map[string]*Facts{}
	for _, h := range p.hosts {
		out[h.Name] = h.facts
	}
	return out
}

// fleet is the hosts by name.
func (p *picture) fleet() map[string]fleet.Host {
	out := map[string]fleet.Host{}
	for _, h := range p.hosts {
		out[h.Name] = h.Host
	}
	return out
}

// connected are the hosts in inventory order.
func (p *picture) connected() []fleet.Host {
	out := make([]fleet.Host, len(p.hosts))
	for i, h := range p.hosts {
		out[i] = h.Host
	}
	return out
}

// release is any one of the releases: sizes and defaults differ little between
// architectures.
func (p *picture) release() artifact.Release {
	for _, arch := range slices.Sorted(maps.Keys(p.inputs.Releases)) {
		return p.inputs.Releases[arch]
	}
	return artifact.Release{}
}
