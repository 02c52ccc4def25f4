package verify

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Options say how far to go.
type Options struct {
	// WithAlerts fires a temporary alert and counts its notifications. It takes a
	// minute and, on 3 hosts, changes the notification policy for as long.
	WithAlerts bool
	// Chaos stops every node in turn; needs Input.Stop and Input.Start.
	Chaos bool
}

// Input is what Run works on.
type Input struct {
	Cluster *inventory.Cluster
	// Hosts are the connected hosts. A host of the cluster that is missing here,
	// or has no connection, fails the proof.
	Hosts []fleet.Host
	// Balancer may be nil: its opinion is not asked then.
	Balancer balancer.Balancer
	Options  Options
	Sink     event.Sink
	// Stop and Start stop and start Grafana on one host, for Options.Chaos.
	Stop, Start func(ctx context.Context, host *inventory.Host) error
}

// Run proves what it can and reports every step. The error is for what kept it
// from trying: a cancelled context, no host at all. A failed proof is no error;
// see Report.OK.
func Run(ctx context.Context, in Input) (Report, error) {
	if in.Cluster == nil || len(in.Cluster.Hosts) == 0 {
		return Report{}, errors.New("verify: the inventory has no hosts")
	}
	p := &proof{in: in, nonce: rand.Text()[:10], report: Report{Cluster: in.Cluster.Name, Started: time.Now()}}
	in.Sink.Emit(event.Event{Kind: event.PhaseStarted, Step: "verify", Message: "proving high availability of " + in.Cluster.Name})
	err := p.run(ctx)
	p.report.Seconds = time.Since(p.report.Started).Seconds()
	p.report.OK = err == nil && len(p.report.Failed()) == 0
	done := event.Event{Kind: event.PhaseDone, Step: "verify", Seconds: p.report.Seconds, Value: p.report}
	if err != nil {
		done.Error = err.Error()
	}
	in.Sink.Emit(done)
	return p.report, err
}

// proof is one run.
type proof struct {
	in    Input
	nonce string
	// nodes are the hosts that answer and that we are logged in to.
	nodes []*node
	// test is the temporary alert, from the moment on at which something of it may be
	// in Grafana until it is removed.
	test *alertTest

	mu     sync.Mutex
	report Report
}

// run is the order of the proofs.
func (p *proof) run(ctx context.Context) error {
	for _, proofs := range []func(context.Context){
		p.answers, p.logins,
		p.versions, p.plugins, p.counts, p.alertBegins,
		p.sessions, p.sessionsThroughBalancer,
		p.members, p.liveNodes, p.balancerSees,
		p.live,
		p.silences, p.alert,
		p.chaos,
	} {
		if ctx.Err() != nil {
			break
		}
		if err := guard.Do(func() error { proofs(ctx); return nil }); err != nil {
			p.record(Step{Name: "verify", Explanation: "a proof went to its end"}, "", err)
		}
	}
	p.alertEnds(ctx)
	p.logout(ctx)
	return context.Cause(ctx)
}

// failure is a proof that failed, with its cause and what to do.
type failure struct{ cause, fix string }

func (f *failure) Error() string { return f.cause }

// skip is a proof that was not tried.
type skip struct{ why string }

func (s *skip) Error() string { return s.why }

// unproved is a proof that this version of Grafana offers no way to.
type unproved struct {
	version grafana.Version
	why     string
}

func (u *unproved) Error() string {
	return fmt.Sprintf("not proved on this version (%s), because %s", u.version, u.why)
}

// step runs one proof and records it. do returns what to add to the
// explanation, or a *failure, a *skip, an *unproved or any other error.
func (p *proof) step(ctx context.Context, s Step, do func(context.Context) (string, error)) bool {
	start := time.Now()
	p.in.Sink.Emit(event.Event{Kind: event.StepStarted, Host: s.From, Step: "verify:" + s.Name, Message: s.title() + ": " + s.Explanation})
	var saw string
	err := guard.Do(func() (err error) {
		saw, err = do(ctx)
		return err
	})
	s.Seconds = time.Since(start).Seconds()
	return p.record(s, saw, err)
}

// record adds a finished proof to the report.
func (p *proof) record(s Step, saw string, err error) bool {
	if saw != "" {
		s.Explanation += ": " + saw
	}
	ev := event.Event{Kind: event.StepDone, Host: s.From, Step: "verify:" + s.Name, Seconds: s.Seconds}
	if skipped, ok := errors.AsType[*skip](err); ok {
		s.Skipped, s.Cause = true, skipped.why
		ev.Message = s.title() + ": not tried: " + s.Cause
	} else if no, ok := errors.AsType[*unproved](err); ok {
		s.Skipped, s.NotProved, s.Cause = true, true, no.Error()
		ev.Message = s.title() + ": " + s.Cause
	} else if err != nil {
		s.Cause = err.Error()
		if f, ok := errors.AsType[*failure](err); ok {
			s.Fix = f.fix
		}
		ev.Kind, ev.Message, ev.Error = event.StepFailed, s.title()+": "+s.Explanation, s.Cause
	} else {
		s.OK = true
		ev.Message = s.title() + ": " + s.Explanation
	}
	ev.Value = s
	p.mu.Lock()
	p.report.Steps = append(p.report.Steps, s)
	p.mu.Unlock()
	p.in.Sink.Emit(ev)
	return s.OK
}

// progress says what a long proof waits for.
func (p *proof) progress(name, format string, args ...any) {
	p.in.Sink.Emit(event.Event{Kind: event.StepProgress, Step: "verify:" + name, Message: fmt.Sprintf(format, args...)})
}

// together does something for all nodes at once and gives the first error, in their order.
func (p *proof) together(do func(*node) error) error { return cmp.Or(p.onAll(do)...) }

// until repeats look until it returns nil, at most for limit; the last error
// otherwise.
func until(ctx context.Context, limit, interval time.Duration, look func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	var last error
	for {
		err := look(ctx)
		if err == nil {
			return nil
		}
		// The deadline that cuts a look short says less than what was seen before.
		if last == nil || ctx.Err() == nil {
			last = err
		}
		if fleet.Pause(ctx, interval) != nil {
			return last
		}
	}
}

// command is a ghadeploy command on this inventory, for fixes.
func (p *proof) command(verb, rest string) string {
	file := p.in.Cluster.File
	if file == "" {
		file = "INVENTORY"
	}
	s := "ghadeploy " + verb + " " + file
	if rest != "" {
		s += " " + rest
	}
	return s
}
