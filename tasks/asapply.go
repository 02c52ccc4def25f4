package tasks

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/hashicorp/go-multierror"

	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// What apply needs before its first write, in the order in which it needs it, and which
// check tries it:
//
//	a connection, a shell, root, an input            host-login, sessions
//	several commands at once                         sessions
//	the release and the plugins                      archive
//	reading host, balancer, database; plan           plan
//	the lock of every host, and no freeze            lock
//	tools, systemd, clock, ports, space, mounts      tools, platform, clock, ports, disk
//	the service user, its group and folders          service-user, folders
//	nothing that is not ours, or goes before it      other-grafana, drop-ins
//	database, Redis, gossip                          database and the like
//	a folder to upload to                            upload

// beforeApply are the checks of what only a run that holds no lock yet can look at.
func (r *Runner) beforeApply(p *picture, name string) func(ctx context.Context, host string) []check.Finding {
	switch name {
	case "archive":
		return func(context.Context, string) []check.Finding { return archiveFindings(p) }
	case "plan":
		return func(ctx context.Context, _ string) []check.Finding { return r.planFindings(ctx, p) }
	case "lock":
		return func(ctx context.Context, host string) []check.Finding {
			return r.lockFindings(ctx, p.fleet()[host])
		}
	}
	return nil
}

// archiveFindings are of the archives that the hosts are to get.
func archiveFindings(p *picture) (out []check.Finding) {
	if p.inputsErr == nil {
		return []check.Finding{{Severity: check.OK, What: "Grafana " + p.release().Version + " and its plugins are there"}}
	}
	errs := []error{p.inputsErr}
	if all, ok := errors.AsType[*multierror.Error](p.inputsErr); ok {
		errs = all.Errors
	}
	for _, err := range errs {
		what, fix, _ := strings.Cut(err.Error(), "; next: ")
		out = append(out, check.Finding{Severity: check.Fail, What: what, Why: "there is nothing to deploy",
			Fix: cmp.Or(fix, "correct grafana.artifact in INVENTORY")})
	}
	return out
}

// planFindings are why there would be no plan.
func (r *Runner) planFindings(ctx context.Context, p *picture) []check.Finding {
	if p.inputsErr != nil {
		return []check.Finding{{Severity: check.Skipped, What: "not tried: an archive is not there"}}
	}
	r.readServer(ctx, p, want{})
	before := p.before
	err := r.readDatabase(ctx, p)
	if err == nil {
		_, err = r.plan(ctx, p, want{})
	}
	p.before = before
	if err != nil {
		what, fix, _ := strings.Cut(err.Error(), "; next: ")
		return []check.Finding{{Severity: check.Fail, What: what, Why: "apply ends there before its first write",
			Fix: cmp.Or(fix, "ghadeploy plan INVENTORY says it too")}}
	}
	return []check.Finding{{Severity: check.OK, What: "can be made"}}
}

// lockFindings are who is in the way on a host.
func (r *Runner) lockFindings(ctx context.Context, h fleet.Host) []check.Finding {
	ctx, cancel := context.WithTimeout(ctx, check.Probe)
	defer cancel()
	s, err := lock.Read(ctx, h, r.c.Paths.State)
	switch {
	case err != nil:
		return []check.Finding{{Severity: check.Fail, What: err.Error(), Why: "apply takes the lock first", Fix: "ghadeploy unlock INVENTORY"}}
	case s.Frozen != nil:
		return []check.Finding{{Severity: check.Fail, What: fmt.Sprintf("frozen by %s: %s", s.Frozen.Who(), s.Frozen.Message),
			Why: "no run changes it until then", Fix: "ghadeploy unlock INVENTORY"}}
	case s.Held != nil:
		return []check.Finding{{Severity: check.Fail, What: fmt.Sprintf("%s holds the lock (%s)", s.Held.Who(), s.Held.Command),
			Why: "one run at a time changes a host", Fix: "wait for it, or apply --lock-wait"}}
	}
	return []check.Finding{{Severity: check.OK, What: "free"}}
}
