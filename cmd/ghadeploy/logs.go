package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type logsOptions struct {
	path   string
	follow bool
	since  string
	lines  int
	grep   string
}

func (a *app) logsCommand() *cobra.Command {
	var o logsOptions
	cmd := a.lookCommand("logs", "Show the logs of all hosts, merged by time", func(ctx context.Context, path string) error {
		o.path = path
		return a.logs(ctx, o)
	})
	f := cmd.Flags()
	f.BoolVarP(&o.follow, "follow", "f", false, "go on until Ctrl-C")
	f.StringVar(&o.since, "since", "", "from this time on, as journalctl reads it: \"-10min\", \"2026-11-24 12:00\"")
	f.IntVarP(&o.lines, "lines", "n", 100, "this many lines of each host before that")
	f.StringVar(&o.grep, "grep", "", "only lines that match this regular expression")
	return cmd
}

func (a *app) logs(ctx context.Context, o logsOptions) error {
	options := tasks.LogOptions{Follow: o.follow, Since: o.since, Lines: o.lines}
	if o.grep != "" {
		re, err := regexp.Compile(o.grep)
		if err != nil {
			return usage("--grep: %v", err)
		}
		options.Grep = re
	}
	s, err := a.open(ctx, sessionOptions{command: "logs", path: o.path, quiet: true})
	if err != nil {
		return err
	}
	defer s.Close()
	longest := 0
	for _, h := range s.cluster.Hosts {
		longest = max(longest, len(h.Name))
	}
	lines := ui.NewNDJSON(a.streams.Out)
	ctx, stop := context.WithCancelCause(s.ctx)
	defer stop(nil)
	err = s.runner.Logs(ctx, options, func(l tasks.LogLine) {
		var e error
		if a.json() {
			e = lines.Last(l)
		} else {
			_, e = fmt.Fprintln(a.streams.Out, ui.LogText(a.streams.OutStyle, l, longest))
		}
		if e != nil { // a closed pipe ends the following
			stop(fmt.Errorf("write the logs: %w", e))
		}
	})
	if cause := context.Cause(ctx); s.ctx.Err() == nil && cause != nil {
		return cause
	}
	if o.follow && a.interrupted.Load() && (err == nil || errors.Is(err, context.Canceled)) {
		return nil // Ctrl-C is how following ends
	}
	return err
}
