package balancer

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// switcher is a member that puts hosts in and takes others out in one step.
type switcher interface {
	swap(ctx context.Context, in, out []*inventory.Host) error
}

// foreteller is a member that knows of a drained host whether it would get requests
// once it is put back.
type foreteller interface {
	fit(ctx context.Context, h *inventory.Host) (ok bool, saw string, err error)
}

// Switch implements [Balancer].
func (s *set) Switch(ctx context.Context, in, out []*inventory.Host) error {
	ctx, cancel := context.WithTimeout(ctx, operationTimeout)
	defer cancel()
	doing := fmt.Sprintf("put %s in and take %s out", hostNames(in), hostNames(out))
	return s.each(func(m member) error {
		if one, ok := m.(switcher); ok {
			return named(m, doing, one.swap(ctx, in, out))
		}
		return named(m, doing, swapInTurn(ctx, m, in, out))
	})
}

// swapInTurn is Switch for a balancer that takes one host at a time: in first, so that
// there is always one that gets requests, then all others out at once.
func swapInTurn(ctx context.Context, m member, in, out []*inventory.Host) error {
	if err := atOnce(in, func(h *inventory.Host) error { return m.undrain(ctx, h) }); err != nil {
		return err
	}
	return atOnce(out, func(h *inventory.Host) error { return m.drain(ctx, h) })
}

// atOnce does something to all hosts in parallel; the error is that of the first in
// their order that has one.
func atOnce(hosts []*inventory.Host, do func(*inventory.Host) error) error {
	errs := make([]error, len(hosts))
	var wg guard.Group
	for i, h := range hosts {
		wg.Go(func() { errs[i] = guard.Do(func() error { return do(h) }) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func hostNames(hosts []*inventory.Host) string {
	var out []string
	for _, h := range hosts {
		out = append(out, h.Name)
	}
	return strings.Join(out, ", ")
}

// WaitFit implements [Balancer].
func (s *set) WaitFit(ctx context.Context, h *inventory.Host, max time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, max)
	defer cancel()
	return s.each(func(m member) error {
		f, ok := m.(foreteller)
		if !ok {
			return nil
		}
		return named(m, "wait until it finds "+h.Name+" healthy", waitFit(ctx, f, h))
	})
}

func waitFit(ctx context.Context, f foreteller, h *inventory.Host) error {
	last := "not known"
	for {
		ok, saw, err := f.fit(ctx, h)
		if ok {
			return nil
		}
		if err == nil {
			last = saw
		}
		if fleet.Pause(ctx, upPoll) != nil {
			if err != nil && last == "not known" {
				return err
			}
			return fmt.Errorf("it is %s there: %w", last, ctx.Err())
		}
	}
}

// swap gives HAProxy all states in one line, which it carries out at once. Where clients
// stick to a server they would follow it into drain, so there the door is shut; unless
// that would cut requests in flight.
func (p *haproxy) swap(ctx context.Context, in, out []*inventory.Host) error {
	servers, err := p.servers(ctx)
	if err != nil {
		return err
	}
	leave := "drain"
	if t := p.sticky(ctx); t.persistent && !t.cuts {
		leave = "maint"
	}
	var commands []string
	for _, h := range in {
		s, ok := find(ctx, servers, h, p.at)
		if !ok {
			return p.stranger(servers, h)
		}
		commands = append(commands, fmt.Sprintf("set server %s/%s state ready", p.backend, s.name))
	}
	for _, h := range out {
		s, ok := find(ctx, servers, h, p.at)
		if !ok {
			return p.stranger(servers, h)
		}
		if s.admin&(adminMaint|adminDrain) == 0 {
			commands = append(commands, fmt.Sprintf("set server %s/%s state %s", p.backend, s.name, leave))
		}
	}
	answer, err := p.ask(ctx, strings.Join(commands, "; "))
	if err != nil {
		return err
	}
	if said := strings.TrimSpace(answer); said != "" { // silence is consent
		return fmt.Errorf("HAProxy answers %q", firstLine(said))
	}
	return nil
}

// fit: HAProxy checks a server in drain as any other. In maint it does not, and takes it
// for healthy when it comes back.
func (p *haproxy) fit(ctx context.Context, h *inventory.Host) (bool, string, error) {
	s, err := p.server(ctx, h)
	if err != nil {
		return false, "", err
	}
	return s.admin&adminMaint != 0 || s.opState == serverRuns, strings.TrimSpace(s.status + " " + s.check), nil
}

// swap is one change of the file and one reload.
func (n *nginx) swap(ctx context.Context, in, out []*inventory.Host) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	before, _, err := n.read(ctx)
	if err != nil {
		return err
	}
	after := before
	for i, h := range append(append([]*inventory.Host{}, in...), out...) {
		servers, err := upstreamServers(after, n.upstream)
		if err != nil {
			return err
		}
		s, ok := n.pick(ctx, servers, h)
		if !ok {
			return n.stranger(servers, h)
		}
		change := n.marked
		if i < len(in) {
			change = n.unmarked
		}
		if after, err = change(after, s); err != nil {
			return err
		}
	}
	return n.write(ctx, before, after)
}
