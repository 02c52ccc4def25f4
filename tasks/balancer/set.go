package balancer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-multierror"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// set is several balancers as one.
type set struct {
	cluster *inventory.Cluster
	title   string
	members []member
	places  *places
	moving  sync.Mutex
}

func (s *set) Describe() string { return s.title }

// each runs do on all members at once and keeps every error, in their order.
func (s *set) each(do func(member) error) error {
	errs := make([]error, len(s.members))
	var wg guard.Group
	for i, m := range s.members {
		wg.Go(func() { errs[i] = guard.Do(func() error { return do(m) }) })
	}
	wg.Wait()
	all := &multierror.Error{ErrorFormat: oneLine}
	for _, err := range errs {
		if err != nil {
			all = multierror.Append(all, err)
		}
	}
	return all.ErrorOrNil()
}

func (s *set) Drain(ctx context.Context, h *inventory.Host) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return s.each(func(m member) error { return named(m, "drain "+h.Name, m.drain(ctx, h)) })
}

func (s *set) Undrain(ctx context.Context, h *inventory.Host) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	return s.each(func(m member) error { return named(m, "undrain "+h.Name, m.undrain(ctx, h)) })
}

func (s *set) WaitIdle(ctx context.Context, h *inventory.Host, max time.Duration) error {
	return s.each(func(m member) error {
		err := m.waitIdle(ctx, h, max)
		if _, ok := errors.AsType[*BusyError](err); ok {
			return err
		}
		return named(m, "wait until "+h.Name+" is idle", err)
	})
}

// upPoll is how often WaitUp looks; a health check interval is a second or more.
const upPoll = 200 * time.Millisecond

func (s *set) WaitUp(ctx context.Context, h *inventory.Host, max time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	return s.each(func(m member) error { return named(m, "wait for "+h.Name+" to be up", waitUp(ctx, m, h)) })
}

func waitUp(ctx context.Context, m member, h *inventory.Host) error {
	if _, blind := m.(blind); blind {
		return nil
	}
	var last State
	for {
		states, err := m.state(ctx, []*inventory.Host{h})
		if err == nil {
			last = states[h.Name]
			if last.Status == Up {
				return nil
			}
		}
		if fleet.Pause(ctx, upPoll) != nil {
			if err != nil && last.Status == "" {
				return err
			}
			return fmt.Errorf("it is %s there (%s): %w", last.Status, last.CheckedBy, ctx.Err())
		}
	}
}

// blind is a member that cannot tell a host's state.
type blind interface{ blind() }

func (s *set) State(ctx context.Context) (map[string]State, error) {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	results := make([]map[string]State, len(s.members))
	index := map[member]int{}
	for i, m := range s.members {
		index[m] = i
	}
	err := s.each(func(m member) error {
		states, err := m.state(ctx, s.cluster.Hosts)
		results[index[m]] = states
		return named(m, "read the state", err)
	})
	all := make(map[string]State, len(s.cluster.Hosts))
	for _, h := range s.cluster.Hosts {
		var merged State
		for i, m := range s.members {
			st, ok := results[i][h.Name]
			if !ok {
				st = State{Status: Unknown, Sessions: -1, CheckedBy: m.name() + ": no answer"}
			}
			merged = merged.merge(m.name(), st)
		}
		all[h.Name] = merged
	}
	return all, err
}

func (s *set) Plan(ctx context.Context) ([]Change, error) {
	if !s.cluster.LoadBalancer.Manage {
		return nil, nil
	}
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	found := make(map[string]Change)
	var mu sync.Mutex
	err := s.each(func(m member) error {
		p, ok := m.(planner)
		if !ok {
			return fmt.Errorf("%s: load_balancer.manage works with type haproxy only", m.name())
		}
		c, err := p.plan(ctx)
		mu.Lock()
		defer mu.Unlock()
		found[m.name()] = c
		return named(m, "plan its configuration", err)
	})
	var changes []Change
	for _, m := range s.members {
		if c := found[m.name()]; c.Diff != "" {
			changes = append(changes, c)
		}
	}
	return changes, err
}

func (s *set) Apply(ctx context.Context, changes []Change) error {
	ctx, cancel := context.WithTimeout(ctx, 2*operationTimeout)
	defer cancel()
	// One balancer after the other: a mistake must not take all of them down.
	for _, c := range changes {
		for _, m := range s.members {
			p, ok := m.(planner)
			if !ok || m.name() != c.Balancer {
				continue
			}
			if err := p.apply(ctx, c); err != nil {
				return named(m, "change its configuration", err)
			}
		}
	}
	return nil
}

// named says which balancer an error comes from and what was being done.
func named(m member, doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %s: %w", m.name(), doing, err)
}

// oneLine puts what several balancers said one after another.
func oneLine(errs []error) string {
	out := make([]string, len(errs))
	for i, err := range errs {
		out[i] = err.Error()
	}
	return strings.Join(out, "; ")
}
