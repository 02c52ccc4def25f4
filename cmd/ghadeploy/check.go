package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/check"
)

type checkOptions struct {
	path string
	skip []string

	allowKnownBad bool
}

// checkResult is the document of check -o json.
type checkResult struct {
	Failed   int             `json:"failed"`
	Findings []check.Finding `json:"findings"`
	Next     string          `json:"next"`             // the one thing to type or to change next
	Errors   []ui.Failure    `json:"errors,omitempty"` // hosts that did not answer
}

func (a *app) checkCommand() *cobra.Command {
	var o checkOptions
	cmd := a.lookCommand("check", "Try from every host what Grafana there will rely on", func(ctx context.Context, path string) error {
		o.path = path
		return a.check(ctx, o)
	})
	cmd.Long = `Try from every host what Grafana there will rely on: database, Redis, gossip
between every pair, ports, disk, clocks, and the configuration itself. Nothing
on any host is changed. Every finding says how to fix it; -v also shows what is
fine. Exit code 7 when a check failed.`
	addKnownBad(cmd, &o.allowKnownBad)
	cmd.Flags().StringSliceVar(&o.skip, "skip-check", nil, "checks not to run, by name")
	a.complete(cmd, "skip-check", completeChecks)
	return cmd
}

func (a *app) check(ctx context.Context, o checkOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "check", path: o.path, adjust: func(s *session) error {
		s.options.SkipChecks, s.options.AllowKnownBad = o.skip, o.allowKnownBad
		return nil
	}})
	if err != nil {
		return err
	}
	defer s.Close()
	findings, err := s.runner.Check(s.ctx)
	s.Close()
	// A check that failed is a finding, and shown as one; other errors are told as well.
	if len(findings) == 0 && err != nil {
		return err
	}
	result := checkResult{Failed: len(check.Failed(findings)), Findings: findings, Errors: a.failures(err),
		Next: ui.AfterCheck(findings, a.inventoryName(), a.sameFlags())}
	if len(result.Errors) > 0 {
		result.Next = result.Errors[0].Next // what did not answer comes first
	}
	if e := a.render(result, func() error {
		if err := ui.WriteFindings(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), findings, a.flags.verbose); err != nil ||
			len(result.Errors) > 0 {
			return err // which are told below, with what to type
		}
		return ui.WriteNext(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), result.Next)
	}); e != nil {
		return e
	}
	switch code := a.exitCode(err); {
	case err != nil && code != exitCheck && !a.json():
		return err
	case err != nil:
		return &exitError{code}
	case result.Failed > 0:
		return &exitError{exitCheck}
	}
	return nil
}

// sameFlags are the flags that a command to type next takes over from this one.
func (a *app) sameFlags() (flags string) {
	if a.flags.limit != "" {
		flags += " --limit " + remote.Quote(a.flags.limit)
	}
	if a.flags.askBecome {
		flags += " -K"
	}
	return flags
}
