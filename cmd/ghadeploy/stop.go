package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type stopOptions struct{ changeFlags }

func (a *app) stopCommand() *cobra.Command {
	var o stopOptions
	return a.hostCommand("stop [INVENTORY] [HOST...]", "Drain and stop Grafana; it stays stopped", &o.changeFlags,
		func(cmd *cobra.Command) error {
			return a.change(cmd.Context(), "stop", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Stop(s.ctx) })
		})
}

func (a *app) startCommand() *cobra.Command {
	var o stopOptions
	return a.hostCommand("start [INVENTORY] [HOST...]", "Start Grafana again, and wait until it is healthy", &o.changeFlags,
		func(cmd *cobra.Command) error {
			return a.change(cmd.Context(), "start", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Start(s.ctx) })
		})
}
