package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type restartOptions struct{ changeFlags }

func (a *app) restartCommand() *cobra.Command {
	var o restartOptions
	cmd := a.hostCommand("restart [INVENTORY] [HOST...]", "Restart Grafana host by host while the cluster serves", &o.changeFlags,
		func(cmd *cobra.Command) error {
			return a.change(cmd.Context(), "restart", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Restart(s.ctx) })
		})
	o.addReport(cmd)
	o.addPause(cmd)
	o.addOutside(cmd)
	return cmd
}
