package main

import (
	"fmt"
	"io"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/internal/ui/report"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// writeReport writes the page that --report asked for. A run that failed has
// one too: that is when it is read.
func (a *app) writeReport(file string, record *report.Recorder, c *inventory.Cluster, command string, r *tasks.Result, failed error) error {
	return a.writePage(file, report.Run{
		Cluster: c.Name, Command: command, Tool: toolVersion().Version,
		Events: record.Events(), Result: r, Failures: a.failures(failed),
	})
}

// failures are the parts of an error; none when there is none.
func (a *app) failures(err error) []ui.Failure {
	if err == nil {
		return nil
	}
	return ui.Failures(err, a.inventoryName())
}

func (a *app) writePage(file string, run report.Run) error {
	if err := a.writeFile(file, func(w io.Writer) error { return report.Write(w, run) }); err != nil {
		return fmt.Errorf("write the report: %w", err)
	}
	fmt.Fprintf(a.streams.Err, "report: %s\n", file)
	return nil
}
