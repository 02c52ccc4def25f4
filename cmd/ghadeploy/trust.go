package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
)

type trustOptions struct{ path string }

// trustResult is the document of trust -o json.
type trustResult struct {
	Keys  []tasks.HostKey `json:"keys"`
	Added int             `json:"added"`
}

func (a *app) trustCommand() *cobra.Command {
	cmd := a.lookCommand("trust", "Show the SSH keys of the hosts, and add new ones to known_hosts",
		func(ctx context.Context, path string) error {
			return a.trust(ctx, trustOptions{path: path})
		})
	cmd.Long = `Show the fingerprints of the SSH keys that the hosts present, and after a
question add those that are not known to known_hosts. Compare them with what the
hosts themselves say: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub`
	return cmd
}

func (a *app) trust(ctx context.Context, o trustOptions) error {
	s, err := a.open(ctx, sessionOptions{command: "trust", path: o.path})
	if err != nil {
		return err
	}
	defer s.Close()
	keys, err := s.runner.Trust(s.ctx)
	if err != nil && len(keys) == 0 {
		return err
	}
	unknown := acceptable(keys)
	added, askErr := s.accept(keys, unknown)
	s.Close()
	askErr = firstError(askErr, revoked(keys))
	result := trustResult{Keys: orEmpty(keys), Added: added}
	if askErr != nil || err != nil {
		return firstError(askErr, err)
	}
	return a.render(result, func() error {
		next := "check"
		if added < len(unknown) {
			next = "trust"
		}
		_, err := fmt.Fprintf(a.streams.Out, "%s known, %d added\nnext: ghadeploy %s %s\n", ui.Count(len(keys)-len(unknown), "key"), added, next,
			remote.Quote(a.inventoryName())+a.sameFlags())
		return err
	})
}

// revoked names the keys that are marked @revoked, or are others than the known ones: those
// hosts must not be connected to.
func revoked(keys []tasks.HostKey) error {
	for _, k := range keys {
		if k.Revoked {
			return fmt.Errorf("%s: the host key %s (%s) is marked @revoked in known_hosts and is not trusted; next: make new keys on the host: ssh-keygen -A",
				k.Host, k.Fingerprint, k.Type)
		}
	}
	for _, k := range keys {
		if k.Changed {
			return fmt.Errorf("%s: its host key is another one than known_hosts or the inventory has: %s (%s); someone may be listening in, or the host was installed anew; next: %s",
				k.Host, k.Fingerprint, k.Type, k.Next)
		}
	}
	return nil
}

// acceptable are the keys that may be added: those of which nobody knows anything.
func acceptable(keys []tasks.HostKey) (unknown []tasks.HostKey) {
	for _, k := range keys {
		if !k.Known && !k.Revoked && !k.Changed {
			unknown = append(unknown, k)
		}
	}
	return unknown
}

func hostsOf(keys []tasks.HostKey) int {
	hosts := map[string]bool{}
	for _, k := range keys {
		hosts[k.Host] = true
	}
	return len(hosts)
}

// accept shows the keys where the question is asked, and adds the unknown ones.
func (s *session) accept(all, unknown []tasks.HostKey) (added int, err error) {
	if len(unknown) == 0 {
		return 0, nil
	}
	s.progress.Aside(func() {
		err = ui.WriteHostKeys(s.streams.Err, s.streams.ErrStyle, s.streams.Columns(), all)
	})
	if err != nil {
		return 0, err
	}
	if !s.flags.yes {
		yes, err := s.ask(s.ctx, fmt.Sprintf("Trust the new keys of %s?", ui.Count(hostsOf(unknown), "host")))
		if err != nil || !yes {
			return 0, err
		}
	}
	if err := s.runner.AcceptKeys(s.ctx, unknown); err != nil {
		return 0, err
	}
	return len(unknown), nil
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
