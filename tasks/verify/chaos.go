package verify

import (
	"context"
	"fmt"
	"net/http"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// chaosInterval is the time between two requests of the loop; each is on a
// connection of its own.
const chaosInterval = 20 * time.Millisecond

// chaosDown is how long a node stays down: some rounds of the balancer's checks.
const chaosDown = 5 * time.Second

// chaosStart bounds the start of a node after it was stopped.
const chaosStart = 2 * time.Minute

// chaos stops every node in turn and looks whether the users notice.
func (p *proof) chaos(ctx context.Context) {
	if !p.in.Options.Chaos {
		return
	}
	s := Step{Name: "chaos", Explanation: "the balancer answers every request while the node is stopped and started"}
	front, err := p.front()
	if err == nil {
		switch {
		case p.in.Stop == nil || p.in.Start == nil:
			err = &skip{"nobody said how to stop a node"}
		case len(p.nodes) < 2 || len(p.nodes) < len(p.in.Cluster.Hosts):
			err = &skip{"stopping a node while another is not healthy would take the cluster down"}
		}
	}
	if err != nil {
		p.record(s, "", err)
		return
	}
	for _, n := range p.nodes {
		s.From = n.name()
		if !p.step(ctx, s, func(ctx context.Context) (string, error) { return p.outage(ctx, n, front) }) {
			// The next outage would come on top of this one.
			return
		}
	}
}

// outage is the turn of one node. It is started again whatever happens.
func (p *proof) outage(ctx context.Context, n *node, f *front) (saw string, err error) {
	session := p.others(n)[0]
	// Rotated now if it is old, the session lasts through the outage.
	if err := session.call(ctx, http.MethodGet, "/api/user", nil, nil); err != nil {
		return "", err
	}
	l := startLoop(ctx, f, session)
	defer func() {
		l.cancel()
		l.wg.Wait()
		if err == nil {
			saw, err = l.judge(n)
		}
	}()
	if !l.warm(ctx) {
		return "", ctx.Err()
	}
	p.progress("chaos", "stopping %s", n.name())
	stopErr := p.in.Stop(ctx, n.host.Host)
	if stopErr == nil {
		_ = fleet.Pause(ctx, chaosDown)
	}
	p.progress("chaos", "starting %s", n.name())
	startCtx, cancel := context.WithTimeout(context.WithoutCancel(ctx), chaosStart)
	defer cancel()
	if err := p.in.Start(startCtx, n.host.Host); err != nil {
		return "", &failure{fmt.Sprintf("%s does not start again: %v", n.name(), err), p.command("start", "--limit "+n.name())}
	}
	if stopErr != nil {
		return "", fmt.Errorf("stop %s: %w", n.name(), stopErr)
	}
	return "", p.back(startCtx, n)
}

// back waits until a started node is healthy and in the balancer again.
func (p *proof) back(ctx context.Context, n *node) error {
	if err := until(ctx, chaosStart, 200*time.Millisecond, func(ctx context.Context) error {
		h, err := grafana.GetHealth(ctx, n.client, n.base)
		if err == nil && !h.OK() {
			err = fmt.Errorf("database %s", h.Database)
		}
		return err
	}); err != nil {
		return &failure{fmt.Sprintf("%s is not healthy after its start: %v", n.name(), err), p.command("logs", "--limit "+n.name())}
	}
	if p.in.Balancer == nil {
		return nil
	}
	return p.in.Balancer.WaitUp(ctx, n.host.Host, time.Minute)
}

// loop asks the balancer without a pause.
type loop struct {
	wg     guard.Group
	cancel context.CancelFunc

	mu     sync.Mutex
	sent   int
	failed []string
}

func startLoop(ctx context.Context, f *front, session *node) *loop {
	l := &loop{}
	stop, cancel := context.WithCancel(ctx)
	l.cancel = cancel
	l.wg.Go(func() {
		for fleet.Pause(stop, chaosInterval) == nil {
			l.wg.Go(func() { l.ask(ctx, f, session) })
		}
	})
	return l
}

func (l *loop) ask(ctx context.Context, f *front, session *node) {
	said := ""
	req, err := request(ctx, http.MethodGet, f.url+"/api/user", session.session(), nil)
	if err == nil {
		var resp *http.Response
		if resp, _, err = do(f.client, req); err == nil && resp.StatusCode != http.StatusOK {
			said = resp.Status
		}
	}
	if err != nil {
		said = err.Error()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sent++
	if said != "" {
		l.failed = append(l.failed, said)
	}
}

// warm waits for the first answers; false when ctx ended.
func (l *loop) warm(ctx context.Context) bool {
	for {
		l.mu.Lock()
		sent := l.sent
		l.mu.Unlock()
		if sent >= 10 {
			return true
		}
		if fleet.Pause(ctx, chaosInterval) != nil {
			return false
		}
	}
}

func (l *loop) judge(n *node) (string, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.failed) > 0 {
		return "",
			&failure{fmt.Sprintf("%d of %d requests failed while %s was down, the first with: %s", len(l.failed), l.sent, n.name(), l.failed[0]),
				"let the balancer check health and retry on another server: load_balancer.manage: true does"}
	}
	return fmt.Sprintf("%d requests", l.sent), nil
}
