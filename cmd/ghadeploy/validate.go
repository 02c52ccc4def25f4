package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

type validateOptions struct {
	path    string
	resolve bool
}

// validateResult is the document of validate -o json.
type validateResult struct {
	Valid    bool            `json:"valid"`
	File     string          `json:"file"`
	Cluster  string          `json:"cluster,omitempty"`
	Hosts    []string        `json:"hosts,omitempty"`
	Extends  []string        `json:"extends,omitempty"` // files, the nearest first
	Errors   []ui.Diagnostic `json:"errors"`
	Warnings []ui.Diagnostic `json:"warnings"`
}

func (a *app) validateCommand() *cobra.Command {
	var o validateOptions
	cmd := &cobra.Command{
		Use:   "validate [INVENTORY]",
		Short: "Check an inventory without touching a host",
		Long: `Check an inventory without touching a host. References to secrets are not read:
nothing that stands in ${cmd:...} is run, so that an inventory of somebody else's
can be looked at, as in a CI for pull requests. --resolve-secrets reads them too.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.path = a.inventoryPath(args)
			return a.validate(cmd.Context(), o)
		},
	}
	f := cmd.Flags()
	f.BoolVar(&o.resolve, "resolve-secrets", false, "also read the references to secrets: this runs the commands of ${cmd:...}")
	f.Bool("no-secrets", false, "")
	// What it asked for is what validate does by itself; scripts may still say it.
	_ = f.MarkHidden("no-secrets")
	cmd.MarkFlagsMutuallyExclusive("resolve-secrets", "no-secrets")
	return cmd
}

func (a *app) validate(ctx context.Context, o validateOptions) error {
	cluster, err := a.load(ctx, o.path, inventory.Options{Resolve: o.resolve})
	if err == nil {
		if problems := desired.Problems(cluster); len(problems) > 0 {
			err = problems
		}
	}
	var mistakes inventory.Diagnostics
	if errors.As(err, &mistakes) && a.json() {
		if err := a.document(validateResult{File: o.path, Errors: ui.Diagnostics(mistakes), Warnings: []ui.Diagnostic{}}); err != nil {
			return err
		}
		return &exitError{exitUsage}
	}
	if err != nil {
		return err
	}
	result := validateResult{Valid: true, File: o.path, Cluster: cluster.Name, Extends: cluster.Extends, Errors: []ui.Diagnostic{},
		Warnings: ui.Diagnostics(cluster.Warnings)}
	for _, h := range cluster.Hosts {
		result.Hosts = append(result.Hosts, h.Name)
	}
	return a.render(result, func() error {
		secrets := ""
		if cluster.References > 0 && !o.resolve {
			secrets = fmt.Sprintf("; %s to secrets not read (--resolve-secrets reads them)", ui.Count(cluster.References, "reference"))
		}
		_, err := fmt.Fprintf(a.streams.Out, "%s is valid: cluster %s, %s, Grafana %s%s\n", o.path, cluster.Name,
			ui.Count(len(cluster.Hosts), "host"), cluster.Grafana.Version, secrets)
		return err
	})
}
