package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type execOptions struct {
	path    string
	command []string
	become  bool
}

// execResult is the document of exec -o json.
type execResult struct {
	Results []tasks.ExecResult `json:"results"`
	Errors  []ui.Failure       `json:"errors,omitempty"` // hosts that did not answer
}

func (a *app) execCommand() *cobra.Command {
	var o execOptions
	cmd := &cobra.Command{
		Use:   "exec [INVENTORY] -- COMMAND [ARG...]",
		Short: "Run a command on all hosts, identical outputs together",
		Long: `Run a command on all hosts. The words after -- are passed as they are; for a
pipe or a variable write: exec -- sh -c 'df -h | tail -1'.

Exit code 1 when the command failed on any host.`,
		Args: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash < 0 || dash > 1 || len(args) == dash {
				return usage("exec needs a command after --: ghadeploy exec inventory.yaml -- uptime")
			}
			return nil
		},
		ValidArgsFunction: completeInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			o.path, o.command = a.inventoryPath(args[:dash]), args[dash:]
			return a.exec(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.become, "become", "b", false, "run it as root")
	return cmd
}

func (a *app) exec(ctx context.Context, o execOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "exec", path: o.path})
	if err != nil {
		return err
	}
	defer s.Close()
	results, err := s.runner.Exec(s.ctx, o.command, o.become)
	s.Close()
	if len(results) == 0 && err != nil {
		return err
	}
	if e := a.render(execResult{results, a.failures(err)},
		func() error { return ui.WriteExec(a.streams.Out, a.streams.OutStyle, results) }); e != nil {
		return e
	}
	if err != nil && !a.json() {
		return err
	}
	if err != nil {
		return &exitError{a.exitCode(err)} // the errors stand in the document
	}
	for _, r := range results {
		if r.Status != 0 || r.Error != "" {
			return &exitError{exitFailed}
		}
	}
	return nil
}
