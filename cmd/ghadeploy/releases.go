package main

import (
	"context"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// releasesResult is the document of releases -o json.
type releasesResult struct {
	Hosts []tasks.HostReleases `json:"hosts"`
	partial
}

func (a *app) releasesCommand() *cobra.Command {
	return a.lookCommand("releases", "List the generations on every host, and where a rollback goes", a.releases)
}

func (a *app) releases(ctx context.Context, path string) error {
	return look(ctx, a, sessionOptions{command: "releases", path: path}, func(s *session) (*releasesResult, error) {
		hosts, err := s.runner.Releases(s.ctx)
		return &releasesResult{Hosts: orEmpty(hosts)}, err
	}, func(r *releasesResult) error {
		return ui.WriteReleases(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Hosts, a.now())
	})
}

func asksForPassword(h *inventory.Host) bool {
	return h.SSH.Password.IsSet() || h.SSH.Become.Password.IsSet()
}

// patience is how long a shell may wait for a completion.
const patience = 2 * time.Second

// quickReleases is for completion: no questions, no words, no errors. Completing a word
// must not run a command, so no reference is read; where logging in needs one, there is
// nothing to offer.
func (a *app) quickReleases(ctx context.Context, path string) []tasks.HostReleases {
	ctx, stop := context.WithTimeout(ctx, patience)
	defer stop()
	c, err := inventory.Load(ctx, path, inventory.Options{SkipFiles: true})
	if err != nil || slices.ContainsFunc(c.Hosts, asksForPassword) {
		return nil
	}
	r := a.newRunner(c, tasks.Options{Command: "completion"})
	defer func() { _ = r.Close() }() // nobody is told of a completion's errors
	hosts, err := r.Releases(ctx)
	if err != nil {
		return nil
	}
	return hosts
}
