package tasks

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// changesVersion tells whether a plan takes a database to another version's schema.
func (p *Plan) changesVersion() bool {
	for _, h := range p.Hosts {
		if h.Restart && h.From.Version != "" && h.From.Version != h.To.Version {
			return true
		}
	}
	return false
}

// content counts what would be missed if a migration lost it; nil where the database
// cannot be read from here, which is told.
func (r *Runner) content(ctx context.Context, hosts []fleet.Host) database.Counts {
	var counts database.Counts
	err := r.withDatabase(ctx, hosts, func(ctx context.Context, db *database.DB) (err error) {
		counts, err = db.Counts(ctx)
		return err
	})
	if err != nil {
		r.o.Sink.Emit(event.Event{Kind: event.Warning, Run: r.id,
			Message: "dashboards, folders, rules, users and data sources are not counted: " + err.Error()})
		return nil
	}
	return counts
}

// withDatabase does something with the database through the first host from which it
// can be done.
func (r *Runner) withDatabase(ctx context.Context, hosts []fleet.Host, do func(context.Context, *database.DB) error) error {
	last := errors.New("no host answers")
	for _, h := range hosts {
		err := func() error {
			ctx, cancel := context.WithTimeout(ctx, databaseTimeout)
			defer cancel()
			db, err := database.Open(ctx, h.Conn, r.c.Database, nil)
			if err != nil {
				return err
			}
			defer func() { _ = db.Close() }()
			return do(ctx, db)
		}()
		if err == nil {
			return nil
		}
		last = err
	}
	return last
}

// nothingLost compares the content with what it was before a version change; state says
// how far that has come.
func (r *Runner) nothingLost(ctx context.Context, p *picture, before database.Counts, state string) error {
	if before == nil {
		return nil
	}
	lost := before.Lost(r.content(ctx, p.connected()))
	if len(lost) == 0 {
		return nil
	}
	return &fleet.HostError{
		Host: r.c.Name, Step: "count the content", Cause: fmt.Errorf("the migration lost something: %s", strings.Join(lost, "; ")),
		State: state, Next: r.wayBack(p),
	}
}

// wayBack is what to type where a migration has done harm.
func (r *Runner) wayBack(p *picture) string {
	if p.dump.Path == "" {
		return "look at what is missing; no dump was taken"
	}
	return fmt.Sprintf("ghadeploy rollback INVENTORY --with-database %s:%s", p.dump.Host, p.dump.Path)
}
