package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type drainOptions struct{ changeFlags }

func (a *app) drainCommand() *cobra.Command {
	var o drainOptions
	return a.hostCommand("drain [INVENTORY] HOST...", "Take hosts out of the load balancer and let requests end", &o.changeFlags,
		func(cmd *cobra.Command) error {
			if err := a.someHosts(&o.changeFlags, "drain"); err != nil {
				return err
			}
			return a.change(cmd.Context(), "drain", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Drain(s.ctx) })
		})
}

func (a *app) undrainCommand() *cobra.Command {
	var o drainOptions
	return a.hostCommand("undrain [INVENTORY] [HOST...]", "Put hosts back into the load balancer", &o.changeFlags,
		func(cmd *cobra.Command) error {
			return a.change(cmd.Context(), "undrain", o.changeFlags, func(s *session) (*tasks.Result, error) { return s.runner.Undrain(s.ctx) })
		})
}
