package main

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"

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
	f.StringVar(&o.since, "since", "", "from this time on: 1h30m ago, or as journalctl reads it: \"yesterday\", \"2026-11-24 12:00\"")
	f.IntVarP(&o.lines, "lines", "n", 0, "this many lines of each host; 0: all with --since, else 100")
	f.StringVar(&o.grep, "grep", "", "only lines that match this regular expression")
	return cmd
}

func (a *app) logs(ctx context.Context, o logsOptions) error {
	options := tasks.LogOptions{Follow: o.follow, Since: sinceTime(o.since), Lines: o.lines}
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
	hosts := s.options.Limit
	if hosts == nil {
		hosts = s.cluster.Hosts
	}
	for _, note := range tasks.LogFiles(s.cluster, hosts) {
		fmt.Fprintf(a.streams.Err, "%s %s\n", a.streams.ErrStyle.Warn("warning:"), note)
	}
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

// sinceTime lets one write 10m or 1h30m where journalctl wants -600s.
func sinceTime(text string) string {
	d, err := time.ParseDuration(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(text), "ago")))
	if err != nil {
		return text
	}
	return fmt.Sprintf("-%ds", int64(d.Abs().Seconds()))
}
