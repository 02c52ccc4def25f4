package main

import (
	"context"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
)

type historyOptions struct {
	path  string
	run   string // one run, by the beginning of its id
	local bool
}

// historyResult is the document of history -o json, newest run first.
type historyResult struct {
	Runs []journal.Run `json:"runs"`
	partial
}

// runResult is the document of history show -o json.
type runResult struct {
	journal.Run
	partial
}

func (a *app) historyCommand() *cobra.Command {
	var o historyOptions
	cmd := &cobra.Command{
		Use:   "history [INVENTORY] [show RUN]",
		Short: "Show what was done to the cluster, by whom, and how it ended",
		Long: `Show the runs in the journals of the hosts, newest first; "show RUN" shows every
step of one of them. --local reads the journal on this machine and asks no host; no secret is read then.`,
		Args:              cobra.MaximumNArgs(3),
		ValidArgsFunction: completeInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := len(args); n >= 2 && args[n-2] == "show" {
				o.run, args = args[n-1], args[:n-2]
			}
			if len(args) > 1 {
				return usage("history takes an inventory and show RUN, not %q", strings.Join(args, " "))
			}
			o.path = a.inventoryPath(args)
			return a.history(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.local, "local", false, "read the journal on this machine only")
	return cmd
}

func (a *app) history(ctx context.Context, o historyOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "history", path: o.path, local: o.local})
	if err != nil {
		return err
	}
	defer s.Close()
	runs, err := s.runner.History(s.ctx, o.local)
	s.Close()
	if err != nil && len(runs) == 0 && !a.json() {
		return err
	}
	if o.run != "" {
		r, e := oneRun(runs, o.run)
		if e != nil {
			return e
		}
		return showAll(a, &runResult{Run: r}, err, func() error {
			return ui.WriteRun(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r)
		})
	}
	return showAll(a, &historyResult{Runs: orEmpty(runs)}, err, func() error {
		return ui.WriteHistory(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), runs)
	})
}

// oneRun finds a run by the beginning of its id.
func oneRun(runs []journal.Run, id string) (journal.Run, error) {
	var found []journal.Run
	for _, r := range runs {
		if strings.HasPrefix(r.ID, id) {
			found = append(found, r)
		}
	}
	switch len(found) {
	case 0:
		return journal.Run{}, usage("no run %s; next: ghadeploy history INVENTORY", id)
	case 1:
		return found[0], nil
	}
	return journal.Run{}, usage("%d runs begin with %s: write more of the id", len(found), id)
}

// orEmpty makes JSON say [] and not null.
func orEmpty[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}
