package main

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

func (a *app) databaseCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use: "database", Short: "Copy the content of a single Grafana into the cluster's database",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(a.databaseCopyCommand())
	return cmd
}

type databaseCopyOptions struct {
	from, to string
	copy     tasks.CopyOptions
}

// databaseCopyResult is the document of database copy -o json.
type databaseCopyResult struct {
	*dbcopy.Report
	partial
}

func (a *app) databaseCopyCommand() *cobra.Command {
	var o databaseCopyOptions
	cmd := a.lookCommand("copy", "Copy a sqlite Grafana into the cluster's database, and compare every row",
		func(ctx context.Context, path string) error {
			return a.databaseCopy(ctx, path, o)
		})
	cmd.Long = `Copy the content of a Grafana's sqlite file into the database of the inventory,
and compare every row afterwards.

The schema is made by Grafana itself: apply the inventory first, with the
version of the old Grafana and its secret_key (data source passwords are
encrypted with it), then stop it. The copy is one transaction: whatever fails,
or is killed, leaves the database as it was, and the same command begins anew.
Take the file while the old Grafana is stopped, or a copy made by
"sqlite3 grafana.db '.backup copy.db'".

Exit codes: 0 copied and equal, 1 failed, refused rows or a difference, 7 something
is in the way (versions differ, content in the target, Grafana runs).`
	cmd.Example = `  ghadeploy apply prod.yaml && ghadeploy stop prod.yaml
  ghadeploy database copy --from sqlite:grafana.db --to prod.yaml
  ghadeploy start prod.yaml`
	f := cmd.Flags()
	f.StringVar(&o.from, "from", "", "where to copy from: sqlite:FILE (required)")
	f.StringVar(&o.to, "to", "", "the inventory whose database to copy into; the same as the argument")
	f.BoolVar(&o.copy.Replace, "replace", false, "what the database holds goes, if it holds more than a new Grafana makes")
	f.BoolVar(&o.copy.WithoutRefused, "without-refused-rows", false, "keep the copy although the database did not take some rows")
	f.BoolVar(&o.copy.Compare, "compare", false, "copy nothing; compare every row")
	a.complete(cmd, "to", completeInventory)
	return cmd
}

func (a *app) databaseCopy(ctx context.Context, path string, o databaseCopyOptions) error {
	const form = "database copy needs --from sqlite:FILE; next: ghadeploy database copy --from sqlite:grafana.db --to INVENTORY"
	kind, file, ok := strings.Cut(o.from, ":")
	switch {
	case o.from == "", !ok, file == "":
		return usage(form)
	case kind != "sqlite" && kind != "sqlite3":
		return usage("--from %s: only sqlite:FILE can be copied from; a PostgreSQL or MySQL database needs no copy: name it in the inventory",
			kind)
	case o.copy.Compare && (o.copy.Replace || o.copy.WithoutRefused):
		return usage("--compare copies nothing: leave --replace and --without-refused-rows out")
	}
	if o.to != "" {
		path = a.inventoryPath([]string{o.to})
	}
	o.copy.File = file
	return look(ctx, a, sessionOptions{command: "database copy", path: path}, func(s *session) (*databaseCopyResult, error) {
		if !a.flags.yes {
			o.copy.Confirm = s.confirmCopy
		}
		rep, err := s.runner.CopyDatabase(s.ctx, o.copy)
		return &databaseCopyResult{Report: rep}, err
	}, func(r *databaseCopyResult) error {
		if r.Report == nil {
			return nil
		}
		return ui.WriteCopy(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Report, a.flags.verbose)
	})
}

// confirmCopy asks before the first write.
func (s *session) confirmCopy(ctx context.Context, p *dbcopy.Plan) (bool, error) {
	question := fmt.Sprintf("Copy %d rows of %d tables from %s into %s?", p.Rows, p.Tables, p.Source, p.Target)
	if len(p.Replaces) > 0 {
		var list []string
		for table, n := range p.Replaces {
			list = append(list, fmt.Sprintf("%s: %d", table, n))
		}
		slices.Sort(list)
		question += " What it holds now goes: " + strings.Join(list, ", ") + "."
	}
	return s.ask(ctx, question)
}
