package tasks

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// live opens when every running host is a node of Live, as Redis says of those that this
// run has started ([presence]), and the metric of all others and where Redis does not tell.
func (r *rollout) live(host string) gate {
	var since time.Time
	return gate{name: gateLive, timeout: r.cluster.Rollout.GateTimeout, look: func(ctx context.Context) (bool, string, error) {
		if since.IsZero() {
			since = time.Now()
		}
		running := r.cohort(gateLive, host)
		look, verdict := liveLook{}, liveUnknown
		if r.meetsThere(host) {
			look = r.lookAtPresence(ctx, running)
			verdict = look.verdict()
		}
		ask := running
		if verdict == livePresent {
			ask = look.others(running)
		}
		c, err := r.countLive(ctx, ask, len(running))
		if err != nil {
			return false, "", err
		}
		saw := fmt.Sprintf("want %d: %s", len(running), strings.Join(append(look.says(), c.saw...), "; "))
		switch {
		case c.off:
			// Nobody counts, so Redis decides where it knows Live's nodes.
			return verdict != liveMissing, saw, nil
		case verdict == liveMissing:
			// A host may count the old process of another for a while, and Redis knows better.
			// What it denies for longer it may not know: behind a proxy, it can be several.
			return c.all && time.Since(since) > ghostTime, saw, nil
		}
		return c.all, saw, nil
	}}
}

// meetsThere tells whether the hosts that a gate counts meet on the Redis of the inventory:
// not those that still have an earlier one. Host "" stands for those as they shall be.
func (r *rollout) meetsThere(host string) bool {
	if host == "" || !slices.Contains(r.plan.Policy.Apart, gateLive) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.joined(host)
}

// liveCount is what hosts say of the number of Live's nodes.
type liveCount struct {
	all bool // each sees as many as run, or more
	off bool // one of them does not count
	saw []string
}

// countLive reads the metric of some hosts. Each should see at least want nodes. More is
// a ghost: the old process of a restarted host counts for up to 20 s.
func (r *rollout) countLive(ctx context.Context, hosts []fleet.Host, want int) (liveCount, error) {
	c := liveCount{all: true}
	for i, v := range r.readAll(ctx, hosts) {
		h := hosts[i]
		if err := lost(h, v.MetricsErr); err != nil {
			return c, err
		}
		switch {
		case errors.Is(v.MetricsErr, errMetricsOff):
			c.off, c.saw = true, []string{errMetricsOff.Error()}
			return c, nil
		case v.MetricsErr != nil:
			c.all, c.saw = false, append(c.saw, fmt.Sprintf("%s: %v", h.Name, v.MetricsErr))
		default:
			c.saw = append(c.saw, fmt.Sprintf("%s: %.0f nodes", h.Name, v.Metrics.LiveNodes.Value))
			c.all = c.all && int(v.Metrics.LiveNodes.Value) >= want
		}
	}
	return c, nil
}
