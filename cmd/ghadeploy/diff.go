package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type diffOptions struct {
	path     string
	detailed bool
}

// diffResult is the document of diff -o json.
type diffResult struct {
	Drift []tasks.Drift `json:"drift"`
	partial
}

func (a *app) diffCommand() *cobra.Command {
	var o diffOptions
	cmd := a.lookCommand("diff", "Show what on the hosts is not what was deployed", func(ctx context.Context, path string) error {
		o.path = path
		return a.diff(ctx, o)
	})
	cmd.Long = `Show the files on the hosts that somebody or something changed since they were
deployed. What the inventory would change is in "ghadeploy plan".`
	cmd.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit 2 when there is drift")
	return cmd
}

func (a *app) diff(ctx context.Context, o diffOptions) error {
	drifted, cluster := false, ""
	err := look(ctx, a, sessionOptions{command: "diff", path: o.path}, func(s *session) (*diffResult, error) {
		cluster = s.cluster.Name
		drift, err := s.runner.Drift(s.ctx)
		drifted = len(drift) > 0
		return &diffResult{Drift: orEmpty(drift)}, err
	}, func(r *diffResult) error {
		return ui.WriteDrift(a.streams.Out, a.streams.OutStyle, cluster, r.Drift)
	})
	if err == nil && drifted && o.detailed {
		return &exitError{exitChanges}
	}
	return err
}
