package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type planOptions struct {
	path     string
	detailed bool
	to       string // plan of an upgrade
	// saveTo is the file that -o named.
	saveTo        string
	metrics       string
	allowKnownBad bool
	allow         allowFlags
}

func (a *app) planCommand() *cobra.Command {
	var o planOptions
	cmd := &cobra.Command{
		Use:   "plan [INVENTORY]",
		Short: "Show what apply would do, and write nothing anywhere",
		Long: `Show what apply would do. Nothing is written on any host.

-o json prints the plan as JSON; -o FILE.json saves it, and "apply --plan
FILE.json" then does exactly this or nothing: it refuses when a host or the
inventory has changed since.`,
		Args:        cobra.MaximumNArgs(1),
		Annotations: map[string]string{takesFile: "yes"},
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = a.inventoryPath(args)
			if file := a.flags.output; file != "text" && file != "json" {
				if !strings.HasSuffix(file, ".json") {
					return usage("-o takes text, json or a file name that ends in .json, not %s", file)
				}
				o.saveTo, a.flags.output = file, "text"
			}
			return a.plan(cmd.Context(), o)
		},
	}
	cmd.Flags().BoolVar(&o.detailed, "detailed-exitcode", false, "exit 2 when changes are pending")
	cmd.Flags().StringVar(&o.to, "to", "", "plan an upgrade to this version instead")
	cmd.Flags().StringVar(&o.metrics, "metrics-file", "", "write what is pending to this file, for node_exporter's textfile collector")
	addKnownBad(cmd, &o.allowKnownBad)
	o.allow.add(cmd)
	return cmd
}

func (a *app) plan(ctx context.Context, o planOptions) error {
	s, err := a.open(ctx, sessionOptions{command: planned(o.to), path: o.path, adjust: func(s *session) error {
		s.options.AllowKnownBad, s.options.Allow = o.allowKnownBad, o.allow.kinds()
		return nil
	}})
	if err != nil {
		return err
	}
	defer s.Close()
	plan, err := s.makePlan(o.to)
	if e := a.writePlanMetrics(ctx, o.metrics, s.cluster, plan, err); e != nil && err == nil {
		err = e
	}
	if err != nil {
		return err
	}
	s.Close()
	if o.saveTo != "" {
		if err := a.savePlan(o.saveTo, plan); err != nil {
			return err
		}
	}
	text := ui.PlanText{Style: a.streams.OutStyle, Width: a.streams.Columns(), Verbose: a.flags.wholeDiffs()}
	if err := a.render(plan, func() error { return text.Write(a.streams.Out, plan) }); err != nil {
		return err
	}
	if o.saveTo != "" {
		fmt.Fprintf(a.streams.Err, "saved as %s; next: ghadeploy apply %s --plan %s\n", o.saveTo, o.path, o.saveTo)
	}
	if o.detailed && !plan.Empty() {
		return &exitError{exitChanges}
	}
	return nil
}

func (s *session) makePlan(version string) (*tasks.Plan, error) {
	if version != "" {
		return s.runner.PlanUpgrade(s.ctx, version)
	}
	return s.runner.Plan(s.ctx)
}

func (a *app) savePlan(file string, p *tasks.Plan) error {
	text, err := json.MarshalIndent(p, "", "  ")
	if err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	if err := a.writeFile(file, func(w io.Writer) error { _, err := w.Write(append(text, '\n')); return err }); err != nil {
		return fmt.Errorf("save the plan: %w", err)
	}
	return nil
}

// readPlan reads a plan that savePlan wrote.
func readPlan(file string) (*tasks.Plan, error) {
	text, err := localfile.Read(context.Background(), file, localfile.Large)
	if err != nil {
		return nil, usage("--plan: %v", err)
	}
	var p tasks.Plan
	if err := json.Unmarshal(text, &p); err != nil {
		return nil, usage("--plan %s is not a saved plan: %v", file, err)
	}
	if p.Hash == "" || p.Schema != 1 || len(p.Hosts) == 0 {
		return nil, usage("--plan %s is not a saved plan of this version; next: ghadeploy plan INVENTORY -o %s", file, file)
	}
	return &p, nil
}

// planned is the command that a plan is for.
func planned(version string) string {
	if version != "" {
		return "upgrade"
	}
	return "apply"
}
