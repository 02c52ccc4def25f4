package check

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// Limit is when the last finding is there, whatever hangs. Where a host is busy, and tells one
// fact after the other, what is looked at after its facts has as long as one probe; so the
// end is after 17 seconds at most. Probe bounds one probe, so that a host whose probes hang still
// reports all of them.
const (
	Limit = 10 * time.Second
	Probe = 5 * time.Second
	// factsWithin bounds the silence of a host whose facts are read, on which most other
	// findings stand, and factsAtMost all of it: apply waits for a busy host about as long. A host
	// that means harm gets no more time by telling slowly.
	factsWithin = 8 * time.Second
	factsAtMost = 12 * time.Second
)

// Input is what the checks look at.
type Input struct {
	Cluster *inventory.Cluster
	// Hosts are those with a connection; a host that could not be reached is an
	// error of the run, not a finding.
	Hosts   []fleet.Host
	Version grafana.Version
	// Running is the lowest version that the hosts run; zero: none does.
	Running grafana.Version
	// AllowKnownBad makes a known fault of Version a warning.
	AllowKnownBad bool
	// Skip names checks not to run; "all" skips every one.
	Skip []string
	Sink event.Sink
	// Render makes a host's grafana.ini as it will be written; its error is a
	// finding (a key that the version does not know, a value that does not survive
	// the ini parser). Nil: that check is skipped.
	Render func(h *inventory.Host) (grafana.Rendered, error)
	// Unit is the text of the systemd unit that will be written; empty: not verified.
	Unit string
	// ReleaseSize is the unpacked size of the release in bytes; 0: 400 MiB is assumed.
	ReleaseSize int64
	// IPs are the resolved addresses of all hosts by name, as their peers will be told;
	// one that is missing here is reached by its address.
	IPs map[string]string
	// Dump: the run dumps the database before it changes anything.
	Dump bool
	// Seen says what a named check finds in what was read of a host for the plan.
	// host is empty for the cluster as a whole.
	Seen func(ctx context.Context, check, host string) []Finding
	// Front asks what users type, grafana.root_url, from the operator's machine; nil: it is
	// not asked.
	Front func(ctx context.Context, url string) error
	// Unsigned are the plugins whose archives hold no signature, though the inventory does not
	// say so.
	Unsigned []string
	// Balancer looks at the load balancers; nil: that check is skipped. Its
	// findings need no Check name.
	Balancer func(ctx context.Context) []Finding
}

// unit is one named check.
type unit struct {
	name string
	// about is half a line, for completion and documentation.
	about string
	// skip says why the check does not apply to this inventory; empty: it does.
	skip func(r *run) string
	run  func(ctx context.Context, r *run) []Finding
}

// run is one run's shared state.
type run struct {
	Input
	facts   map[string]hostFacts // by host name
	factErr map[string]error
	slowest time.Duration // what the host took whose facts came last; 0: none has told them
}

// registry are all checks, in the order in which findings are shown.
func registry() []unit {
	return slices.Concat(hostChecks(), sessionChecks(), seenChecks(), configChecks(), provisioningChecks(), databaseChecks(), knownBadChecks(), backupChecks(), redisChecks(), gossipChecks(), balancerChecks(), frontChecks())
}

// Names lists the checks, for --skip-check and its completion; each with half a
// line of what it looks at, after a tab.
func Names() []string {
	var names []string
	for _, u := range registry() {
		names = append(names, u.name+"\t"+u.about)
	}
	return names
}

// UnknownCheckError is a name in [Input].Skip that no check has.
type UnknownCheckError struct{ Name string }

// Error names it and says where the names are.
func (e *UnknownCheckError) Error() string {
	return fmt.Sprintf("there is no check %q; next: ghadeploy check --help", e.Name)
}

// Run runs every check that is not skipped and returns all findings within [Limit], or
// later where a host is busy; it changes nothing on any host. The error is a *[UnknownCheckError], or
// ctx's when it was cancelled; failed checks are findings, see [Failed].
func Run(ctx context.Context, in Input) ([]Finding, error) {
	checks := registry()
	for _, name := range in.Skip {
		if name != "all" && !slices.ContainsFunc(checks, func(u unit) bool { return u.name == name }) {
			return nil, &UnknownCheckError{Name: name}
		}
	}
	if slices.Contains(in.Skip, "all") {
		return nil, nil
	}
	parent, end := ctx, time.Now().Add(Limit)
	r := &run{Input: in}
	r.gatherFacts(ctx)
	if r.slowest > Limit-Probe {
		end = time.Now().Add(Probe)
	}
	ctx, cancel := context.WithDeadline(ctx, end)
	defer cancel()
	all := r.runAll(ctx, checks)
	if err := parent.Err(); err != nil {
		return all, err
	}
	sortFindings(all, checks, r.hostNames())
	return all, nil
}

func (r *run) runAll(ctx context.Context, checks []unit) []Finding {
	var (
		mu  sync.Mutex
		all []Finding
		wg  guard.Group
	)
	for _, u := range checks {
		wg.Go(func() {
			found := r.runOne(ctx, u)
			mu.Lock()
			defer mu.Unlock()
			for _, f := range found {
				f.Check = u.name
				all = append(all, f)
				r.Sink.Emit(event.Event{Kind: event.Finding, Host: f.Host, Step: f.Check, Message: f.String(), Value: f})
			}
		})
	}
	wg.Wait()
	return all
}

func (r *run) runOne(ctx context.Context, u unit) []Finding {
	if slices.Contains(r.Skip, u.name) {
		return []Finding{{Severity: Skipped, What: "skipped, as --skip-check asked"}}
	}
	if u.skip != nil {
		if why := u.skip(r); why != "" {
			return []Finding{{Severity: Skipped, What: why}}
		}
	}
	found, err := guarded(func() []Finding { return u.run(ctx, r) })
	if err != nil {
		return []Finding{fault(err)}
	}
	return found
}

// guarded runs a part of a check; the error is a panic in it.
func guarded(f func() []Finding) (found []Finding, err error) {
	return found, guard.Do(func() error { found = f(); return nil })
}

// fault is a check that failed by a fault of ours, or of a library, in looking.
func fault(err error) Finding {
	return fail(err.Error(), "what this check looks for may be there", "report it; --skip-check goes on without it")
}

// peerAddress is what the other hosts reach h at.
func (r *run) peerAddress(h fleet.Host) string { return cmp.Or(r.IPs[h.Name], h.Address) }

func (r *run) hostNames() []string {
	var names []string
	for _, h := range r.Hosts {
		names = append(names, h.Name)
	}
	return names
}

// eachHost runs f for all hosts at once, each with the deadline of one probe, and
// collects the findings with their host filled in.
func (r *run) eachHost(ctx context.Context, f func(ctx context.Context, h fleet.Host) []Finding) []Finding {
	found := make([][]Finding, len(r.Hosts))
	var wg guard.Group
	for i, h := range r.Hosts {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, Probe)
			defer cancel()
			all, err := guarded(func() []Finding { return f(ctx, h) })
			if err != nil {
				all = []Finding{fault(err)}
			}
			for _, x := range all {
				if x.Host == "" {
					x.Host = h.Name
				}
				found[i] = append(found[i], x)
			}
		})
	}
	wg.Wait()
	return slices.Concat(found...)
}

// eachFacts is eachHost for checks that only look at what was gathered before.
func (r *run) eachFacts(f func(h fleet.Host, facts hostFacts) []Finding) []Finding {
	var all []Finding
	for _, h := range r.Hosts {
		facts, ok := r.facts[h.Name]
		if !ok {
			continue // host-login has said why
		}
		for _, x := range f(h, facts) {
			x.Host = h.Name
			all = append(all, x)
		}
	}
	return all
}

// Shorthands for findings; host and check are filled in by the callers above.
func ok(format string, args ...any) []Finding {
	return []Finding{{Severity: OK, What: fmt.Sprintf(format, args...)}}
}

func fail(what, why, fix string) Finding {
	return Finding{Severity: Fail, What: what, Why: why, Fix: fix}
}

func warn(what, why, fix string) Finding {
	return Finding{Severity: Warning, What: what, Why: why, Fix: fix}
}

func skipped(what, why, fix string) Finding {
	return Finding{Severity: Skipped, What: what, Why: why, Fix: fix}
}
