package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/balancer"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// rollout carries the disruptive part of a plan out, batch by batch.
type rollout struct {
	cluster  *inventory.Cluster
	plan     *Plan
	desired  map[string]*desired.Host
	hosts    map[string]fleet.Host
	balancer balancer.Balancer // nil when the cluster has none
	sink     event.Sink
	lock     *lock.Lock
	run      string
	pause    func(ctx context.Context, message string) (bool, error)
	// interrupt, when closed, ends the rollout after the turn at hand.
	interrupt <-chan struct{}
	hooks     hooks
	// dump is what was taken before the first turn, as HOST:PATH; empty: none.
	dump string
	// absent is how many hosts could not be reached: their Grafana may be counted, or not.
	absent int
	// byHand are the hosts that an operator drained, and who that was: they stay drained.
	byHand map[string]string
	// migrations counts the rows of Grafana's migration log; nil: cannot be read.
	migrations func(ctx context.Context) (int, error)
	// before is their number before the first turn.
	before migrationCount
	// alerts reads what may not have been told yet; nil: cannot be read.
	alerts func(ctx context.Context) (database.Alerts, error)
	// waited is how long turns have waited for alerts to be told.
	waited time.Duration
	// migrated looks at the database when the first host has changed its version and
	// others have yet to follow; nil: it is not looked at.
	migrated func(ctx context.Context) error

	// shared answered before the first turn; see noteShared.
	shared []dependency

	// starts keeps hosts from starting at the same moment.
	starts starts

	// presence is what Redis says of the nodes of Live.
	presence presence

	// facts are what was found on the hosts before the first turn.
	facts map[string]*Facts

	mu       sync.Mutex
	runs     map[string]string // generation of what this rollout has started, by host
	up       map[string]bool   // hosts whose Grafana is meant to run right now
	deployed map[string]bool   // hosts with a generation that this rollout did not stop
	flipped  map[string]bool   // hosts given to (true) or taken back from what the plan wants
	begun    map[string]bool   // hosts whose flip was sent
	// firstDone is when the turns of the first batch had ended.
	firstDone time.Time
	parked    []string // hosts that are stopped while the first migrates
	probes    map[string]*Probe
	outcomes  map[string]HostOutcome
	notes     map[string]string // what else the result shall say of a host
	// handedOver: the hosts with the new version serve, and the others no longer do.
	handedOver bool
}

// probe is the host's, made once, so that its HTTP connections are reused.
func (r *rollout) probe(h fleet.Host) *Probe {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.probes[h.Name] == nil {
		r.probes[h.Name] = newProbe(r.cluster.Paths, h, r.listensNow(h.Host))
	}
	return r.probes[h.Name]
}

// running are the hosts that should be members now, in inventory order.
func (r *rollout) running() (out []fleet.Host) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.cluster.Hosts {
		if r.up[h.Name] {
			out = append(out, r.hosts[h.Name])
		}
	}
	return out
}

// anyUp tells whether one of these hosts' Grafana is meant to run.
func (r *rollout) anyUp(hosts []string) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.ContainsFunc(hosts, func(h string) bool { return r.up[h] })
}

func (r *rollout) setUp(host string, up bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.up[host] = up
}

func (r *rollout) setBegun(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.begun == nil {
		r.begun = map[string]bool{}
	}
	r.begun[host] = true
}

// stopped takes a host out of those that must be healthy: this run stopped it.
func (r *rollout) stopped(host string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.deployed, host)
}

func (r *rollout) outcome(host string, o HostOutcome) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := r.notes[host]; n != "" {
		o.Detail = also(o.Detail, n)
	}
	r.outcomes[host] = o
}

func (r *rollout) outcomeOf(host string) HostOutcome {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.outcomes[host]
}

// roll runs all batches. Whatever ends it, every error is kept, and every host that
// was reached has an outcome.
func (r *rollout) roll(ctx context.Context) error {
	p := r.plan.Policy
	r.before = r.countMigrations(ctx)
	if p.Kind == PolicyOneFirst {
		if err := r.stopOthers(ctx); err != nil {
			return r.bringBack(ctx, err)
		}
	}
	var failed []error // of hosts that on_failure: continue goes on after
	for i := range p.Batches {
		over, err := r.next(ctx, i)
		if err != nil {
			failed = append(failed, err)
		}
		if over {
			break
		}
	}
	err := fleet.Join(failed...)
	r.halfWay(err)
	return err
}

// next is a batch and what comes after it. over ends the rollout.
func (r *rollout) next(ctx context.Context, i int) (over bool, err error) {
	p := r.plan.Policy
	first := i == 0 && p.Kind == PolicyOneFirst
	last := i == len(p.Batches)-1
	if err := r.waitForResolved(ctx, i); err != nil {
		return true, err
	}
	if err := r.mayBegin(ctx, i); err != nil {
		if first {
			err = r.bringBack(ctx, err)
		}
		return true, err
	}
	done := len(slices.Concat(p.Batches[:i]...))
	if over, err = r.turns(ctx, i, done); over {
		return true, err
	}
	if err != nil {
		if first {
			return true, r.firstFailed(ctx, p.Batches[0][0], err)
		}
		if p.OnFailure != "continue" || i == 0 && p.Migrates || isOutage(err) {
			return true, err
		}
	}
	if last {
		return true, err
	}
	if e := r.between(ctx, i, done); e != nil {
		return true, fleet.Join(err, e)
	}
	return false, err
}

// turns are those of batch i, and before them, where it is time for it, the handover.
// over: that did not come about.
func (r *rollout) turns(ctx context.Context, i, done int) (over bool, err error) {
	hosts := r.plan.Policy.Batches[i]
	if r.takesOver(i) {
		if hosts, over, err = r.handOver(ctx, hosts); over {
			return true, err
		}
	}
	err = fleet.Join(err, r.batch(ctx, hosts, i, done))
	if i == 0 {
		r.firstDone = time.Now()
	}
	return false, err
}

// mayBegin refuses a batch that must not begin: the operator wants to stop, another
// host is unhealthy, or the lock was taken away. Where old and new must not serve side
// by side, the turn at hand ends when all hosts serve again.
func (r *rollout) mayBegin(ctx context.Context, i int) error {
	kind := r.plan.Policy.Kind
	if r.interrupted() && (i == 0 || kind != PolicyOneFirst && kind != PolicyHandover) {
		return interruptedError{next: r.resumeCommand()}
	}
	if err := r.othersHealthy(ctx, r.plan.Policy.Batches[i]); err != nil {
		return err
	}
	return r.lock.Renew(ctx, slices.Collect(maps.Values(r.hosts))...)
}

func (r *rollout) interrupted() bool {
	select {
	case <-r.interrupt:
		return true
	default:
		return false
	}
}

// batch gives all hosts of a batch their turns at the same time. Each finishes
// or undoes its own; nobody's failure cuts another's turn.
func (r *rollout) batch(ctx context.Context, batch []string, n, done int) error {
	total := len(slices.Concat(r.plan.Policy.Batches...))
	errs := make([]error, len(batch))
	var wg guard.Group
	for i, name := range batch {
		wg.Go(func() {
			t := r.turnOf(r.hosts[name])
			t.batch = n
			r.sink.Emit(event.Event{Kind: event.TurnStarted, Run: r.run, Host: name, Done: int64(done + i + 1), Total: int64(total),
				Message: t.plan.turnReason()})
			start := time.Now()
			errs[i] = guard.Do(func() error { return t.take(ctx) })
			kind, msg := event.TurnDone, ""
			if errs[i] != nil {
				kind, msg = event.TurnFailed, errs[i].Error()
			}
			r.sink.Emit(event.Event{Kind: kind, Run: r.run, Host: name, Error: msg, Seconds: time.Since(start).Seconds(), Done: int64(done + i + 1),
				Total: int64(total)})
		})
	}
	wg.Wait()
	return fleet.Join(errs...)
}

// others are the hosts besides a batch that must be healthy before its turn; without
// a batch, those that run.
func (r *rollout) others(batch []string) (out []fleet.Host) {
	if len(batch) > 0 && !r.anyUp(batch) {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, h := range r.cluster.Hosts {
		serves := r.up[h.Name] || r.deployed[h.Name] && len(batch) > 0
		if serves && !slices.Contains(batch, h.Name) {
			out = append(out, r.hosts[h.Name])
		}
	}
	return out
}

// othersHealthy refuses a turn while another host is unhealthy: two hosts would be
// out of service. A host recovers within some seconds from what it sees of a
// neighbour's turn, so it is waited for as long as a gate is.
//
// Others are all hosts that were ever deployed to, running or not, but for those that
// this rollout has stopped itself. Starting a host that is down takes nobody out of
// service, so it waits for no one.
func (r *rollout) othersHealthy(ctx context.Context, batch []string) error {
	others := r.others(batch)
	if len(others) == 0 {
		return nil
	}
	sick := ""
	g := gate{name: "others", timeout: min(r.cluster.Rollout.GateTimeout, 30*time.Second),
		look: func(ctx context.Context) (bool, string, error) {
			for i, v := range r.readAll(ctx, others) {
				h := others[i]
				if err := lost(h, v.HealthErr); err != nil {
					return false, "", err
				}
				if v.HealthErr != nil {
					sick = h.Name
					return false, fmt.Sprintf("%s: %v", h.Name, v.HealthErr), nil
				}
				if !v.Health.OK() {
					sick = h.Name
					return false, fmt.Sprintf("%s: HTTP %d, database %s", h.Name, v.Health.Status, v.Health.Database), nil
				}
			}
			return true, "all other hosts are healthy", nil
		}}
	host := ""
	if len(batch) > 0 {
		host = batch[0]
	}
	err := g.wait(ctx, host, r.sink)
	var ge *GateError
	if errors.As(err, &ge) {
		ge.Host = sick
		ge.State = "no other host was touched"
		ge.Next = "bring it back, then: " + r.resumeCommand()
	}
	return err
}

// settled waits after a turn for as long as alerting needs until the next host may go.
func (r *rollout) settled(ctx context.Context, h fleet.Host) error {
	c := r.cluster
	if !c.Rollout.SettleAuto {
		return r.rest(ctx, h.Name, c.Rollout.Settle, "wait for "+c.Rollout.Settle.String())
	}
	if !clustered(c) {
		return nil
	}
	start := time.Now()
	r.sink.Emit(event.Event{Kind: event.StepStarted, Run: r.run, Host: h.Name, Step: gateSettle, Message: "wait until alerting has settled"})
	ctx, stop := r.untilInterrupt(ctx)
	defer stop()
	saw, err := waitForLog(ctx, h, c.Paths, settledLog, settleMax)
	if r.interrupted() {
		return nil // no turn follows
	}
	if err != nil {
		return err
	}
	if strings.Contains(saw, "ossip settled") {
		saw = "gossip has settled"
	}
	r.sink.Emit(event.Event{Kind: event.StepDone, Run: r.run, Host: h.Name, Step: gateSettle, Message: saw,
		Seconds: time.Since(start).Seconds()})
	return nil
}

// clustered: the hosts' Alertmanagers agree on who notifies.
func clustered(c *inventory.Cluster) bool {
	ha := c.Alerting.HA
	return len(c.Hosts) > 1 && (ha == string(grafana.Gossip) || ha == string(grafana.OnRedis))
}

// settledLog is what Grafana logs when its Alertmanager begins to notify, which it
// does not before: it has the others' notification log then. Gossip says it in lower
// case, Redis with a capital letter
// (10.3.1: pkg/services/ngalert/notifier/redis_peer.go, Settle).
const settledLog = "[Gg]ossip settled; proceeding|[Gg]ossip not settled but continuing anyway"

// rest is a settle of a known length, after a host's turn or, without a host, of the
// cluster. It ends at once when the operator asks to stop, since no turn follows.
func (r *rollout) rest(ctx context.Context, host string, d time.Duration, message string) error {
	r.sink.Emit(event.Event{Kind: event.StepStarted, Run: r.run, Host: host, Step: gateSettle, Message: message})
	start := time.Now()
	wait, stop := r.untilInterrupt(ctx)
	defer stop()
	if err := fleet.Pause(wait, d); err != nil && !r.interrupted() {
		return err
	}
	r.sink.Emit(event.Event{Kind: event.StepDone, Run: r.run, Host: host, Step: gateSettle, Seconds: time.Since(start).Seconds()})
	return nil
}

// untilInterrupt is ctx that ends as well when the operator asks to stop.
func (r *rollout) untilInterrupt(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	guard.Go(func() {
		select {
		case <-r.interrupt:
			cancel()
		case <-ctx.Done():
		}
	})
	return ctx, cancel
}

// waitForLog waits for a line of the running process, at most until it is max old.
func waitForLog(ctx context.Context, h fleet.Host, p inventory.Paths, pattern string, limit time.Duration) (string, error) {
	file, hidden := infoLines(h.Host, p)
	source, where := file, cmp.Or(file, "the journal")
	if hidden != "" {
		source = "-"
	}
	res, err := h.Run(ctx, remote.Command{
		Step: "follow the log", Script: logScript, Args: []string{p.Service, pattern, fmt.Sprint(int(limit.Seconds())), source, p.User},
		Become: true, Timeout: limit + 15*time.Second,
	})
	if err != nil {
		return "", err
	}
	if line := strings.TrimSpace(string(res.Stdout)); line != "" {
		return line, nil
	}
	if hidden != "" {
		return fmt.Sprintf("%s, which hides when alerting has settled; the process is %s old", hidden, limit), nil
	}
	return fmt.Sprintf("no such line in %s; the process is %s old", where, limit), nil
}
