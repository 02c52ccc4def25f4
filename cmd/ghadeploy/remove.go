package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type removeOptions struct {
	changeFlags
	purge bool
}

func (a *app) removeCommand() *cobra.Command {
	var o removeOptions
	cmd := a.hostCommand("remove [INVENTORY] HOST...", "Take Grafana off hosts: drain, stop, clean up what is ours and nothing else", &o.changeFlags, func(cmd *cobra.Command) error {
		if err := a.someHosts(&o.changeFlags, "remove"); err != nil {
			return err
		}
		return a.change(cmd.Context(), "remove", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Remove(s.ctx, o.purge) })
	})
	cmd.Flags().BoolVar(&o.purge, "purge", false, "also delete Grafana's data and logs on the host")
	return cmd
}
