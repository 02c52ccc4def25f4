package tasks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// connectAll connects to every host of the cluster.
func (r *Runner) connectAll(ctx context.Context) ([]fleet.Host, error) {
	out := make([]fleet.Host, len(r.c.Hosts))
	return out, eachTarget(r.c.Hosts, func(i int, h *inventory.Host) (err error) {
		out[i], err = r.connect(ctx, h)
		return err
	})
}

// Backup dumps the database now, as an upgrade does before it changes a version.
func (r *Runner) Backup(ctx context.Context) (database.Backup, error) {
	hosts, err := r.connectAll(ctx)
	if err != nil {
		return database.Backup{}, err
	}
	held, err := r.lockAll(ctx, hosts)
	if err != nil {
		return database.Backup{}, err
	}
	defer held.Release()
	r.phase("backup", "dump database "+r.c.Database.Name)
	defer r.phaseDone("backup", time.Now())
	return r.dump(ctx, hosts, nil)
}

// Backups lists the dumps of this cluster on all hosts and on this machine, newest first.
func (r *Runner) Backups(ctx context.Context) ([]database.Backup, error) {
	all, err := each(ctx, r, func(ctx context.Context, h fleet.Host) ([]database.Backup, error) {
		return database.ListBackups(ctx, h, r.c.Database, r.c.Name)
	})
	here, hereErr := database.ListBackups(ctx, database.OperatorHost(nil), r.c.Database, r.c.Name)
	err = fleet.Join(err, hereErr)
	out := slices.Concat(append(all, here)...)
	slices.SortFunc(out, func(a, b database.Backup) int { return b.Time.Compare(a.Time) })
	return out, err
}

// Restore stops Grafana on all hosts, puts a dump back, and starts them again: one
// host alone first, then the others. dump is a path on a host, or HOST:PATH.
func (r *Runner) Restore(ctx context.Context, dump string) error {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return err
	}
	if lowest := brokenOffAt(p); lowest != "" {
		return &UsageError{fmt.Sprintf("the hosts do not have one version: restore starts each on what is current there, and the higher would migrate the database again; next: ghadeploy rollback INVENTORY --with-database %s, which takes all to %s", dump, lowest)}
	}
	all := map[string]bool{}
	for _, h := range r.c.Hosts {
		all[h.Name] = true
	}
	plan, err := r.turnsTo(p, currentOf(p, all), "restore "+dump)
	if err != nil {
		return err
	}
	if len(plan.Policy.Batches) == 0 {
		return &UsageError{"no host has a generation: deploy one first"}
	}
	if err := r.mayGoBack(ctx, p, currentOf(p, all), dump); err != nil {
		return err
	}
	_, err = r.takeTurns(ctx, p, plan, dump)
	return err
}

// RestoreOnly puts a dump into the database that the inventory names, and starts nothing:
// for a move to another server. Grafana must run on no host.
func (r *Runner) RestoreOnly(ctx context.Context, dump string) error {
	p, err := r.gatherFacts(ctx)
	if err != nil {
		return err
	}
	for _, h := range p.hosts {
		if h.facts.Service.Running() {
			return &UsageError{fmt.Sprintf("Grafana runs on %s, and would write to one database while the other is filled; next: ghadeploy stop INVENTORY", h.Name)}
		}
	}
	from, err := r.findDump(ctx, p.connected(), dump)
	if err != nil {
		return err
	}
	held, err := r.lockAll(ctx, p.connected())
	if err != nil {
		return err
	}
	defer held.Release()
	return r.restoreDump(ctx, from)
}

// foundDump is a dump on one of the hosts.
type foundDump struct {
	host fleet.Host
	path string
	// made is what is known of it; zero of one that lies somewhere else.
	made database.Backup
}

// String names it as --with-database takes it.
func (d foundDump) String() string { return d.host.Name + ":" + d.path }

// findDump finds a dump, named by its path or as HOST:PATH, and makes sure that it can
// be put back.
func (r *Runner) findDump(ctx context.Context, hosts []fleet.Host, dump string) (*foundDump, error) {
	d, err := r.locateDump(ctx, hosts, dump)
	if err != nil {
		return nil, err
	}
	if err := database.VerifyDump(ctx, d.host, r.c.Database, d.path); err != nil {
		return nil, &fleet.HostError{Host: d.host.Name, Step: "verify the dump " + d.path, Cause: err, State: "nothing was touched",
			Next: "ghadeploy backup INVENTORY --list"}
	}
	return d, nil
}

func (r *Runner) locateDump(ctx context.Context, hosts []fleet.Host, dump string) (*foundDump, error) {
	name, path, ok := strings.Cut(dump, ":")
	if !ok {
		name, path = "", dump
	}
	for _, h := range append(slices.Clone(hosts), database.OperatorHost(hosts[0])) {
		if name != "" && h.Name != name {
			continue
		}
		list, err := database.ListBackups(ctx, h, r.c.Database, r.c.Name)
		if err != nil {
			return nil, err
		}
		for _, b := range list {
			if b.Path == path || strings.HasSuffix(b.Path, "/"+path) {
				return &foundDump{host: h, path: b.Path, made: b}, nil
			}
		}
		if name != "" {
			return &foundDump{host: h, path: path}, nil // a dump of somewhere else, named in full
		}
	}
	return nil, &UsageError{fmt.Sprintf("no host has the dump %s; next: ghadeploy backup INVENTORY --list", dump)}
}

// restoreDump puts a dump back while no Grafana runs.
func (r *Runner) restoreDump(ctx context.Context, d *foundDump) error {
	h, path := d.host, d.path
	r.o.Sink.Emit(event.Event{Kind: event.StepStarted, Run: r.id, Host: h.Name, Step: "restore", Message: "restore " + path})
	start := time.Now()
	if err := database.Restore(ctx, h, r.c.Database, path); err != nil {
		r.o.Sink.Emit(event.Event{Kind: event.StepFailed, Run: r.id, Host: h.Name, Step: "restore", Error: err.Error()})
		return &fleet.HostError{Host: h.Name, Step: "restore " + path, Cause: err, State: "Grafana is stopped on all hosts",
			Next: "correct it and run the same command again, or: ghadeploy start INVENTORY"}
	}
	r.o.Sink.Emit(event.Event{Kind: event.StepDone, Run: r.id, Host: h.Name, Step: "restore", Seconds: time.Since(start).Seconds()})
	return nil
}
