package main

import (
	"context"
	"errors"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/dbcopy"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/event"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
	"github.com/ghadeploy/ghadeploy/tasks/verify"
)

// fakeRunner is a cluster without hosts: what the front door makes of the
// answers is tested, not the answers.
type fakeRunner struct {
	cluster *inventory.Cluster
	options tasks.Options
	// fail is what every method returns, besides what it found so far.
	fail error
	// unhealthy makes status and verify say so.
	unhealthy bool
	// waits blocks a change until the run is interrupted.
	waits bool
}

var then = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// errPanics as the fake's failure makes Unlock panic.
var errPanics = errors.New("panics")

// failures by name, for scripts.
func failureNamed(name string) error {
	return map[string]error{
		"gate":        &tasks.GateError{Host: "h2", Gate: "members", Saw: "2 of 3", After: time.Minute, State: "rolled back", Next: "ghadeploy status INVENTORY"},
		"unreachable": &remote.UnreachableError{Host: "h3", Cause: errors.New("i/o timeout")},
		"locked":      &lock.HeldError{Host: "h1", Holder: lock.Holder{User: "ops", From: "laptop", PID: 7, Since: then, Command: "apply"}},
		"check":       &tasks.CheckError{Failed: []string{"h1: clock: 120 s off"}},
		"usage":       &tasks.UsageError{Message: "10.3.1 is newer; use --allow-downgrade"},
		"other":       &fleet.HostError{Host: "h1", Step: "unpack", Cause: errors.New("disk full")},
		"cancelled":   context.Canceled,
		"both":        errors.Join(&tasks.GateError{Host: "h2", Gate: "health"}, &remote.UnreachableError{Host: "h3", Cause: errors.New("gone")}),
	}[name]
}

func (f *fakeRunner) plan() *tasks.Plan {
	p := &tasks.Plan{Schema: 1, Cluster: f.cluster.Name, Command: f.options.Command, Hash: "cafe", Policy: tasks.Policy{Kind: tasks.PolicyRolling, MaxUnavailable: 1}}
	for _, h := range f.cluster.Hosts {
		hp := tasks.HostPlan{Host: h.Name, To: tasks.Deployed{Version: f.cluster.Grafana.Version, Generation: "3f2a91c0b7d2"}, Restart: true}
		hp.Actions = []tasks.Action{{Kind: tasks.ActionTurn, Host: h.Name, Summary: "restart Grafana", Disrupts: true}}
		p.Hosts = append(p.Hosts, hp)
	}
	return p
}

func (f *fakeRunner) change(ctx context.Context) (*tasks.Result, error) {
	p := f.plan()
	if saved := f.options.Saved; saved != nil && saved.Hash != p.Hash {
		return nil, &tasks.MovedError{Want: saved.Hash, Have: p.Hash}
	}
	if yes, err := f.options.Confirm(ctx, p); err != nil || !yes {
		return &tasks.Result{Plan: p}, err
	}
	f.options.Sink.Emit(event.Event{Kind: event.StepStarted, Host: "h1", Step: "stop"})
	if f.waits {
		select {
		case <-f.options.Interrupt:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	f.options.Sink.Emit(event.Event{Kind: event.StepDone, Host: "h1", Step: "stop", Seconds: 0.5})
	r := &tasks.Result{Run: "20261124-1", Plan: p, Changed: true, Hosts: map[string]tasks.HostOutcome{}}
	for _, h := range f.cluster.Hosts {
		r.Hosts[h.Name] = tasks.HostOutcome{Outcome: "done", Runs: "10.3.1"}
	}
	return r, f.fail
}

func (f *fakeRunner) Close() error                                   { return nil }
func (f *fakeRunner) Plan(context.Context) (*tasks.Plan, error)      { return f.plan(), f.fail }
func (f *fakeRunner) Apply(c context.Context) (*tasks.Result, error) { return f.change(c) }
func (f *fakeRunner) PlanUpgrade(_ context.Context, version string) (*tasks.Plan, error) {
	p := f.plan()
	for i := range p.Hosts {
		p.Hosts[i].To.Version = version
	}
	return p, f.fail
}
func (f *fakeRunner) Upgrade(c context.Context, _ string) (*tasks.Result, error) { return f.change(c) }
func (f *fakeRunner) Restart(c context.Context) (*tasks.Result, error)           { return f.change(c) }
func (f *fakeRunner) Rollback(c context.Context, _, _ string) (*tasks.Result, error) {
	return f.change(c)
}
func (f *fakeRunner) Stop(c context.Context) (*tasks.Result, error)           { return f.change(c) }
func (f *fakeRunner) Start(c context.Context) (*tasks.Result, error)          { return f.change(c) }
func (f *fakeRunner) Remove(c context.Context, _ bool) (*tasks.Result, error) { return f.change(c) }
func (f *fakeRunner) Drain(c context.Context) (*tasks.Result, error)          { return f.change(c) }
func (f *fakeRunner) Undrain(c context.Context) (*tasks.Result, error)        { return f.change(c) }

func (f *fakeRunner) Status(context.Context, func(tasks.HostStatus)) (*tasks.Status, error) {
	st := &tasks.Status{Schema: 1, Cluster: f.cluster.Name, Time: then, Healthy: !f.unhealthy, Verdict: "3 of 3 hosts healthy"}
	for _, h := range f.cluster.Hosts {
		st.Hosts = append(st.Hosts, tasks.HostStatus{Host: h.Name, Reachable: true, Healthy: true, State: tasks.StateHealthy, Serves: true, Service: "running", Since: then})
	}
	return st, f.fail
}

func (f *fakeRunner) Drift(context.Context) ([]tasks.Drift, error) {
	return []tasks.Drift{{Host: "h1", Path: "etc/grafana.ini", What: "changed"}}, f.fail
}

func (f *fakeRunner) Check(context.Context) ([]check.Finding, error) {
	return []check.Finding{{Check: "clock", Severity: check.Warning, Host: "h1", What: "4 s off", Fix: "start chrony"}}, f.fail
}

func (f *fakeRunner) Verify(context.Context, verify.Options) (*verify.Report, error) {
	return &verify.Report{Cluster: f.cluster.Name, Started: then, OK: !f.unhealthy, Steps: []verify.Step{{Name: "session", From: "h1", To: "h2", OK: !f.unhealthy}}}, f.fail
}

func (f *fakeRunner) Logs(_ context.Context, _ tasks.LogOptions, each func(tasks.LogLine)) error {
	each(tasks.LogLine{Host: "h1", Time: then, Level: "info", Text: "hello"})
	each(tasks.LogLine{Host: "h2", Time: then, Level: "error", Text: "\x1b[31mred"})
	return f.fail
}

func (f *fakeRunner) Exec(_ context.Context, command []string, _ bool) ([]tasks.ExecResult, error) {
	var out []tasks.ExecResult
	for _, h := range f.cluster.Hosts {
		out = append(out, tasks.ExecResult{Host: h.Name, Stdout: command[0] + "\n"})
	}
	return out, f.fail
}

func (f *fakeRunner) History(context.Context, bool) ([]journal.Run, error) {
	return []journal.Run{{ID: "20261124-1", Cluster: f.cluster.Name, Command: "apply", User: "ops", Start: then, End: then.Add(time.Minute), Outcome: "done"}}, f.fail
}

func (f *fakeRunner) Releases(context.Context) ([]tasks.HostReleases, error) {
	return []tasks.HostReleases{{Host: "h1", Generations: []tasks.GenerationInfo{{ID: "3f2a91c0b7d2", Version: "10.3.1", Created: then, Running: true}}}, {Host: "h2"}}, f.fail
}

func (f *fakeRunner) Rehearse(_ context.Context, version string) (*tasks.Rehearsal, error) {
	return &tasks.Rehearsal{
		Run: "20261124-1", Cluster: f.cluster.Name, From: "10.3.1", To: version, Time: then, Host: "h1", Copy: "grafana_ghadeploy_rehearsal", OK: f.fail == nil,
		Migrations: 172, MigrationSeconds: 8.4, StartSeconds: 12.5, Outages: []tasks.PolicyOutage{{Policy: tasks.PolicyOneFirst, Planned: true, Seconds: 12.5, Text: "about 12.5s"}},
	}, f.fail
}

func (f *fakeRunner) Lock(context.Context, string) error { return f.fail }
func (f *fakeRunner) Unlock(context.Context, bool) error {
	if errors.Is(f.fail, errPanics) {
		panic("on purpose")
	}
	return f.fail
}
func (f *fakeRunner) Holders(context.Context) ([]lock.Status, error) {
	return []lock.Status{{Host: "h1", Frozen: &lock.Holder{User: "ops", From: "laptop", PID: 7, Since: then, Message: "maintenance"}}, {Host: "h2"}}, f.fail
}

func (f *fakeRunner) Backup(context.Context) (database.Backup, error) {
	return database.Backup{Host: "h1", Path: "/var/lib/ghadeploy/backups/a.dump", Time: then, Size: 4711}, f.fail
}

func (f *fakeRunner) Backups(context.Context) ([]database.Backup, error) { return nil, f.fail }
func (f *fakeRunner) Restore(context.Context, string) error              { return f.fail }
func (f *fakeRunner) RestoreOnly(context.Context, string) error          { return f.fail }
func (f *fakeRunner) CopyDatabase(ctx context.Context, o tasks.CopyOptions) (*dbcopy.Report, error) {
	if o.Confirm != nil {
		if yes, err := o.Confirm(ctx, &dbcopy.Plan{Source: o.File, Target: "database grafana", Tables: 2, Rows: 12}); err != nil || !yes {
			return nil, err
		}
	}
	return &dbcopy.Report{
		Source: "sqlite file " + o.File, Target: "database grafana", Rows: 12, Refused: 1, Equal: true, Committed: true, CopySeconds: 1, Seconds: 2,
		Tables:  []dbcopy.TableResult{{Table: "dashboard", Rows: 12, Target: 12, Checksum: "00ff00ff00ff00ff00ff00ff00ff00ff", TargetChecksum: "00ff00ff00ff00ff00ff00ff00ff00ff", Equal: true}},
		Notes:   []dbcopy.Note{{Table: "dashboard", Column: "title", What: "changed", Rows: 1, Keys: []string{"id=1"}}},
		Broken:  []dbcopy.Broken{{Table: "dashboard", Key: "id=7", Cause: "value too long"}},
		LeftOut: []dbcopy.LeftOut{{Table: "plugin_x", Rows: 3, Why: "the target has no such table"}},
	}, f.fail
}
func (f *fakeRunner) Logins(context.Context) (out []tasks.Login) {
	for _, h := range f.cluster.Hosts {
		out = append(out, tasks.Login{Host: h.Name, OK: true, Says: "ops, root through sudo, x86_64"})
	}
	return out
}
func (f *fakeRunner) Trust(context.Context) ([]tasks.HostKey, error) {
	return []tasks.HostKey{{Host: "h1", Type: "ssh-ed25519", Fingerprint: "SHA256:abc", Known: true}, {Host: "h2", Type: "ssh-ed25519", Fingerprint: "SHA256:def"}}, f.fail
}
func (f *fakeRunner) AcceptKeys(context.Context, []tasks.HostKey) error { return f.fail }
