package main

import (
	"context"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/internal/ui/report"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// changeFlags are the flags of commands that change hosts.
type changeFlags struct {
	path      string
	hosts     []string // named after the inventory
	lockWait  time.Duration
	skipCheck []string
	report    string
	saved     *tasks.Plan // of --plan
	metrics   string
	skipHooks bool

	allowDowngrade, noBackup, allowKnownBad bool
	allow                                   allowFlags
	pauseAfter                              int
}

func (f *changeFlags) addLockWait(cmd *cobra.Command) {
	cmd.Flags().DurationVar(&f.lockWait, "lock-wait", 0, "wait this long for somebody else's lock")
}

func (f *changeFlags) addSkipCheck(a *app, cmd *cobra.Command) {
	cmd.Flags().StringSliceVar(&f.skipCheck, "skip-check", nil, "preflight checks not to run, by name; all: none")
	a.complete(cmd, "skip-check", completeChecks)
}

func (f *changeFlags) addPause(cmd *cobra.Command) {
	cmd.Flags().IntVar(&f.pauseAfter, "pause-after", 0,
		"ask again after so many hosts, also with --yes; without a terminal the run ends there, with exit code 2")
}

// addKnownBad is the flag of every command that a known fault of a version refuses.
func addKnownBad(cmd *cobra.Command, allow *bool) {
	cmd.Flags().BoolVar(allow, "allow-known-bad", false, "go on with a version that is known to fail on this database or with these settings")
}

func (f *changeFlags) addReport(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.report, "report", "", "write an HTML report to this file")
}

// lastLine is what follows the events of a change in -o json.
type lastLine struct {
	Result *tasks.Result `json:"result,omitempty"`
	Error  *errorBody    `json:"error,omitempty"`
}

// change runs one command that changes hosts, with plan, question, progress,
// result and report.
func (a *app) change(ctx context.Context, command string, f changeFlags, do func(*session) (*tasks.Result, error)) error {
	lines := ui.NewNDJSON(a.streams.Out)
	var sinks []event.Sink
	if a.json() {
		sinks = append(sinks, lines.Event)
	}
	var record *report.Recorder
	if f.report != "" {
		record = report.NewRecorder()
		sinks = append(sinks, record.Event)
	}
	s, err := a.open(ctx, sessionOptions{command: command, path: f.path, graceful: true, sinks: sinks, quiet: a.json() && !a.streams.ErrTTY,
		adjust: f.adjust})
	if err != nil && a.json() {
		return a.finish(lines, nil, err) // a line too: who reads line by line does not know when it failed
	}
	if err != nil {
		return err
	}
	defer s.Close()
	start := a.now()
	s.options.Sink.Emit(event.Event{Kind: event.RunStarted, Message: s.cluster.Name + ": " + command})
	result, err := do(s)
	s.Close()
	if e := f.writeMetrics(s.cluster, command, start, a.now(), result, err); e != nil && err == nil {
		err = e
	}
	if f.report != "" {
		if e := a.writeReport(f.report, record, s.cluster, command, result, err); e != nil && err == nil {
			err = e
		}
	}
	return a.finish(lines, result, err)
}

// adjust gives the runner what the flags say.
func (f changeFlags) adjust(s *session) error {
	o := &s.options
	o.LockWait, o.SkipChecks, o.Saved = f.lockWait, f.skipCheck, f.saved
	o.AllowDowngrade, o.NoBackup, o.AllowKnownBad = f.allowDowngrade, f.noBackup, f.allowKnownBad
	o.SkipHooks, o.Allow = f.skipHooks, f.allow.kinds()
	o.Confirm, o.Pause = s.confirm, s.pause
	if f.pauseAfter < 0 {
		return usage("--pause-after takes a number of hosts, not %d", f.pauseAfter)
	}
	if f.pauseAfter > 0 {
		s.cluster.Rollout.PauseAfter, s.pauses = f.pauseAfter, true
	}
	if len(f.hosts) > 0 {
		hosts, err := hostsNamed(s.cluster, f.hosts)
		if err != nil {
			return err
		}
		o.Limit = hosts
	}
	return nil
}

func hostsNamed(c *inventory.Cluster, names []string) ([]*inventory.Host, error) {
	var out []*inventory.Host
	for _, name := range names {
		h := c.Host(name)
		if h == nil {
			return nil, usage("%s has no host %s", c.File, name)
		}
		out = append(out, h)
	}
	return out, nil
}

// finish shows how a change ended. A result is shown also when the run failed:
// it says in which state every host is.
func (a *app) finish(lines *ui.NDJSON, result *tasks.Result, err error) error {
	code := a.exitCode(err)
	named(result, a.inventoryName())
	if a.json() {
		last := lastLine{Result: result}
		if err != nil {
			body := a.errorBody(err, code)
			last.Error = &body
		}
		if e := lines.Last(filled(last)); e != nil {
			return fmt.Errorf("write the result: %w", e)
		}
		if err != nil {
			return shownError{err}
		}
		return nil
	}
	if result != nil {
		if e := ui.WriteResult(a.streams.Out, a.streams.OutStyle, a.streams.Columns(), result, err); e != nil {
			return fmt.Errorf("write the result: %w", e)
		}
	}
	return err
}
