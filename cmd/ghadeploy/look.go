package main

import (
	"context"

	"github.com/spf13/cobra"
)

// look runs a command that reads hosts and changes nothing: read gets the
// value, the connections are closed, and show renders it. An error of read
// does not keep what was read from being shown: some hosts did answer.
func look[T any](ctx context.Context, a *app, o sessionOptions, read func(*session) (T, error), show func(T) error) error {
	s, err := a.open(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	value, err := read(s)
	s.Close()
	if err != nil && a.json() {
		return err // stdout holds one document
	}
	if e := a.render(value, func() error { return show(value) }); e != nil && err == nil {
		return e
	}
	return err
}

// lookCommand is a command with the inventory as its only argument.
func (a *app) lookCommand(use, short string, run func(ctx context.Context, path string) error) *cobra.Command {
	return &cobra.Command{
		Use: use + " [INVENTORY]", Short: short,
		Args:              cobra.MaximumNArgs(1),
		ValidArgsFunction: completeInventory,
		RunE: func(cmd *cobra.Command, args []string) error {
			return run(cmd.Context(), a.inventoryPath(args))
		},
	}
}
