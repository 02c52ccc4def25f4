package alerting

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"sync"
	"time"

	"github.com/prometheus/alertmanager/types"
	"github.com/prometheus/common/model"

	"github.com/ghadeploy/ghadeploy/internal/standin/store"
)

const (
	// baseInterval is Grafana's scheduler tick.
	baseInterval = 10 * time.Second
	// resendDelay is how often a firing alert is put to the Alertmanager again.
	resendDelay = 30 * time.Second
)

// The states of a rule.
const (
	normal   = "Normal"
	pending  = "Pending"
	alerting = "Alerting"
	failing  = "Error"
)

// state is what a node knows of one rule.
type state struct {
	State string
	Since time.Time
	sent  time.Time
}

// scheduler evaluates all rules, whatever the other nodes do.
type scheduler struct {
	s   *Service
	log *slog.Logger

	mu     sync.Mutex
	states map[string]state
}

func newScheduler(s *Service) *scheduler {
	return &scheduler{s: s, log: s.Log("ngalert.scheduler"), states: map[string]state{}}
}

func (c *scheduler) run(ctx context.Context) {
	c.warm(ctx)
	c.log.Info("Starting scheduler", "tickInterval", baseInterval)
	for {
		next := time.Now().Truncate(baseInterval).Add(baseInterval)
		select {
		case <-ctx.Done():
			return
		case <-time.After(time.Until(next)):
			c.tick(ctx, next)
		}
	}
}

// warm takes over the states of before the restart.
func (c *scheduler) warm(ctx context.Context) {
	list, err := c.s.Store.Instances(ctx)
	if err != nil {
		c.log.Error("Unable to fetch previous state", "error", err)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, i := range list {
		c.states[i.RuleUID] = state{State: i.State, Since: i.Since}
	}
}

func (c *scheduler) tick(ctx context.Context, at time.Time) {
	rules, err := c.s.Store.Rules(ctx)
	if err != nil {
		c.log.Error("Failed to update alert rules", "error", err)
		return
	}
	seen := map[string]bool{}
	for _, r := range rules {
		seen[r.UID] = true
		if !r.IsPaused && at.Unix()%max(int64(r.Interval.Seconds()), 1) == 0 {
			c.evaluate(ctx, r, at)
		}
	}
	c.forget(ctx, seen, at)
}

// forget resolves the alerts of rules that are gone.
func (c *scheduler) forget(ctx context.Context, seen map[string]bool, at time.Time) {
	for uid, st := range c.snapshot() {
		if seen[uid] {
			continue
		}
		c.mu.Lock()
		delete(c.states, uid)
		c.mu.Unlock()
		if st.State == alerting || st.State == failing {
			c.expire(ctx, uid, at)
		}
	}
}

func (c *scheduler) expire(ctx context.Context, uid string, at time.Time) {
	it := c.s.alerts.GetPending()
	defer it.Close()
	for a := range it.Next() {
		if string(a.Labels["__alert_rule_uid__"]) == uid && a.EndsAt.After(at) {
			resolved := *a
			resolved.EndsAt, resolved.UpdatedAt = at, at
			c.put(ctx, &resolved)
		}
	}
}

func (c *scheduler) snapshot() map[string]state {
	c.mu.Lock()
	defer c.mu.Unlock()
	return maps.Clone(c.states)
}

func (c *scheduler) evaluate(ctx context.Context, r store.Rule, at time.Time) {
	c.s.metrics.evaluations.WithLabelValues("1").Inc()
	firing, _, err := evaluate(ctx, c.s.Store, r)
	if err != nil {
		c.s.metrics.failures.WithLabelValues("1").Inc()
		c.log.Warn("Failed to evaluate rule", "rule_uid", r.UID, "error", err)
	}
	before := c.snapshot()[r.UID]
	now := next(before, r, firing, err != nil, at)
	if now.State != before.State {
		c.log.Debug("Setting next state", "rule_uid", r.UID, "from", before.State, "to", now.State)
	}
	resolved := now.State == normal && (before.State == alerting || before.State == failing)
	due := (now.State == alerting || now.State == failing) && at.Sub(now.sent) >= resendDelay
	if resolved || due {
		ends := at
		if due {
			ends = at.Add(4 * max(resendDelay, r.Interval))
			now.sent = at
		}
		a := c.alert(ctx, r, now, ends, at)
		if resolved {
			a.StartsAt = before.Since
		}
		c.put(ctx, a)
	}
	c.mu.Lock()
	c.states[r.UID] = now
	c.mu.Unlock()
	if err := c.s.Store.SaveInstance(ctx, store.Instance{RuleUID: r.UID, State: now.State, Since: now.Since}); err != nil && ctx.Err() == nil {
		c.log.Error("Failed to save alert state", "rule_uid", r.UID, "error", err)
	}
}

// next is the state after an evaluation.
func next(before state, r store.Rule, firing, failed bool, at time.Time) state {
	to := normal
	switch {
	case failed && r.ExecErrState == "OK":
	case failed && r.ExecErrState == "Error":
		to = failing
	case firing || failed:
		to = alerting
		held := before.State == alerting || before.State == pending && at.Sub(before.Since) >= time.Duration(r.For)
		if r.For > 0 && !held {
			to = pending
		}
	}
	if to == before.State {
		return before
	}
	return state{State: to, Since: at}
}

func (c *scheduler) alert(ctx context.Context, r store.Rule, st state, ends, at time.Time) *types.Alert {
	labels := model.LabelSet{"alertname": model.LabelValue(r.Title), "__alert_rule_uid__": model.LabelValue(r.UID), "__alert_rule_namespace_uid__": model.LabelValue(r.FolderUID)}
	if folder, err := c.s.Store.Dashboard(ctx, r.FolderUID, true); err == nil {
		labels["grafana_folder"] = model.LabelValue(folder.Title)
	} else if !errors.Is(err, store.ErrNotFound) {
		c.log.Warn("Failed to look up folder", "rule_uid", r.UID, "error", err)
	}
	for k, v := range r.Labels {
		labels[model.LabelName(k)] = model.LabelValue(v)
	}
	if st.State == failing {
		labels["rulename"], labels["alertname"] = labels["alertname"], "DatasourceError"
	}
	annotations := model.LabelSet{}
	for k, v := range r.Annotations {
		annotations[model.LabelName(k)] = model.LabelValue(v)
	}
	return &types.Alert{
		Alert:     model.Alert{Labels: labels, Annotations: annotations, StartsAt: st.Since, EndsAt: ends, GeneratorURL: c.s.RootURL + "alerting/grafana/" + r.UID + "/view"},
		UpdatedAt: at,
	}
}

func (c *scheduler) put(ctx context.Context, a *types.Alert) {
	if err := c.s.alerts.Put(a); err != nil && ctx.Err() == nil {
		c.log.Error("Failed to put alert", "error", err)
	}
}
