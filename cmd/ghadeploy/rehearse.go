package main

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type rehearseOptions struct {
	path, to      string
	sha256        []string
	lockWait      time.Duration
	allowKnownBad bool
}

// rehearseResult is the document of rehearse -o json.
type rehearseResult struct {
	Rehearsal *tasks.Rehearsal `json:"rehearsal"`
	partial
}

func (a *app) rehearseCommand() *cobra.Command {
	var o rehearseOptions
	cmd := a.lookCommand("rehearse --to VERSION", "Carry an upgrade out on a copy of the database, and say how it goes", func(ctx context.Context, path string) error {
		o.path = path
		if o.to == "" {
			return usage("rehearse needs --to VERSION; next: ghadeploy rehearse %s --to VERSION", path)
		}
		return a.rehearse(ctx, o)
	})
	cmd.Long = `Carry an upgrade out on a copy of the database: the copy is made on the same
server, and the new version is started against it on the side of one host, on a
port of loopback, with limits on processor and memory, shut off from everything
but the database, with no alerts, no mail and no part in the cluster. What it
migrates, how long that takes, what fails and what would be lost is told; then
all of it is removed. What serves is not touched.

The copy needs database.create, by which a database is made and dropped, or an
empty one of its own in database.rehearsal. A rehearsal that was killed is cleaned
up by the next. The version that runs can be rehearsed too: that shows that
rehearsals work here, and which errors it logs anyhow.

Exit codes: 0 the upgrade would go well, 7 it would fail, or cannot be rehearsed.`
	f := cmd.Flags()
	f.StringVar(&o.to, "to", "", "the version to go to (required)")
	f.StringSliceVar(&o.sha256, "sha256", nil, "checksum of the new release: HEX, or ARCH=HEX for each architecture")
	f.DurationVar(&o.lockWait, "lock-wait", 0, "wait this long for somebody else's lock")
	addKnownBad(cmd, &o.allowKnownBad)
	return cmd
}

func (a *app) rehearse(ctx context.Context, o rehearseOptions) error {
	sums, err := checksums(o.sha256)
	if err != nil {
		return err
	}
	opts := sessionOptions{command: "rehearse", path: o.path, adjust: func(s *session) error {
		s.options.LockWait, s.options.AllowKnownBad = o.lockWait, o.allowKnownBad
		if len(sums) > 0 {
			s.cluster.Grafana.Artifact.SHA256 = sums
		}
		return nil
	}}
	return look(ctx, a, opts, func(s *session) (*rehearseResult, error) {
		out, err := s.runner.Rehearse(s.ctx, o.to)
		return &rehearseResult{Rehearsal: out}, err
	}, func(r *rehearseResult) error {
		return ui.WriteRehearsal(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Rehearsal)
	})
}
