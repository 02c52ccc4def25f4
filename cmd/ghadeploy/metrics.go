package main

import (
	"bytes"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
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
	if err := inventory.WriteFile(f.metrics, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("write the metrics: %w", err)
	}
	return nil
}
