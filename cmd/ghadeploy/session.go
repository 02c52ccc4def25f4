package main

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/ui"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// defaultInventory is what is read when nobody names one.
const defaultInventory = "inventory.yaml"

// inventoryPath is the first of args, or the environment's, or the default.
func (a *app) inventoryPath(args []string) string {
	path := defaultInventory
	if p := a.getenv("GHADEPLOY_INVENTORY"); p != "" {
		path = p
	}
	if len(args) > 0 {
		path = args[0]
	}
	a.inventory = path
	return path
}

// load reads the inventory and tells its warnings, once.
func (a *app) load(ctx context.Context, path string, o inventory.Options) (*inventory.Cluster, error) {
	a.inventory = path
	c, err := inventory.Load(ctx, path, o)
	if err != nil {
		if errors.Is(err, os.ErrNotExist) {
			return nil, usage("%v; next: ghadeploy init HOST... -O %s", err, path)
		}
		return nil, err
	}
	ui.WriteWarnings(a.streams.Err, a.streams.ErrStyle, c.Warnings)
	return c, nil
}

// session is one command at work on a cluster.
type session struct {
	*app
	ctx      context.Context
	cluster  *inventory.Cluster
	runner   runner
	progress ui.Progress
	options  tasks.Options
	// pauses: --pause-after asks for a pause that --yes does not answer.
	pauses  bool
	cleanup []func()
}

// sessionOptions are what commands differ in.
type sessionOptions struct {
	command string // for lock and journal
	path    string
	// graceful: the first Ctrl-C lets the host at hand be finished. Where
	// nothing is changed, it ends the command at once.
	graceful bool
	// local: no host is asked and nothing is written, so no secret is read either, and no
	// command of ${cmd:...} is run.
	local bool
	// sinks get every event besides the progress view.
	sinks []event.Sink
	// quiet shows no progress: the command has output of its own as it goes.
	quiet bool
	// adjust changes the options of the runner before it is made.
	adjust func(*session) error
}

// open loads the inventory, selects hosts and prepares a runner. Close it.
func (a *app) open(ctx context.Context, o sessionOptions) (*session, error) {
	cluster, err := a.load(ctx, o.path, inventory.Options{Resolve: !o.local, SkipFiles: o.local})
	if err != nil {
		return nil, err
	}
	a.hideSecrets(cluster)
	s := &session{app: a, cluster: cluster, progress: ui.Silent{}}
	s.options = tasks.Options{Command: o.command, ToolVersion: toolVersion().Version}
	if a.flags.limit != "" {
		if s.options.Limit, err = cluster.Select(a.flags.limit); err != nil {
			return nil, usage("--limit %s: %v", a.flags.limit, err)
		}
	}
	s.bound(ctx)
	if !o.quiet {
		s.progress = ui.NewProgress(a.streams, a.flags.verbose)
		s.cleanup = append(s.cleanup, s.progress.Close)
	}
	s.options.Interrupt = s.watchSignals(o.graceful)
	s.options.Sink = namedEvents(event.Tee(append(o.sinks, s.progress.Event)...), o.path)
	s.options.Dialer = s.dialer()
	if err := s.askBecome(); err != nil {
		s.Close()
		return nil, err
	}
	if o.adjust != nil {
		if err := o.adjust(s); err != nil {
			s.Close()
			return nil, err
		}
	}
	s.runner = a.newRunner(cluster, s.options)
	return s, nil
}

// bound gives the session a context that --timeout and the second Ctrl-C end.
func (s *session) bound(ctx context.Context) {
	if t := s.flags.timeout; t > 0 {
		late := fmt.Errorf("not done after --timeout %s", t)
		var stop context.CancelFunc
		ctx, stop = context.WithTimeoutCause(ctx, t, late)
		s.cleanup = append(s.cleanup, stop)
	}
	s.ctx = ctx
}

// Close ends connections and the progress view. What was shown stays.
func (s *session) Close() {
	if s.runner != nil {
		// Closing a connection that is gone fails, and nobody needs to know.
		_ = s.runner.Close()
		s.runner = nil
	}
	for i := len(s.cleanup) - 1; i >= 0; i-- {
		s.cleanup[i]()
	}
	s.cleanup = nil
}

// ask puts a question with the progress view out of the way. Ctrl-C is an
// answer: the question ends and nothing is done.
func (s *session) ask(ctx context.Context, question string) (yes bool, err error) {
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if s.options.Interrupt != nil {
		guard.Go(func() {
			select {
			case <-s.options.Interrupt:
				stop()
			case <-ctx.Done():
			}
		})
	}
	s.progress.Aside(func() { yes, err = ui.Ask(ctx, s.streams, question) })
	return yes, err
}

// confirm shows a plan and asks. --yes is an answer too.
func (s *session) confirm(ctx context.Context, p *tasks.Plan) (bool, error) {
	s.progress.Aside(func() { s.showPlan(p) })
	if s.flags.yes {
		return true, nil
	}
	return s.ask(ctx, ui.ConfirmQuestion(p))
}

// showPlan shows what is about to be done, where the question is asked.
func (s *session) showPlan(p *tasks.Plan) {
	if s.json() && s.flags.yes {
		return // the plan is part of the result
	}
	text := ui.PlanText{Style: s.streams.ErrStyle, Width: s.streams.Columns(), Verbose: s.flags.wholeDiffs()}
	// The question that follows fails when stderr is gone.
	_ = text.Write(s.streams.Err, p)
}

// pause is asked after a canary and by pause_after. --yes answers what the inventory
// asks; what --pause-after asks it does not, and where nobody can be asked the run
// ends there.
func (s *session) pause(ctx context.Context, message string) (bool, error) {
	if s.flags.yes && !s.pauses {
		s.options.Sink.Emit(event.Event{Kind: event.Info, Message: message + " --yes: on it goes"})
		return true, nil
	}
	yes, err := s.ask(ctx, message)
	if errors.Is(err, ui.ErrNoTerminal) {
		return false, nil
	}
	return yes, err
}
