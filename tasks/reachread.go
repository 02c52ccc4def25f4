package tasks

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// reached is what was read for the changes that reach beyond a restart.
type reached struct {
	hosts []reach.Host // those whose generation changes, in inventory order
	// logins are the database logins of what hosts run, by host.
	logins map[string]inventory.Database
	// mask hides the cluster's secrets in what is told.
	mask func(string) string
	// targets are those of what they shall run.
	targets map[string]inventory.Database
	stakes  reach.Stakes
}

// next gives what a host shall run, or false where it stays as it is.
type next func(ctx context.Context, h seen) (d deployed, changes bool, err error)

// wanted is next for a plan that writes generations.
func (p *picture) wanted(paths inventory.Paths) next {
	return func(_ context.Context, h seen) (deployed, bool, error) {
		g := p.desired[h.Name].Generation
		_, id := runsFrom(h.facts, paths)
		return deployed{root: paths.Root, id: g.ID, files: wantedFiles(g)}, id != "" && id != g.ID, nil
	}
}

// goneBackTo is next for hosts that go back to generations which they have.
func goneBackTo(targets map[string]string, paths inventory.Paths) next {
	return func(ctx context.Context, h seen) (deployed, bool, error) {
		id := targets[h.Name]
		if id == "" {
			return deployed{}, false, nil
		}
		d, _, err := readDeployed(ctx, h.Host, paths.Root, id, paths)
		return d, len(d.files[desired.INIFile]) > 0, err
	}
}

// readReach reads what hosts run whose generation changes, and, where that reaches further
// than a restart, what the databases say of it. What cannot be read there is said in the
// plan, and is no error: a plan is made without it. The certificates of logins are kept
// in dir, which the caller removes.
func (r *Runner) readReach(ctx context.Context, p *picture, dir string, to next) error {
	out := &reached{mask: mask.For(r.c).Line, logins: map[string]inventory.Database{}, targets: map[string]inventory.Database{}}
	var mu sync.Mutex
	found := make([]*reach.Host, len(p.hosts))
	err := fleet.Each(p.connected(), func(i int, h fleet.Host) error {
		want, changes, err := to(ctx, p.hosts[i])
		if err != nil || !changes {
			return err
		}
		own, err := os.MkdirTemp(dir, "host")
		if err != nil {
			return err
		}
		pair, was, is, err := r.pairOf(ctx, p, p.hosts[i], want, own)
		if err != nil || pair == nil {
			return err
		}
		mu.Lock()
		defer mu.Unlock()
		found[i], out.logins[h.Name], out.targets[h.Name] = pair, was, is
		return nil
	})
	if err != nil {
		return err
	}
	for _, h := range found {
		if h != nil {
			out.hosts = append(out.hosts, *h)
		}
	}
	p.reach = out
	if len(reach.Between(out.hosts, reach.Stakes{})) > 0 {
		r.readStakes(ctx, p)
	}
	return nil
}

// pairOf is what a host runs beside what it shall run, each with its login; nil where
// nothing of ours runs there.
func (r *Runner) pairOf(ctx context.Context, p *picture, h seen, want deployed, dir string) (pair *reach.Host, was, is inventory.Database,
	err error) {
	root, id := runsFrom(h.facts, r.c.Paths)
	old, shown, err := readDeployed(ctx, h.Host, root, id, r.c.Paths, p.asks(h)...)
	if err != nil {
		return nil, was, is, err
	}
	p.keepShown(h.Name, shown)
	if len(old.files[desired.INIFile]) == 0 {
		return nil, was, is, nil
	}
	pair = &reach.Host{Name: h.Name}
	if pair.Old, was, err = old.read(dir, "was"); err == nil {
		pair.New, is, err = want.read(dir, "is")
	}
	if err != nil {
		return nil, was, is,
			&fleet.HostError{Host: h.Name, Step: "compare the settings", Cause: err, State: "nothing was touched", Next: "ghadeploy diff INVENTORY"}
	}
	return pair, was, is, nil
}

// read is the state of a generation and its login.
func (d deployed) read(dir, name string) (s reach.State, login inventory.Database, err error) {
	if s, err = d.state(); err != nil {
		return s, login, err
	}
	own := filepath.Join(dir, name)
	if err = os.Mkdir(own, 0o700); err != nil {
		return s, login, err
	}
	login, err = d.database(s, own)
	return s, login, err
}

// withReach reads as readReach does for a plan that writes generations.
func (r *Runner) withReach(ctx context.Context, p *picture) error {
	return withFolder(func(dir string) error { return r.readReach(ctx, p, dir, p.wanted(r.c.Paths)) })
}

// withFolder does something with a folder for certificates, which is gone afterwards.
func withFolder(do func(dir string) error) error {
	dir, err := os.MkdirTemp("", "ghadeploy-")
	if err != nil {
		return fmt.Errorf("make a folder for certificates: %w", err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	return do(dir)
}

// readStakes counts in the database that the hosts are on, and looks at the one to come
// where that is another. Hosts may be on different ones, after a run that was broken off:
// the first whose database changes is asked, and all must lead to the same to be the same.
func (r *Runner) readStakes(ctx context.Context, p *picture) {
	in, s := p.reach, &p.reach.stakes
	asked := askedOf(in.hosts)
	var moving []string
	for _, c := range reach.Between(in.hosts, *s) {
		if c.Kind == reach.Database {
			moving = append(moving, c.Hosts...)
		}
	}
	host := in.hosts[0].Name
	if len(moving) > 0 {
		host = moving[0]
	}
	h := p.fleet()
	was := readWhich(ctx, h[host], in.logins[host], asked)
	s.Now = was.counts
	if was.err != nil {
		s.Unread = remote.Clean(was.err.Error())
	}
	if len(moving) == 0 {
		return
	}
	is := readWhich(ctx, h[host], in.targets[host], reachAsked{})
	s.Target = reach.Target{Asked: true, New: is.err == nil && !is.migrations.Exists, Now: is.counts}
	if is.err != nil {
		s.Target.Unread = remote.Clean(is.err.Error())
	}
	s.Target.Same = was.err == nil && is.err == nil && !slices.ContainsFunc(moving, func(name string) bool {
		if sameLogin(in.logins[name], in.logins[host]) {
			return was.identity != is.identity
		}
		other := readWhich(ctx, h[name], in.logins[name], reachAsked{})
		return other.err != nil || other.identity != is.identity
	})
}

func sameLogin(a, b inventory.Database) bool {
	return a.Type == b.Type && a.Host == b.Host && a.Name == b.Name && a.User == b.User
}

// reachAsked is what the changes at hand want counted, and what it is called there.
type reachAsked struct {
	database.StakesAsked
	sections map[string]string // module to section
}

func askedOf(hosts []reach.Host) (out reachAsked) {
	out.sections = map[string]string{}
	for _, h := range hosts {
		for _, p := range reach.ProvidersGone(h.Old, h.New) {
			if m := reach.Module(p); m != "" && out.sections[m] == "" {
				out.sections[m] = p
				out.Modules = append(out.Modules, m)
			}
		}
		for _, id := range reach.PluginsGone(h.Old, h.New) {
			if !slices.Contains(out.Plugins, id) {
				out.Plugins = append(out.Plugins, id)
			}
		}
	}
	return out
}

// whichDatabase is what a login leads to.
type whichDatabase struct {
	identity   database.Identity
	migrations database.Migrations
	counts     map[string]int64
	err        error
}

// readWhich looks at the database that a host reaches by a login.
func readWhich(ctx context.Context, h fleet.Host, login inventory.Database, asked reachAsked) (w whichDatabase) {
	if login.Type == "sqlite3" {
		return whichDatabase{err: errors.New("it is a file on the host")}
	}
	ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
	defer cancel()
	db, err := database.Open(ctx, h, login, nil)
	if err != nil {
		return whichDatabase{err: err}
	}
	defer func() { _ = db.Close() }()
	if w.identity, w.err = db.Identity(ctx); w.err != nil {
		return w
	}
	if w.migrations, w.err = db.Migrations(ctx); w.err != nil {
		return w
	}
	s, err := db.Stakes(ctx, asked.StakesAsked)
	if err != nil {
		w.err = err
		return w
	}
	w.counts = countsOf(s, asked)
	return w
}

// countsOf names counts as package reach does.
func countsOf(s database.Stakes, asked reachAsked) map[string]int64 {
	out := map[string]int64{}
	for k, n := range s.Counts {
		out[k] = n
	}
	out[reach.Sessions], out[reach.SourceSecrets], out[reach.OtherSecrets] = s.Sessions, s.SourceSecrets, s.OtherSecrets
	for m, n := range s.Users {
		out[reach.UsersOf+asked.sections[m]] = n
	}
	for id, n := range s.Sources {
		out[reach.SourcesOf+id] = n
	}
	for id, n := range s.Dashboards {
		out[reach.PanelsOf+id] = n
	}
	return out
}

// changes are those that reach beyond a restart; none where nothing was read.
func (in *reached) changes() []reach.Change {
	if in == nil {
		return nil
	}
	out := reach.Between(in.hosts, in.stakes)
	for i := range out {
		c := &out[i]
		c.What, c.Notice, c.Refused = in.mask(c.What), in.mask(c.Notice), in.mask(c.Refused)
	}
	return out
}
