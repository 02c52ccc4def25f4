package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type statusOptions struct {
	path     string
	watch    bool
	interval time.Duration
}

func (a *app) statusCommand() *cobra.Command {
	var o statusOptions
	cmd := &cobra.Command{
		Use:   "status [INVENTORY]",
		Short: "Show the state of every host, and a verdict",
		Long: `Show what every host runs, its health, its place in the alerting cluster, what
the load balancer sees, and what is not as it was deployed.

The verdict tells serving from healthy: "degraded: 2 of 3 serve, h2 down". A host is
healthy, unhealthy (it serves, and something is not as it should be), starting,
drained or stopped by hand, in rollout (and by whom), down, or unreachable.

Exit code 0: healthy; 5: degraded or down, which "level" of -o json tells apart;
4: hosts are unreachable.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = a.inventoryPath(args)
			if o.watch && o.interval < time.Second {
				return usage("--interval must be at least 1s")
			}
			return a.status(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVarP(&o.watch, "watch", "w", false, "show it again and again until q or Ctrl-C")
	cmd.Flags().DurationVar(&o.interval, "interval", 2*time.Second, "how often with --watch")
	return cmd
}

func (a *app) status(ctx context.Context, o statusOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "status", path: o.path, quiet: o.watch})
	if err != nil {
		return err
	}
	defer s.Close()
	if o.watch {
		return s.watchStatus(o.interval)
	}
	early := s.arrivals()
	st, err := s.runner.Status(s.ctx, early.host)
	early.end()
	ended := s.ctx.Err() != nil
	s.Close()
	if st == nil || ended {
		return err
	}
	// What kept a host from answering stands in its row.
	if e := a.render(st, func() error {
		return ui.WriteStatus(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), st, a.now())
	}); e != nil {
		return e
	}
	if code := statusCode(st); code != nil || err == nil {
		return code
	}
	return &exitError{a.exitCode(err)}
}

// statusCode is the exit code that scripts wait for.
func statusCode(st *tasks.Status) error {
	for _, h := range st.Hosts {
		if !h.Reachable {
			return &exitError{exitUnreachable}
		}
	}
	if !st.Healthy {
		return &exitError{exitGate}
	}
	return nil
}
