package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type removeOptions struct {
	changeFlags
	purge, write bool
}

func (a *app) removeCommand() *cobra.Command {
	var o removeOptions
	cmd := a.hostCommand("remove [INVENTORY] HOST...", "Take Grafana off hosts: drain, stop, clean up what is ours and nothing else",
		&o.changeFlags, func(cmd *cobra.Command) error {
			if err := a.someHosts(&o.changeFlags, "remove"); err != nil {
				return err
			}
			return a.change(cmd.Context(), "remove", o.changeFlags, func(s *session) (*tasks.Result, error) {
				result, err := s.runner.Remove(s.ctx, o.purge)
				if err != nil || result == nil || !result.Changed {
					return result, err
				}
				return result, s.offerRemoval(o.write)
			})
		})
	cmd.Flags().BoolVar(&o.purge, "purge", false, "also delete Grafana's data and logs on the host")
	addWriteInventory(cmd, &o.write)
	cmd.Long = `Take Grafana off hosts: drain and stop them, give the others their new peers, one
after another, and delete what is ours there and nothing else. A host that cannot be
reached is forgotten by the others and by the load balancer, and left as it is.

On success it offers to take the hosts out of the inventory; comments and layout stay.`
	return cmd
}
