package balancer

import (
	"context"
	"fmt"
	"sync"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// Mover is a [Balancer] whose managed configuration follows hosts that come to answer
// elsewhere, another port say, one by one as they do.
type Mover interface {
	// Keep has the configuration name where these hosts answer now, instead of where the
	// inventory has them answer, until Move. Call it before Plan.
	Keep(at map[string]grafana.Listen)
	// Move writes where a host answers from now on, and reloads, on each balancer in turn;
	// nothing where nothing is managed, or when that stands there.
	Move(ctx context.Context, h *inventory.Host, to grafana.Listen) error
}

// places is where the hosts answer, as far as that is not where they shall.
type places struct {
	mu sync.Mutex
	at map[string]grafana.Listen
}

// of is where a host answers; a nil receiver knows no exceptions.
func (p *places) of(h *inventory.Host) grafana.Listen {
	if p != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if l, ok := p.at[h.Name]; ok {
			return l
		}
	}
	return desired.Listens(h)
}

func (p *places) set(h *inventory.Host, to grafana.Listen) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at == nil {
		p.at = map[string]grafana.Listen{}
	}
	p.at[h.Name] = to
}

func (s *set) Keep(at map[string]grafana.Listen) {
	for _, h := range s.cluster.Hosts {
		if l, ok := at[h.Name]; ok {
			s.places.set(h, l)
		}
	}
}

func (s *set) Move(ctx context.Context, h *inventory.Host, to grafana.Listen) error {
	s.moving.Lock() // hosts of one batch share the file
	defer s.moving.Unlock()
	if s.places.of(h) == to {
		return nil
	}
	s.places.set(h, to)
	changes, err := s.Plan(ctx)
	if err == nil && len(changes) > 0 {
		err = s.Apply(ctx, changes)
	}
	if err != nil {
		return fmt.Errorf("tell that %s answers at %s: %w", h.Name, to.At(h.Address), err)
	}
	return nil
}
