package tasks

import (
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// foreign says what stands on a host where ours has to go, though ghadeploy did not
// make it, each with what to type. Nothing of somebody else's is
// overwritten.
func foreign(f *Facts, p inventory.Paths) (out []string) {
	unit := path.Join("/etc/systemd/system", p.Service+".service")
	if f.Unit.Exists && !f.Unit.Managed {
		out = append(out,
			fmt.Sprintf("%s is a unit that ghadeploy did not make; systemctl disable --now %s; mv %s /root/", unit, p.Service, unit))
	}
	switch {
	case f.Etc.Kind == "folder":
		out = append(out, fmt.Sprintf("%s is a folder that ghadeploy did not make; mv %s %s.before-ghadeploy", p.Etc, p.Etc, p.Etc))
	case f.Etc.Kind == "file":
		out = append(out, fmt.Sprintf("%s is a file; mv %s %s.before-ghadeploy", p.Etc, p.Etc, p.Etc))
	case f.Etc.Kind == "link" && !strings.HasSuffix(f.Etc.Target, "/current/"+desired.EtcDir):
		out = append(out, fmt.Sprintf("%s is a link to %s that ghadeploy did not make; rm %s", p.Etc, f.Etc.Target, p.Etc))
	}
	if current := path.Join(p.Root, "current"); f.CurrentForeign {
		out = append(out, fmt.Sprintf("%s is not a link; mv %s %s.before-ghadeploy", current, current, current))
	}
	return out
}

// refuseForeign ends a run before its first write when such a thing is in the way of
// a host that the plan changes, whichever checks were skipped.
func refuseForeign(p *picture, plan *Plan, paths inventory.Paths) error {
	errs := make([]error, len(p.hosts))
	for i, h := range p.hosts {
		what := inTheWay(paths, h.facts, p.desired[h.Name])
		if hp := plan.Host(h.Name); len(what) == 0 || hp == nil || len(hp.Actions) == 0 {
			continue
		}
		errs[i] = &fleet.HostError{Host: h.Name, Step: "look for what is not ours", Cause: errors.New(strings.Join(what, "; ")),
			State: "nothing was touched", Next: "move it away, then run apply again"}
	}
	return fleet.Join(errs...)
}
