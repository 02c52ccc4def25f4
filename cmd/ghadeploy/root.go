package main

import (
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

const rootLong = `ghadeploy turns an inventory of bare-metal hosts into a highly available
Grafana cluster, and keeps it one through restarts, upgrades and failures.

The inventory is the first argument of every command; without one it is
$GHADEPLOY_INVENTORY, or ./inventory.yaml.

Exit codes: 0 done or nothing to do, 1 failed, 2 changes pending (plan
--detailed-exitcode, a rollout that paused), 3 invalid inventory or usage, 4 host
unreachable, 5 a gate failed or the cluster is not healthy, 6 lock held, 7 a check
failed, 130 interrupted.`

// The groups that help shows commands in.
const (
	groupSetup   = "setup"
	groupChange  = "change"
	groupSee     = "see"
	groupControl = "control"
)

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:           "ghadeploy",
		Short:         "Highly available Grafana on bare-metal hosts",
		Long:          rootLong,
		SilenceErrors: true, SilenceUsage: true,
		Args: knownCommand, SuggestionsMinimumDistance: 2,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.CompletionOptions.DisableDefaultCmd = true
	root.SetOut(a.streams.Out)
	root.SetErr(a.streams.Err)
	root.SetIn(a.streams.In)
	root.AddGroup(
		&cobra.Group{ID: groupSetup, Title: "Describe a cluster:"},
		&cobra.Group{ID: groupChange, Title: "Change it:"},
		&cobra.Group{ID: groupSee, Title: "See it:"},
		&cobra.Group{ID: groupControl, Title: "Take hold of it:"},
	)
	a.globalFlags(root)
	root.PersistentPreRunE = func(cmd *cobra.Command, _ []string) error { return a.begin(cmd) }
	root.AddCommand(a.commands()...)
	return root
}

// knownCommand refuses a word that is no command, and says which one is near.
func knownCommand(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	near := cmd.SuggestionsFor(args[0])
	if len(near) == 0 {
		return usage("there is no command %q; next: ghadeploy help", args[0])
	}
	return usage("there is no command %q; did you mean %s?", args[0], strings.Join(near, " or "))
}

func (a *app) globalFlags(root *cobra.Command) {
	f := root.PersistentFlags()
	f.StringVarP(&a.flags.limit, "limit", "l", "", "only these hosts: names, groups, globs, ~regex, a:&b:!c as in Ansible")
	f.StringVarP(&a.flags.output, "output", "o", "text", "text or json")
	f.BoolVarP(&a.flags.yes, "yes", "y", false, "do not ask")
	f.BoolVarP(&a.flags.verbose, "verbose", "v", false, "show more")
	f.StringVar(&a.flags.diff, "diff", diffBrief, "how much of what changes a plan shows: brief or full")
	f.BoolVar(&a.flags.noColor, "no-color", false, "no colours (also NO_COLOR)")
	f.DurationVar(&a.flags.timeout, "timeout", 0, "end the whole command after this long; 0: never")
	f.BoolVarP(&a.flags.askBecome, "ask-become-pass", "K", false, "ask for the password of sudo or doas")
	a.complete(root, "limit", a.completeLimit)
	a.complete(root, "diff", fixed(diffBrief, diffFull))
	a.complete(root, "output", fixed("text", "json"))
}

// begin checks what all commands share, once the command line is parsed.
func (a *app) begin(cmd *cobra.Command) error {
	if a.flags.noColor {
		a.streams.OutStyle, a.streams.ErrStyle = ui.Style{}, ui.Style{}
	}
	// An unset variable of a script must not mean all hosts.
	if l := cmd.Flags().Lookup("limit"); l != nil && l.Changed && strings.TrimSpace(a.flags.limit) == "" {
		return &tasks.UsageError{Message: `--limit is empty: leave it out, or say "all"`}
	}
	if !slices.Contains([]string{"text", "json"}, a.flags.output) && cmd.Annotations[takesFile] == "" {
		return &tasks.UsageError{Message: "-o takes text or json, not " + a.flags.output}
	}
	if !slices.Contains([]string{diffBrief, diffFull}, a.flags.diff) {
		return &tasks.UsageError{Message: "--diff takes brief or full, not " + a.flags.diff}
	}
	a.started = true
	return nil
}

// takesFile marks commands whose -o may name a file.
const takesFile = "output-file"

// commands in the order in which an operator meets them.
func (a *app) commands() []*cobra.Command {
	var all []*cobra.Command
	for _, group := range []struct {
		id       string
		commands []*cobra.Command
	}{
		{groupSetup, []*cobra.Command{
			a.initCommand(), a.importCommand(), a.validateCommand(), a.docsCommand(), a.schemaCommand(), a.secretsCommand(), a.trustCommand(),
		}},
		{groupChange, []*cobra.Command{
			a.checkCommand(), a.planCommand(), a.applyCommand(), a.rehearseCommand(), a.upgradeCommand(), a.restartCommand(), a.rollbackCommand(), a.removeCommand(),
		}},
		{groupSee, []*cobra.Command{
			a.statusCommand(), a.verifyCommand(), a.logsCommand(), a.execCommand(), a.historyCommand(), a.releasesCommand(), a.diffCommand(), a.targetsCommand(),
			a.monitoringCommand(),
		}},
		{groupControl, []*cobra.Command{
			a.drainCommand(), a.undrainCommand(), a.stopCommand(), a.startCommand(), a.lockCommand(), a.unlockCommand(), a.backupCommand(), a.restoreCommand(), a.databaseCommand(),
		}},
	} {
		for _, c := range group.commands {
			c.GroupID = group.id
			all = append(all, c)
		}
	}
	return append(all, a.completionCommand(), a.versionCommand(), a.manCommand())
}
