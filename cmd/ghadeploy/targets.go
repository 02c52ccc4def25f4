package main

import (
	"context"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/notify"

	"github.com/spf13/cobra"
)

func (a *app) targetsCommand() *cobra.Command {
	cmd := a.lookCommand("targets", "Print the hosts as targets for Prometheus (file_sd)", a.targets)
	cmd.Long = `Print the hosts as JSON for file_sd_configs of Prometheus: host:port of each, with
the labels cluster, host, and those of the inventory. No host is asked and no
secret is read.`
	cmd.Example = `  ghadeploy targets inventory.yaml > /etc/prometheus/targets/grafana.json
  ghadeploy targets inventory.yaml --limit rack-b`
	return cmd
}

func (a *app) targets(ctx context.Context, path string) error {
	c, err := a.load(ctx, path, inventory.Options{})
	if err != nil {
		return err
	}
	hosts := c.Hosts
	if a.flags.limit != "" {
		if hosts, err = c.Select(a.flags.limit); err != nil {
			return usage("--limit %s: %v", a.flags.limit, err)
		}
	}
	return a.document(notify.Targets(c, hosts))
}
