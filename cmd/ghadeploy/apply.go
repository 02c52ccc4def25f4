package main

import (
	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/tasks"
)

type applyOptions struct {
	changeFlags
	plan string
}

func (a *app) applyCommand() *cobra.Command {
	var o applyOptions
	cmd := &cobra.Command{
		Use:   "apply [INVENTORY]",
		Short: "Make the hosts what the inventory says, host by host, while the cluster serves",
		Long: `Make the hosts what the inventory says: everything slow happens beside the
running version and in parallel; then one host after another is drained,
stopped, flipped to the new generation, started and watched until it is healthy.

The first Ctrl-C lets the host at hand be finished, the second stops at once.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = a.inventoryPath(args)
			return a.apply(cmd, o)
		},
	}
	o.addLockWait(cmd)
	o.addSkipCheck(a, cmd)
	o.addReport(cmd)
	o.addPause(cmd)
	o.addOutside(cmd)
	cmd.Flags().StringVar(&o.plan, "plan", "", "do what this saved plan says, or nothing")
	addKnownBad(cmd, &o.allowKnownBad)
	o.allow.add(cmd)
	cmd.Flags().BoolVar(&o.allowDowngrade, "allow-downgrade", false, "let the version go down")
	cmd.Flags().BoolVar(&o.noBackup, "no-backup", false, "no dump of the database before a version change")
	return cmd
}

func (a *app) apply(cmd *cobra.Command, o applyOptions) error {
	if o.plan != "" {
		p, err := readPlan(o.plan)
		if err != nil {
			return err
		}
		o.saved = p
		if to := p.Version(); p.Command == planned(to) {
			// An upgrade also writes the version into the inventory.
			return a.upgrade(cmd, upgradeOptions{changeFlags: o.changeFlags, to: to})
		}
	}
	return a.change(cmd.Context(), "apply", o.changeFlags, func(s *session) (*tasks.Result, error) {
		return s.runner.Apply(s.ctx)
	})
}
