package tasks

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/artifact"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// picture is everything that was read before a plan is made.
type picture struct {
	hosts    []seen
	inputs   desired.Inputs
	desired  map[string]*desired.Host
	balancer balancer.Balancer
	states   map[string]balancer.State
	changes  []balancer.Change
	before   []Action
	// dump is the one that this run took; zero before, or without one.
	dump database.Backup
	// balancerErr is why the load balancer could not be read, where that is no error.
	balancerErr error
	// inputsErr is why the release or a plugin cannot be had, where that is no error.
	inputsErr error
	// absent are hosts that could not be reached, and that --limit leaves out.
	absent map[string]error
	// server is the database server, where it was asked.
	server databaseServer
	// rehearsed is what hosts know of the last rehearsal of this upgrade; nil: nothing.
	rehearsed *LastRehearsal
	mu        sync.Mutex
	// shown are the texts of the hosts' current files, where they were read.
	shown map[string]map[string][]byte
	// reach is what was read for changes that reach beyond a restart; nil: not looked at.
	reach *reached
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
	r.readRehearsal(ctx, p, w)
	if err := r.withReach(ctx, p); err != nil {
		return nil, err
	}
	return p, r.readDatabase(ctx, p)
}

// gatherHosts is gather without the database, for those who look at that themselves.
func (r *Runner) gatherHosts(ctx context.Context, w want) (*picture, error) {
	return r.gatherBut(ctx, w, false)
}

// gatherBut is gatherHosts that, when it only looks, keeps why the balancer cannot be read
// or the release cannot be had, so that everything else can be looked at.
func (r *Runner) gatherBut(ctx context.Context, w want, looks bool) (*picture, error) {
	if problems := desired.Problems(r.c); len(problems) > 0 {
		return nil, problems
	}
	p := &picture{desired: map[string]*desired.Host{}}
	var wg guard.Group
	var lbErr, ipErr error
	wg.Go(func() { lbErr = r.readBalancer(ctx, p) })
	wg.Go(func() { p.inputs.IPs, ipErr = r.addresses(ctx) })
	var hostErr error
	p.hosts, p.absent, hostErr = r.observePresent(ctx, r.leftOut())
	wg.Wait()
	if looks {
		p.balancerErr, lbErr = lbErr, nil
	}
	if d, ok := errors.AsType[*net.DNSError](hostErr); ok && d.IsNotFound {
		ipErr = nil // one name that nobody knows is told of once
	}
	if err := fleet.Join(hostErr, lbErr, ipErr); err != nil {
		return nil, err
	}
	if err := r.readInputs(ctx, p, w, looks); err != nil {
		return nil, err
	}
	for _, h := range p.hosts {
		s, err := desired.Of(r.c, h.Host.Host, p.inputs)
		if err != nil {
			return nil, asUsage(err)
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
	p.states, err = b.State(ctx)
	if none, ok := errors.AsType[*balancer.NoBackendError](err); ok {
		return &RefusedError{Message: none.Error(), Cause: none, Next: "correct load_balancer.backend (or set load_balancer.manage: true), then: ghadeploy check INVENTORY"}
	}
	if err != nil {
		return fmt.Errorf("%w; no host was touched; next: bring the load balancer back, then run it again", err)
	}
	return nil
}

// readInputs finds the releases and reads the local files that generations are made of.
// When it only looks, it keeps why an archive cannot be had, and goes on without it.
func (r *Runner) readInputs(ctx context.Context, p *picture, w want, looks bool) error {
	in := &p.inputs
	in.Version, in.Arch, in.Systemd, in.Releases = w.version, map[string]string{}, map[string]int{}, map[string]desired.Release{}
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
		if err != nil && looks && ctx.Err() == nil {
			rel, p.inputsErr = artifact.Unseen(version, h.facts.Arch), fleet.Join(p.inputsErr, err)
		} else if err != nil {
			return asUsage(err)
		}
		in.Releases[h.facts.Arch] = rel
	}
	var err error
	if in.Files, in.Provisioning, err = readLocal(r.c); err != nil {
		return err
	}
	in.Plugins, err = store.Plugins(ctx, r.c.Grafana.Plugins)
	if err != nil && looks && ctx.Err() == nil {
		p.inputsErr = fleet.Join(p.inputsErr, err)
		return nil
	}
	return asUsage(err)
}

// asUsage makes a mistake in what the inventory says, of an artifact or of what is rendered,
// one of usage.
func asUsage(err error) error {
	if e, ok := errors.AsType[*artifact.Error](err); ok {
		return &UsageError{e.Error()}
	}
	if e, ok := errors.AsType[*desired.Error](err); ok {
		return &UsageError{e.Error()}
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
		allowKnownBad: r.o.AllowKnownBad, server: p.server, rehearsed: p.rehearsed, lines: r.readLines(ctx, p), reach: p.reach.changes(), allow: r.o.Allow,
		absent: p.absent,
	}
	in.hereDir, _ = database.OperatorDir(r.c.Database, r.c.Name)
	var mu sync.Mutex
	hide := mask.For(r.c)
	hosts := make([]fleet.Host, len(p.hosts))
	for i, h := range p.hosts {
		hosts[i], in.facts[h.Name] = h.Host, h.facts
		if s := p.states[h.Name]; s.Drained {
			in.balancer[h.Name] = "drain"
		}
	}
	for host := range p.absent {
		in.facts[host] = &Facts{} // nothing is known of it
	}
	err := fleet.Each(hosts, func(i int, h fleet.Host) error {
		old, err := r.oldTexts(ctx, p, p.hosts[i], hide)
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

// textsOutput bounds the texts of the files that differ, in bytes.
const textsOutput = 4 << 20

// asks are the files of which a host's current text is wanted, for diffs: those that
// differ from what they will be.
func (p *picture) asks(h seen) (ask []string) {
	want := p.desired[h.Name]
	if want == nil {
		return nil
	}
	for _, w := range want.Generation.Files {
		if have, there := h.facts.Files[w.Path]; there && have != w.SHA256 && w.Shown != nil {
			ask = append(ask, w.Path)
		}
	}
	return ask
}

// keepShown keeps the texts of a host's current files.
func (p *picture) keepShown(host string, texts map[string][]byte) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.shown == nil {
		p.shown = map[string]map[string][]byte{}
	}
	p.shown[host] = texts
}

// oldTexts are the texts of a host's current files that differ from what they will be.
// They were read with its settings; only a file that was changed on the host, below an
// id that stays, costs a round trip of its own.
func (r *Runner) oldTexts(ctx context.Context, p *picture, h seen, hide mask.Masker) (map[string][]byte, error) {
	p.mu.Lock()
	old, read := p.shown[h.Name]
	p.mu.Unlock()
	if ask := p.asks(h); !read && len(ask) > 0 {
		var err error
		if _, old, err = readDeployed(ctx, h.Host, r.c.Paths.Root, h.facts.Current, r.c.Paths, ask...); err != nil {
			return nil, err
		}
	}
	out := map[string][]byte{}
	for name, text := range old {
		out[name] = text
		// Another version of ghadeploy may have left them there, and hidden less.
		if w := p.desired[h.Name].Generation.File(name); w != nil {
			out[name] = w.ShownOnHost(hide, text)
		}
	}
	return out, nil
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
func (p *picture) release() desired.Release {
	for _, arch := range slices.Sorted(maps.Keys(p.inputs.Releases)) {
		return p.inputs.Releases[arch]
	}
	return desired.Release{}
}
