package tasks

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// scripted is a cluster whose hosts a model answers for, with what runs on it told.
type scripted struct {
	*inventory.Cluster
	hosts *fleettest.Cluster

	mu     sync.Mutex
	events []event.Event
}

// newScripted has a load balancer of commands that always succeed.
func newScripted(t testing.TB, hosts ...string) *scripted {
	t.Helper()
	c := testCluster(hosts...)
	c.LoadBalancer = inventory.LoadBalancer{Type: "command", Drain: "true", Undrain: "true"}
	c.Grafana.Artifact = inventory.Artifact{Source: "https://mirror.example.com/grafana-{version}.tar.gz", SHA256: map[string]string{"": strings.Repeat("ab", 32)}, Delivery: "pull"}
	c.Rollout.GateTimeout, c.Rollout.StartTimeout = time.Minute, 5*time.Minute
	c.Alerting.GroupIntervalAuto = true
	c.Dir = "/"
	return &scripted{Cluster: c, hosts: fleettest.NewCluster(hosts...)}
}

// runner begins a command anew, with no events told yet.
func (s *scripted) runner(command string, o Options) *Runner {
	s.events = nil
	o.Command, o.SkipChecks, o.NoBackup, o.AllowKnownBad = command, []string{"all"}, true, true
	o.Sink = func(e event.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	o.Connect = func(_ context.Context, h *inventory.Host) (fleet.Conn, error) { return s.hosts.Host(h.Name), nil }
	return New(s.Cluster, o)
}

// told are the steps that events tell of a host, in order.
func (s *scripted) told(host string) (out []string) {
	for _, e := range s.events {
		if e.Kind == event.StepDone && e.Host == host && e.Step != "" && e.Step != "gate:others" {
			out = append(out, e.Step)
		}
	}
	return out
}

// turns are the hosts in the order in which their turns began.
func (s *scripted) turns() (out []string) {
	for _, e := range s.events {
		if e.Kind == event.TurnStarted {
			out = append(out, e.Host)
		}
	}
	return out
}

// planned are the steps that a plan announces for a host, in the words of events: stop,
// flip and start are one command, unless the host is stopped with others before its turn.
func planned(c *inventory.Cluster, p *Plan, host string) (out []string) {
	pol := p.Policy
	batch := slices.IndexFunc(pol.Batches, func(b []string) bool { return slices.Contains(b, host) })
	start := "flip"
	if p.Command == "start" {
		start = "start"
	}
	apart := pol.Kind == PolicyOneFirst && batch > 0 || pol.Kind == PolicyHandover && !slices.Contains(pol.TakesOver, host)
	for _, a := range p.Host(host).Actions {
		switch a.Kind {
		case ActionTurn:
			out = append(out, plannedTurn(a.Steps, start, apart)...)
			if pol.settlesAfter(batch) && clustered(c) {
				out = append(out, gateSettle)
			}
		case ActionUndrain:
			for _, g := range append(slices.Clone(pol.Gates), gateStability) {
				out = append(out, "gate:"+g)
			}
			out = append(out, stepUndrain, "gate:"+gateBalancer)
		case ActionStop:
			out = append(out, stepDrain, "stop")
		case ActionRemove:
			out = append(out, stepDrain, "stop", "remove")
		default:
			out = append(out, string(a.Kind))
		}
	}
	return out
}

func plannedTurn(steps []Step, start string, apart bool) (out []string) {
	for i, s := range steps {
		switch s.Kind {
		case StepStop:
			if apart {
				out = append(out, "stop")
			}
		case StepFlip:
		case StepStart:
			out = append(out, start)
		case StepGate:
			out = append(out, "gate:"+s.Detail)
		case StepTakeOver:
			out = append(out, stepSwitch)
		case StepStay, StepMove:
		default:
			out = append(out, string(steps[i].Kind))
		}
	}
	return out
}

// wantPlan compares what a run told with what its plan announced.
func (s *scripted) wantPlan(t testing.TB, res *Result, err error) {
	t.Helper()
	if err != nil {
		t.Fatalf("%v", err)
	}
	if diff := differs(s, res.Plan); diff != "" {
		t.Error(diff)
	}
}

// differs says how the events of a run differ from its plan; empty where they do not.
func differs(s *scripted, p *Plan) string {
	for _, hp := range p.Hosts {
		if diff := cmp.Diff(planned(s.Cluster, p, hp.Host), s.told(hp.Host)); diff != "" {
			return fmt.Sprintf("%s, %s: planned (-) and told (+) differ:\n%s", hp.Host, p.Policy.Kind, diff)
		}
	}
	if settles := slices.ContainsFunc(s.events, func(e event.Event) bool { return e.Kind == event.StepDone && e.Step == gateSettle }); settles == strings.HasPrefix(p.Policy.Settle, "none") && p.Policy.Settle != "" {
		return fmt.Sprintf("%s: the plan says of settling %q, and it was waited for: %v", p.Policy.Kind, p.Policy.Settle, settles)
	}
	want, got := slices.Concat(p.Policy.Batches...), s.turns()
	if p.Command == "stop" || p.Command == "start" {
		want = nil
	}
	for _, b := range p.Policy.Batches { // those of one batch go at once
		n := min(len(b), len(got))
		if !slices.Equal(slices.Sorted(slices.Values(b)), slices.Sorted(slices.Values(got[:n]))) {
			return fmt.Sprintf("turns went %v, planned %v", s.turns(), want)
		}
		got = got[n:]
	}
	return ""
}

// deployed has run a first deployment.
func (s *scripted) deployed(t testing.TB) {
	t.Helper()
	s.apply(t, func() {})
}

// apply changes the inventory and makes the cluster what it says.
func (s *scripted) apply(t testing.TB, change func()) {
	t.Helper()
	change()
	r := s.runner("apply", Options{})
	defer r.Close()
	if _, err := r.Apply(context.Background()); err != nil {
		t.Fatal(err)
	}
}

// For every policy and every command, the steps that the plan prints are those that events
// tell, in order; and what is planned after it is nothing.
func TestThePlanIsTheRun(t *testing.T) {
	type result func(ctx context.Context, r *Runner) (*Result, error)
	apply := func(ctx context.Context, r *Runner) (*Result, error) { return r.Apply(ctx) }
	upgrade := func(to string) result {
		return func(ctx context.Context, r *Runner) (*Result, error) { return r.Upgrade(ctx, to) }
	}
	for _, tt := range []struct {
		name, command string
		bare          bool
		hosts         int // 0: 3
		change        func(s *scripted)
		run           result
		policy        PolicyKind
		limit         []string
		keeps         bool // what apply would do next is something
	}{
		{name: "first deployment", command: "apply", bare: true, run: apply, policy: PolicyFirst},
		{name: "first deployment of one host", command: "apply", bare: true, hosts: 1, run: apply, policy: PolicyFirst},
		{name: "rolling", command: "apply", run: apply, policy: PolicyRolling, change: func(s *scripted) { s.Alerting.Label = "other" }},
		{name: "rolling, two at once", command: "apply", hosts: 5, run: apply, policy: PolicyRolling, change: func(s *scripted) {
			s.Alerting.Label, s.Rollout.Batch, s.Rollout.MaxUnavailable = "other", []string{"2"}, "2"
		}},
		{name: "rolling, a fixed settle", command: "apply", run: apply, policy: PolicyRolling, change: func(s *scripted) {
			s.Alerting.Label, s.Rollout.SettleAuto, s.Rollout.Settle = "other", false, 20*time.Second
		}},
		{name: "one host changed by hand", command: "apply", run: apply, policy: PolicyRolling, change: func(s *scripted) { s.hosts.Host("h2").Change("etc/grafana.ini") }},
		{name: "a host that is down", command: "apply", run: apply, policy: PolicyRolling, change: func(s *scripted) { s.hosts.Host("h2").Stop() }},
		{name: "a run that ended before the gates", command: "apply", run: apply, policy: PolicyNone, change: func(s *scripted) { s.hosts.Host("h3").Forget() }},
		{name: "upgrade, side by side", command: "upgrade --to 10.3.2", run: upgrade("10.3.2"), policy: PolicyRolling, change: func(s *scripted) {}, keeps: true},
		{name: "upgrade, one first", command: "upgrade --to 11.6.0", run: upgrade("11.6.0"), policy: PolicyOneFirst, change: func(s *scripted) { s.Rollout.Major = majorOneFirst }, keeps: true},
		{name: "upgrade, handover", command: "upgrade --to 11.6.0", run: upgrade("11.6.0"), policy: PolicyHandover, change: func(s *scripted) { s.Rollout.Major = majorHandover }, keeps: true},
		{name: "restart", command: "restart", policy: PolicyRolling, run: func(ctx context.Context, r *Runner) (*Result, error) { return r.Restart(ctx) }},
		{name: "rollback", command: "rollback", policy: PolicyRolling, keeps: true, run: func(ctx context.Context, r *Runner) (*Result, error) { return r.Rollback(ctx, "", "") },
			change: func(s *scripted) { s.apply(t, func() { s.Alerting.Label = "other" }) }},
		{name: "start", command: "start", policy: PolicyNone, run: func(ctx context.Context, r *Runner) (*Result, error) { return r.Start(ctx) },
			change: func(s *scripted) { s.hosts.Host("h2").Stop() }},
		{name: "a host that is drained by hand", command: "apply", policy: PolicyRolling, run: apply,
			change: func(s *scripted) {
				_, _ = s.hosts.Host("h2").Run(t.Context(), remote.Command{Step: "mark as drained", Args: []string{"", "drained", "ops, today"}})
				s.Alerting.Label = "other"
			}},
		{name: "remove", command: "remove", policy: PolicyRolling, limit: []string{"h3"}, keeps: true,
			run: func(ctx context.Context, r *Runner) (*Result, error) { return r.Remove(ctx, false) }},
		{name: "apply with --limit", command: "apply", policy: PolicyRolling, limit: []string{"h1"}, run: apply, keeps: true,
			change: func(s *scripted) { s.Alerting.Label = "other" }},
		{name: "stop", command: "stop", policy: PolicyNone, keeps: true, run: func(ctx context.Context, r *Runner) (*Result, error) { return r.Stop(ctx) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("XDG_STATE_HOME", t.TempDir())
			t.Setenv("XDG_CACHE_HOME", t.TempDir())
			synctest.Test(t, func(t *testing.T) {
				names := []string{"h1", "h2", "h3", "h4", "h5"}[:max(tt.hosts, 1)]
				if tt.hosts == 0 {
					names = []string{"h1", "h2", "h3"}
				}
				s := newScripted(t, names...)
				if !tt.bare {
					s.deployed(t)
				}
				if tt.change != nil {
					tt.change(s)
				}
				var limit []*inventory.Host
				for _, h := range tt.limit {
					limit = append(limit, s.Host(h))
				}
				r := s.runner(tt.command, Options{Limit: limit})
				res, err := tt.run(t.Context(), r)
				_ = r.Close()
				s.wantPlan(t, res, err)
				if res != nil && res.Plan.Policy.Kind != tt.policy {
					t.Errorf("the policy is %s, want %s", res.Plan.Policy.Kind, tt.policy)
				}
				if res != nil {
					mayWait := slices.Contains([]PolicyKind{PolicyRolling, PolicyHandover}, tt.policy) && !strings.HasPrefix(tt.command, "rollback") && tt.name != "a host that is down"
					if says := strings.Contains(res.Plan.Policy.Settle, "longer while an alert"); says != mayWait {
						t.Errorf("%s: of alerts that resolved the plan says %q", tt.policy, res.Plan.Policy.Settle)
					}
				}
				next := s.runner("apply", Options{AllowDowngrade: true})
				defer next.Close()
				p, err := next.Plan(t.Context())
				if err != nil || p.Empty() == tt.keeps {
					t.Errorf("after it, apply would do something: %v (%v)\n%+v", p != nil && !p.Empty(), err, p)
				}
			})
		})
	}
}
