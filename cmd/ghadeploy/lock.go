package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

type lockOptions struct {
	path    string
	message string
}

// lockResult is the document of lock and unlock -o json.
type lockResult struct {
	Hosts []lock.Status `json:"hosts"`
	partial
}

func (a *app) lockCommand() *cobra.Command {
	var o lockOptions
	cmd := a.lookCommand("lock", "Show who holds the cluster, or freeze it with -m", func(ctx context.Context, path string) error {
		o.path = path
		return a.lock(ctx, o)
	})
	cmd.Long = `Show who holds the lock of every host. With -m MESSAGE the cluster is frozen:
every change is refused with that message until "ghadeploy unlock".`
	cmd.Flags().StringVarP(&o.message, "message", "m", "", "freeze the cluster, and say why")
	return cmd
}

func (a *app) lock(ctx context.Context, o lockOptions) error {
	return a.locks(ctx, sessionOptions{command: "lock", path: o.path}, func(s *session) error {
		if o.message == "" {
			return nil
		}
		return s.runner.Lock(s.ctx, o.message)
	})
}

// locks does something and shows who holds the hosts after it.
func (a *app) locks(ctx context.Context, o sessionOptions, do func(*session) error) error {
	return look(ctx, a, o, func(s *session) (*lockResult, error) {
		if err := do(s); err != nil {
			return &lockResult{}, err
		}
		hosts, err := s.runner.Holders(s.ctx)
		return &lockResult{Hosts: orEmpty(hosts)}, err
	}, func(r *lockResult) error {
		if len(r.Hosts) == 0 {
			return nil
		}
		return ui.WriteLocks(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), r.Hosts)
	})
}

type unlockOptions struct {
	path  string
	force bool
}

func (a *app) unlockCommand() *cobra.Command {
	var o unlockOptions
	cmd := a.lookCommand("unlock", "End a freeze", func(ctx context.Context, path string) error {
		o.path = path
		return a.unlock(ctx, o)
	})
	cmd.Long = `End a freeze. A lock that a run holds ends by itself when the run ends or its
connection is cut; --force takes it away from a run that is still at work.`
	cmd.Flags().BoolVar(&o.force, "force", false, "also take the lock away from a run at work")
	return cmd
}

func (a *app) unlock(ctx context.Context, o unlockOptions) error {
	return a.locks(ctx, sessionOptions{command: "unlock", path: o.path}, func(s *session) error {
		if o.force && !a.flags.yes {
			yes, err := s.ask(s.ctx, fmt.Sprintf("Take the lock of %s away? A run that is at work ends before its next host.", s.cluster.Name))
			if err != nil {
				return err
			}
			if !yes {
				return nil
			}
		}
		return s.runner.Unlock(s.ctx, o.force)
	})
}
