package main

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/notify"
)

// addOutside are the flags about what a run sets off outside of the cluster.
func (f *changeFlags) addOutside(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.metrics, "metrics-file", "", "write metrics of the run to this file, for node_exporter's textfile collector")
	cmd.Flags().BoolVar(&f.skipHooks, "skip-hooks", false, "run none of the inventory's hooks")
}

// writeMetrics writes what --metrics-file asked for, at once: a collector that reads
// meanwhile sees the last run or this one. A run that failed has metrics too.
func (f changeFlags) writeMetrics(c *inventory.Cluster, command string, start, end time.Time, r *tasks.Result, failed error) error {
	if f.metrics == "" {
		return nil
	}
	var b bytes.Buffer
	if _, err := tasks.Metrics(c.Name, command, start, end, r, failed).WriteTo(&b); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return writeTextfile(f.metrics, b.Bytes())
}

// writePlanMetrics writes what --metrics-file of plan asked for: what p
// has pending, or, when planning failed, that nobody knows.
func (a *app) writePlanMetrics(ctx context.Context, file string, c *inventory.Cluster, p *tasks.Plan, failed error) error {
	if file == "" {
		return nil
	}
	m := notify.PlanMetrics{Cluster: c.Name, At: a.now(), Success: failed == nil, Expiries: check.Expiries(ctx, c)}
	if failed == nil {
		for _, h := range p.Hosts {
			if len(h.Actions) > 0 || h.Stale {
				m.Pending++
			}
		}
	}
	var b bytes.Buffer
	if _, err := m.WriteTo(&b); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return writeTextfile(file, b.Bytes())
}

func writeTextfile(file string, text []byte) error {
	if err := inventory.WriteFile(file, text, 0o644); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}
