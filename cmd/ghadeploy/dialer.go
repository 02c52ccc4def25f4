package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// dialer connects to hosts; encrypted keys ask on the terminal where there is one.
func (s *session) dialer() *remote.Dialer {
	d := &remote.Dialer{}
	if s.streams.InTTY && s.streams.ErrTTY {
		d.Passphrase = func(ctx context.Context, keyfile string) (string, error) {
			return s.askSecret(ctx, "Passphrase of "+keyfile)
		}
	}
	if s.flags.verbose {
		d.Note = func(remark string) {
			s.progress.Aside(func() { fmt.Fprintln(s.streams.Err, ui.Clean(remark)) })
		}
	}
	return d
}

// askBecome asks once for the password of sudo or doas where -K was given. It
// replaces what the inventory says, for all hosts.
func (s *session) askBecome() error {
	if !s.flags.askBecome {
		return nil
	}
	if !s.streams.InTTY || !s.streams.ErrTTY {
		return usage("-K cannot ask without a terminal; next: set ssh.become.password in INVENTORY to a reference")
	}
	text, err := s.askSecret(s.ctx, "Password of sudo or doas")
	if err != nil {
		return err
	}
	for _, h := range slices.Concat(s.cluster.Hosts, s.cluster.LoadBalancer.Hosts) {
		h.SSH.Become.Password = inventory.NewSecret(text, "asked")
	}
	return nil
}

// askSecret reads a line without echo. Ctrl-C leaves the terminal as it was,
// because the read ends with the process.
func (s *session) askSecret(ctx context.Context, question string) (string, error) {
	type answer struct {
		text []byte
		err  error
	}
	got := make(chan answer, 1)
	var a answer
	s.progress.Aside(func() {
		fmt.Fprintf(s.streams.Err, "%s: ", question)
		guard.Go(func() {
			text, err := s.streams.Password()
			got <- answer{text, err}
		})
		select {
		case a = <-got:
		case <-ctx.Done():
			a.err = ctx.Err()
		}
		fmt.Fprintln(s.streams.Err)
	})
	if a.err != nil {
		return "", fmt.Errorf("read the passphrase: %w", a.err)
	}
	if len(a.text) == 0 {
		return "", errors.New("no passphrase given")
	}
	return string(a.text), nil
}
