package tasks

import (
	"fmt"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/check"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// seenFindings are what check says of a host by the reading that a plan is made from, so
// that it names whatever apply would refuse by it.
func seenFindings(name string, p inventory.Paths, f *Facts, want *desired.Host) []check.Finding {
	if f == nil {
		return nil
	}
	switch name {
	case "service-user":
		return userFindings(p, f)
	case "folders":
		return folderFindings(p, f)
	case "drop-ins":
		return dropInFindings(p, f, generationOf(want))
	}
	return nil
}

func userFindings(p inventory.Paths, f *Facts) []check.Finding {
	g := groupOf(p, f)
	if why := g.wrong(); why != "" {
		return refused([]string{why}, "Grafana's configuration is readable to root and to its group")
	}
	what := fmt.Sprintf("user %s, group %s", p.User, g.name)
	if !f.User {
		what += "; apply makes the user"
	}
	return []check.Finding{{Severity: check.OK, What: what}}
}

func folderFindings(p inventory.Paths, f *Facts) []check.Finding {
	out := refused(closed(p, f), "Grafana does not start when it cannot write there")
	if f.LogClosed != "" {
		out = append(out, check.Finding{Severity: check.Warning, What: fmt.Sprintf("%s cannot write %s", p.User, f.LogClosed),
			Why: "Grafana writes no log file", Fix: chown(p, f, p.Logs)})
	}
	if len(out) > 0 {
		return out
	}
	what := fmt.Sprintf("%s writes to %s and %s", p.User, p.Data, p.Logs)
	if give := given(p, f); len(give) > 0 {
		what = fmt.Sprintf("%s is empty and root's; apply gives it to %s", strings.Join(give, " and "), p.User)
	}
	return []check.Finding{{Severity: check.OK, What: what}}
}

func dropInFindings(p inventory.Paths, f *Facts, g *desired.Generation) []check.Finding {
	out := refused(overrides(p, f, g), "Grafana would not run as the inventory has it, and its gates would look elsewhere")
	for _, w := range followedDropIns(p, f, g) {
		out = append(out, check.Finding{Severity: check.Warning, What: w, Why: "hosts that differ behave differently",
			Fix: "nothing where it is meant, or write it into the inventory and remove it"})
	}
	if len(out) > 0 {
		return out
	}
	return []check.Finding{{Severity: check.OK, What: "none"}}
}

// refused makes findings of "what is wrong; what to type".
func refused(all []string, why string) (out []check.Finding) {
	for _, w := range all {
		what, fix, _ := strings.Cut(w, "; ")
		out = append(out, check.Finding{Severity: check.Fail, What: what, Why: why, Fix: fix})
	}
	return out
}
