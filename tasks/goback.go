package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/reach"
)

// mayGoBack reads what going back to generations means beyond a restart, and tries the
// login of each from its host: a password that was changed since starts no Grafana, and
// nothing is stopped to find that out. dump: a database is put back with it.
func (r *Runner) mayGoBack(ctx context.Context, p *picture, targets map[string]string, dump string) error {
	return withFolder(func(dir string) error {
		if err := r.readReach(ctx, p, dir, goneBackTo(targets, r.c.Paths)); err != nil {
			return err
		}
		if err := r.loginsWork(ctx, p); err != nil {
			return err // a login that fails looks like another database
		}
		return r.backOnOneDatabase(ctx, p, targets, dump)
	})
}

// backOnOneDatabase refuses to take some hosts to another database than the others, and to
// put a dump into another one than the hosts will be on.
func (r *Runner) backOnOneDatabase(ctx context.Context, p *picture, targets map[string]string, dump string) error {
	for _, h := range p.reach.hosts {
		to := p.reach.targets[h.Name]
		if dump != "" && to.Type != "database.url" && !r.isOurs(ctx, p.fleet()[h.Name], to) {
			return &UsageError{fmt.Sprintf("generation %s of %s is on database %s at %s, and the inventory names %s at %s, into which the dump would be put; next: set database in the inventory back first",
				targets[h.Name], h.Name, to.Name, to.Host, r.c.Database.Name, r.c.Database.Host)}
		}
	}
	for _, c := range p.reach.changes() {
		if c.Way == reach.OneStop && len(r.selected()) < len(r.c.Hosts) {
			return &UsageError{fmt.Sprintf("the hosts left out by --limit would stay as they are, though %s: %s; next: leave --limit out", c.What,
				apartFrom(c.Kind))}
		}
	}
	return nil
}

// loginsWork logs in to the database from every host, as the generation does that it goes
// back to. What fails is refused, with what the server said.
func (r *Runner) loginsWork(ctx context.Context, p *picture) error {
	hosts := slices.DeleteFunc(p.connected(), func(h fleet.Host) bool {
		kind := p.reach.targets[h.Name].Type
		return kind != "postgres" && kind != "mysql"
	})
	failed := make([]error, len(hosts))
	err := fleet.Each(hosts, func(i int, h fleet.Host) error {
		ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
		defer cancel()
		db, err := database.Open(ctx, h, p.reach.targets[h.Name], nil)
		if err == nil {
			return db.Close()
		}
		login, isLogin := errors.AsType[*database.LoginError](err)
		if !isLogin || login.Kind != database.TooMany && login.Kind != database.Insecure {
			failed[i] = err // the others say nothing of what Grafana would meet
		}
		return nil
	})
	if err != nil {
		return err
	}
	refused := &ReachError{}
	for i, cause := range failed {
		if cause == nil {
			continue
		}
		text := remote.Clean(cause.Error())
		at := slices.IndexFunc(refused.Changes, func(c reach.Change) bool { return c.Refused == text })
		if at >= 0 {
			refused.Changes[at].Hosts = append(refused.Changes[at].Hosts, hosts[i].Name)
			continue
		}
		refused.Changes = append(refused.Changes, reach.Change{
			Kind: reach.Password, Hosts: []string{hosts[i].Name}, What: "the generation to go back to has a login of its own time",
			Notice: "it would not start with it", Refused: text,
			Next: "write what shall be as before into the inventory, with the database's login of today, and: ghadeploy apply INVENTORY; or let the database server take the old login again",
		})
	}
	if len(refused.Changes) == 0 {
		return nil
	}
	return refused
}

// isOurs tells whether a login leads to the database that the inventory names.
func (r *Runner) isOurs(ctx context.Context, h fleet.Host, login inventory.Database) bool {
	if sameLogin(login, r.c.Database) {
		return true
	}
	a, b := readWhich(ctx, h, login, reachAsked{}), readWhich(ctx, h, r.c.Database, reachAsked{})
	return a.err == nil && b.err == nil && a.identity == b.identity
}
