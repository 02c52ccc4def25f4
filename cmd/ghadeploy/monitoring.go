package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/monitoring"
)

func (a *app) monitoringCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "monitoring",
		Short: "Print alert rules and a dashboard for the cluster itself",
		Long: `Print what Prometheus and Grafana need to watch the cluster: alert rules, and a
dashboard. No host is asked and no secret is read.

Prometheus finds the hosts by "ghadeploy targets"; what ghadeploy itself reports
comes from --metrics-file of plan, apply and the like.`,
	}
	var job string
	add := func(use, short, example string, run func(c *inventory.Cluster) error) {
		c := a.lookCommand(use, short, func(ctx context.Context, path string) error {
			cluster, err := a.load(ctx, path, inventory.Options{})
			if err != nil {
				return err
			}
			return run(cluster)
		})
		c.Example = example
		c.Flags().StringVar(&job, "job", monitoring.DefaultJob, "job_name in Prometheus that scrapes the hosts")
		cmd.AddCommand(c)
	}
	add("rules", "Print alert rules for Prometheus", "  ghadeploy monitoring rules inventory.yaml > /etc/prometheus/rules/grafana.yaml",
		func(c *inventory.Cluster) error {
			rules := monitoring.Rules(c, job)
			return a.render(rules, func() error { _, err := rules.WriteTo(a.streams.Out); return err })
		})
	add("dashboard", "Print a dashboard, to be imported or provisioned",
		"  ghadeploy monitoring dashboard inventory.yaml > provisioning/dashboards/cluster.json",
		func(c *inventory.Cluster) error { return a.document(monitoring.ForCluster(c, job)) })
	return cmd
}
