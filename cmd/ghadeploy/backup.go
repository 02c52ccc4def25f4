package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

type backupOptions struct {
	path string
	list bool
}

// backupResult is the document of backup -o json.
type backupResult struct {
	Backups []database.Backup `json:"backups"`
	partial
}

func (a *app) backupCommand() *cobra.Command {
	var o backupOptions
	cmd := a.lookCommand("backup", "Dump the database, or list the dumps", func(ctx context.Context, path string) error {
		o.path = path
		return a.backup(ctx, o)
	})
	cmd.Flags().BoolVar(&o.list, "list", false, "list the dumps there are, newest first")
	return cmd
}

func (a *app) backup(ctx context.Context, o backupOptions) error {
	return look(ctx, a, sessionOptions{command: "backup", path: o.path}, func(s *session) (*backupResult, error) {
		if o.list {
			list, err := s.runner.Backups(s.ctx)
			return &backupResult{Backups: orEmpty(list)}, err
		}
		b, err := s.runner.Backup(s.ctx)
		if err != nil {
			return &backupResult{}, err
		}
		return &backupResult{Backups: []database.Backup{b}}, nil
	}, func(r *backupResult) error {
		return ui.WriteBackups(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Backups)
	})
}

type restoreOptions struct {
	path, dump string
	// noStart leaves the hosts stopped, noBackup leaves the dump of the present out.
	noStart, noBackup bool
}

// restoreResult is the document of restore -o json.
type restoreResult struct {
	Restored string `json:"restored"`
}

func (a *app) restoreCommand() *cobra.Command {
	var o restoreOptions
	cmd := a.lookCommand("restore", "Put a dump of the database back", func(ctx context.Context, path string) error {
		o.path = path
		if o.dump == "" {
			return usage("restore needs --dump PATH; next: ghadeploy backup --list %s", path)
		}
		return a.restore(ctx, o)
	})
	cmd.Long = `Put a dump of the database back: Grafana is stopped on all hosts, the dump is put
back, one host is started alone, then the others. What was written since the
dump is lost, and nobody is served meanwhile; the database as it is now is dumped
before, and named at the end.`
	cmd.Flags().StringVar(&o.dump, "dump", "", "the dump, as \"backup --list\" shows it (required)")
	cmd.Flags().BoolVar(&o.noBackup, "no-backup", false, "no dump of the database as it is now")
	cmd.Flags().BoolVar(&o.noStart, "no-start", false,
		"put it into the database that the inventory names, and start nothing: for a move to another server")
	return cmd
}

func (a *app) restore(ctx context.Context, o restoreOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "restore", path: o.path, graceful: true, adjust: func(s *session) error {
		s.options.NoBackup = o.noBackup
		return nil
	}})
	if err != nil {
		return err
	}
	defer s.Close()
	if !a.flags.yes {
		question := fmt.Sprintf("Restore %s on %s? Everything that was written to database %s since is lost.", o.dump, s.cluster.Name,
			s.cluster.Database.Name)
		yes, err := s.ask(s.ctx, question)
		if err != nil {
			return err
		}
		if !yes {
			return a.render(restoreResult{}, func() error { _, err := fmt.Fprintln(a.streams.Out, "nothing was changed"); return err })
		}
	}
	do, next := s.runner.Restore, "verify"
	if o.noStart {
		do, next = s.runner.RestoreOnly, "apply"
	}
	if err := do(s.ctx, o.dump); err != nil {
		return err
	}
	s.Close()
	return a.render(restoreResult{o.dump}, func() error {
		_, err := fmt.Fprintf(a.streams.Out, "restored %s; next: ghadeploy %s %s\n", o.dump, next, o.path)
		return err
	})
}
