package main

import (
	"context"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
)

// look runs a command that reads hosts and changes nothing: read gets the
// value, the connections are closed, and show renders it. An error of read
// does not keep what was read from being shown: some hosts did answer.
func look[T document](ctx context.Context, a *app, o sessionOptions, read func(*session) (T, error), show func(T) error) error {
	s, err := a.open(ctx, o)
	if err != nil {
		return err
	}
	defer s.Close()
	value, err := read(s)
	s.Close()
	return showAll(a, value, err, func() error { return show(value) })
}

// partial is what documents hold that some hosts did not contribute to.
type partial struct {
	// Errors are of the hosts that did not answer.
	Errors []ui.Failure `json:"errors,omitempty"`
}

func (p *partial) fail(f []ui.Failure) { p.Errors = f }

// document is a result that can hold errors besides.
type document interface{ fail([]ui.Failure) }

// showAll shows what was read and, with it, what could not be: in JSON both
// stand in the one document.
func showAll(a *app, d document, err error, text func() error) error {
	d.fail(a.failures(err))
	if e := a.render(d, text); e != nil && err == nil {
		return e
	}
	if err != nil && a.json() {
		return &exitError{a.exitCode(err)}
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
