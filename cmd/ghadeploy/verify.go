package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/internal/ui/report"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

type verifyOptions struct {
	path   string
	report string
	junit  string
	verify.Options
}

func (a *app) verifyCommand() *cobra.Command {
	var o verifyOptions
	cmd := a.lookCommand("verify", "Prove from outside that the hosts are one Grafana", func(ctx context.Context, path string) error {
		o.path = path
		return a.verify(ctx, o)
	})
	cmd.Long = `Prove from outside that the hosts are one Grafana: a session made on one is valid
on every other and through the load balancer, a Live message published on one
arrives at the others, counts, versions and plugins agree. --with-alerts also
fires a temporary alert and counts its notifications; it is cleaned up again.
With --with-alerts or --chaos the hosts are locked meanwhile.

Exit code 5 when something was not proved.`
	f := cmd.Flags()
	f.BoolVar(&o.WithAlerts, "with-alerts", false, "also fire a temporary alert, silence it, and count the notifications")
	f.BoolVar(&o.Chaos, "chaos", false, "also stop every host in turn, and prove that the load balancer answers no error (asks first)")
	f.StringVar(&o.junit, "junit", "", "also write a JUnit XML file, for a CI")
	f.StringVar(&o.report, "report", "", "write an HTML report to this file")
	return cmd
}

func (a *app) verify(ctx context.Context, o verifyOptions) error {
	record := report.NewRecorder()
	s, err := a.open(ctx, sessionOptions{command: "verify", path: o.path, graceful: o.Chaos, sinks: []event.Sink{record.Event}})
	if err != nil {
		return err
	}
	defer s.Close()
	if o.Chaos && !a.flags.yes {
		yes, err := s.ask(s.ctx,
			fmt.Sprintf("Verify %s with chaos? Grafana is stopped and started on every host, one after another.", s.cluster.Name))
		if err != nil {
			return err
		}
		if !yes {
			return usage("nothing was verified; next: ghadeploy verify INVENTORY without --chaos")
		}
	}
	proof, err := s.runner.Verify(s.ctx, o.Options)
	s.Close()
	if proof == nil {
		return err
	}
	if e := a.writeProof(o, record, s.cluster.Name, proof, err); e != nil {
		return e
	}
	if e := a.render(proof, func() error {
		return ui.WriteProof(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), proof)
	}); e != nil {
		return e
	}
	switch {
	case err != nil && a.json(): // stdout holds the proof as far as it went
		a.showError(err, 0, false)
		return &exitError{a.exitCode(err)}
	case err != nil:
		return err
	case !proof.OK:
		return &exitError{exitGate}
	}
	return nil
}

// writeProof writes the files that were asked for.
func (a *app) writeProof(o verifyOptions, record *report.Recorder, cluster string, proof *verify.Report, failed error) error {
	if o.junit != "" {
		if err := a.writeFile(o.junit, proof.WriteJUnit); err != nil {
			return fmt.Errorf("write the JUnit file: %w", err)
		}
	}
	if o.report == "" {
		return nil
	}
	page := report.Run{Cluster: cluster, Command: "verify", Tool: toolVersion().Version, Events: record.Events(), Proof: proof,
		Failures: a.failures(failed)}
	return a.writePage(o.report, page)
}

// writeFile makes a file, for its owner alone, of what write writes: who may read what a
// run says of a cluster is the operator's decision. One that is there is written over and
// closed to others first. It does not wait for a reader of a named pipe.
func (a *app) writeFile(name string, write func(w io.Writer) error) error {
	text, err := a.hidden(write)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_TRUNC|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return err
	}
	if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
		if err := f.Chmod(0o600); err != nil {
			return firstError(err, f.Close())
		}
	}
	_, err = io.WriteString(f, text)
	return firstError(err, f.Close())
}
