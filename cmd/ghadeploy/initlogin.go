package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
)

// tryLogins logs in to the hosts of an inventory that is not written yet, reports on each,
// and offers to trust the ones whose keys nobody knows. The error is the operator's end;
// hosts that do not let us in are told of, and the inventory is written all the same.
func (a *app) tryLogins(ctx context.Context, path string, text []byte) ([]tasks.Login, error) {
	cluster, err := inventory.Parse(ctx, path, text, inventory.Options{SkipFiles: true})
	if err != nil {
		return nil, usage("%v", err)
	}
	s := &session{app: a, ctx: ctx, cluster: cluster, progress: ui.Silent{}}
	s.options = tasks.Options{Command: "init", ToolVersion: toolVersion().Version}
	s.bound(ctx)
	s.options.Interrupt = s.watchSignals(false)
	s.options.Dialer = s.dialer()
	defer s.Close()
	fmt.Fprintf(a.streams.Err, "Trying to log in to %s ...\n", ui.Count(len(cluster.Hosts)+len(cluster.LoadBalancer.Hosts), "host"))
	tried := s.logins()
	if slices.ContainsFunc(tried, func(l tasks.Login) bool { return l.Unknown }) && !a.flags.yes {
		added, err := s.offerTrust()
		if err != nil {
			return nil, err
		}
		if added > 0 {
			tried = s.logins()
		}
	}
	return tried, s.ctx.Err()
}

// logins tries with connections of its own: known_hosts may have changed since the last.
func (s *session) logins() []tasks.Login {
	r := s.newRunner(s.cluster, s.options)
	defer func() { _ = r.Close() }()
	return r.Logins(s.ctx)
}

// offerTrust shows the keys of the hosts that answer, and asks.
func (s *session) offerTrust() (added int, err error) {
	r := s.newRunner(s.cluster, s.options)
	s.runner = r
	keys, _ := r.Trust(s.ctx) // hosts that did not answer: the logins say so
	if s.ctx.Err() != nil {
		return 0, s.ctx.Err()
	}
	unknown := acceptable(keys)
	if len(unknown) == 0 {
		return 0, nil // the next login tells what is wrong
	}
	if added, err = s.accept(keys, unknown); err != nil && !errors.Is(err, context.Canceled) {
		fmt.Fprintf(s.streams.Err, "%s\n", ui.Clean(err.Error()))
		err = nil
	}
	return added, err
}

// afterInit is what to do first: what keeps us out of a host, then the password, then check.
func afterInit(tried []tasks.Login, path, password string) string {
	path = remote.Quote(path)
	var trust bool
	var first string
	for _, l := range tried {
		trust = trust || l.Unknown
		if first == "" && !l.OK && !l.Unknown {
			first = l.Next
		}
	}
	next := "ghadeploy check " + path
	switch {
	case trust:
		next = "ghadeploy trust " + path
	case first != "":
		next = first
		if !strings.HasPrefix(first, "ghadeploy check ") {
			next += "; then: ghadeploy check " + path
		}
	}
	if password != "" {
		next = password + ", then: " + next
	}
	return next
}
