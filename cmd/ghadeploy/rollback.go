package main

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type rollbackOptions struct {
	changeFlags
	to, withDatabase string
	write            bool
}

func (a *app) rollbackCommand() *cobra.Command {
	var o rollbackOptions
	cmd := a.hostCommand("rollback [INVENTORY] [HOST...]", "Go back to the generation before, with the same turns and gates", &o.changeFlags,
		func(cmd *cobra.Command) error {
			return a.change(cmd.Context(), "rollback", o.changeFlags, func(s *session) (*tasks.Result, error) {
				result, err := s.runner.Rollback(s.ctx, o.to, o.withDatabase)
				if err != nil {
					return result, err
				}
				return result, s.offerVersion(o.write, result)
			})
		})
	cmd.Long = `Go back to the previous good generation on every host, or to the one that --to
names (see "ghadeploy releases"). Refused when the database was migrated since,
unless --with-database names the dump to put back.

Where the version changes it offers to write it into the inventory, or the next apply
would go forward again.`
	cmd.Flags().StringVar(&o.to, "to", "", "generation to go to; default: the previous one")
	cmd.Flags().StringVar(&o.withDatabase, "with-database", "", "also put this dump back")
	cmd.Flags().BoolVar(&o.noBackup, "no-backup", false, "with --with-database: no dump of the database as it is now")
	o.allow.add(cmd)
	addWriteInventory(cmd, &o.write)
	o.addReport(cmd)
	o.addPause(cmd)
	o.addOutside(cmd)
	a.complete(cmd, "to", a.completeGenerations)
	return cmd
}

// completeGenerations asks the hosts, and gives up when they do not answer at once.
func (a *app) completeGenerations(cmd *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	path, _ := a.inventoryAndHosts(args)
	var out []string
	for _, h := range a.quickReleases(cmd.Context(), path) {
		for _, g := range h.Generations {
			if !strings.Contains(strings.Join(out, "\n"), g.ID) {
				out = append(out, g.ID+"\t"+g.Version)
			}
		}
	}
	return out, cobra.ShellCompDirectiveNoFileComp
}
