package ui

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// briefDiff is how many lines of one file's diff a plan shows without -v: a
// config change is whole, a new dashboard of a thousand lines is not.
const briefDiff = 60

// PlanText renders plans.
type PlanText struct {
	Style Style
	Width int
	// Verbose shows diffs whole, however long, and what is folded.
	Verbose bool
}

// Write renders p: a summary, what happens on every host, what differs, how it
// is rolled out, and the totals.
func (t PlanText) Write(w io.Writer, p *tasks.Plan) error {
	b := &strings.Builder{}
	if p.Empty() {
		t.upToDate(b, p)
	} else {
		fmt.Fprintf(b, "%s\n", t.Style.Strong(headline(p)))
		t.reach(b, p)
		t.before(b, p)
		t.hosts(b, p)
		t.policy(b, p) // from here on it is a summary, which fits a screen of 24 lines with the question
		t.outage(b, p)
	}
	for _, warning := range p.Warnings {
		t.note(b, t.Style.Warn("! "), warning)
	}
	if !p.Empty() {
		fmt.Fprintf(b, "\n%s\n", t.Style.Strong(footer(p)))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// upToDate is the whole text of an empty plan.
func (t PlanText) upToDate(b *strings.Builder, p *tasks.Plan) {
	var versions, skipped, stale []string
	selected := 0
	for _, h := range p.Hosts {
		if h.Skipped {
			skipped = append(skipped, h.Host)
			if h.Stale {
				stale = append(stale, h.Host)
			}
			continue
		}
		selected++
		if v := orWord(h.To.Version, h.From.Version); v != "" && !slices.Contains(versions, v) {
			versions = append(versions, v)
		}
	}
	runs := "run"
	if selected == 1 {
		runs = "runs"
	}
	of := plural(selected, "host")
	if len(skipped) > 0 {
		of = fmt.Sprintf("%d of %s (--limit)", selected, plural(len(p.Hosts), "host"))
	}
	switch {
	case len(versions) == 0:
		fmt.Fprintf(b, "%s is up to date: nothing to do on %s.\n", p.Cluster, of)
	default:
		fmt.Fprintf(b, "%s is up to date: %s %s %s.\n", p.Cluster, of, runs, strings.Join(versions, " and "))
	}
	if len(stale) > 0 {
		t.note(b, t.Style.Warn("! "), "left out by --limit and out of date: "+names(stale))
	}
}

// outage warns where the cluster does not keep serving.
func (t PlanText) outage(b *strings.Builder, p *tasks.Plan) {
	if p.Policy.Kind != tasks.PolicyOneFirst {
		return
	}
	what := "all hosts but one are stopped while the first migrates the database"
	if len(p.Reach) > 0 && !p.Policy.Migrates {
		what = "all hosts are stopped before the first starts anew, and the others follow"
	}
	t.note(b, t.Style.Bad("! "), t.Style.Bad("OUTAGE: ")+what) // why, the policy has said
}

// note writes an indented paragraph with a mark before it.
func (t PlanText) note(b *strings.Builder, mark, text string) {
	for i, line := range wrap(text, t.Width-6) {
		if i > 0 {
			mark = "  "
		}
		fmt.Fprintf(b, "  %s%s\n", mark, line)
	}
}

func (t PlanText) before(b *strings.Builder, p *tasks.Plan) {
	if len(p.Before) == 0 {
		return
	}
	fmt.Fprintf(b, "\n  %s\n", t.Style.Strong("Before any host"))
	for _, a := range p.Before {
		if a.Host != "" {
			a.Summary += " (on " + a.Host + ")"
		}
		t.action(b, a, "  ")
	}
}

// hosts writes what happens on the hosts, those on which the same changes together.
func (t PlanText) hosts(b *strings.Builder, p *tasks.Plan) {
	hosts := changing(p)
	if len(hosts) > 1 {
		for i, h := range hosts {
			hosts[i] = neutral(h)
		}
	}
	for _, alike := range kindred(hosts) {
		t.alike(b, alike)
	}
	t.unchanged(b, p)
}

// alike writes what all these hosts have in common once, and the rest per host, hosts
// with equal rests together.
func (t PlanText) alike(b *strings.Builder, hosts []tasks.HostPlan) {
	common := shared(hosts)
	if len(common.actions)+len(common.diffs)+len(common.merged) > 0 {
		fmt.Fprintf(b, "\n  %s\n", t.Style.Strong("On each of "+names(hostNames(hosts))))
		for _, a := range common.actions {
			t.action(b, a.Action, "  ")
			t.mergedDiffs(b, a.merged, "      ")
		}
		if len(common.diffs)+len(common.merged) > 0 {
			t.line(b, harmless, "files", "", "  ")
			t.diffs(b, common.diffs, "      ")
			t.mergedDiffs(b, common.merged, "      ")
		}
	}
	groups := common.groups(hosts)
	for i, g := range groups {
		if i == 0 || len(g.actions) > 0 || len(groups[i-1].actions) > 0 {
			b.WriteByte('\n')
		}
		t.group(b, g)
	}
}

func hostNames(hosts []tasks.HostPlan) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.Host
	}
	return out
}

func (t PlanText) group(b *strings.Builder, g planGroup) {
	worst := harmless
	for _, a := range g.all {
		if a.Kind != tasks.ActionPrune { // a host that loses old generations is not a host that is removed
			worst = max(worst, riskOf(a))
		}
	}
	head := t.Style.risk(worst, worst.symbol()+" "+names(g.hosts)) + "  " + t.Style.Faint(fromTo(g.first))
	fmt.Fprintf(b, "  %s\n", strings.TrimRight(head, " "))
	for _, a := range g.actions {
		t.action(b, a, "    ")
	}
	if why := untold(g); len(why) > 0 {
		t.wrapped(b, "      ", "why: "+strings.Join(why, "; "))
	}
}

// untold are the reasons that no action of the host gives already.
func untold(g planGroup) []string {
	var out []string
	for _, r := range g.first.Reasons {
		if !slices.ContainsFunc(g.all, func(a tasks.Action) bool { return strings.Contains(a.Reason, r) }) {
			out = append(out, r)
		}
	}
	return out
}

func fromTo(h tasks.HostPlan) string {
	from, to := deployed(h.From), deployed(h.To)
	switch {
	case from == to:
		return from
	case from == "":
		return "new: " + to
	case to == "":
		return from
	}
	return from + " → " + to
}

func deployed(d tasks.Deployed) string {
	if d.Generation == "" {
		return d.Version
	}
	return strings.TrimSpace(d.Version + " (" + short(d.Generation) + ")")
}

func riskOf(a tasks.Action) risk {
	switch a.Kind {
	case tasks.ActionRemove, tasks.ActionPrune, tasks.ActionStop:
		return removes
	}
	if a.Disrupts {
		return restarts
	}
	return harmless
}

func (t PlanText) action(b *strings.Builder, a tasks.Action, prefix string) {
	t.line(b, riskOf(a), a.Summary, a.Reason, prefix)
	if len(a.Steps) > 0 {
		t.wrapped(b, prefix+"    ", joined(a.Steps, " · "))
	}
	for _, p := range a.Paths {
		fmt.Fprintf(b, "%s    %s\n", prefix, t.Style.Bad("- "+p))
	}
	t.diffs(b, a.Diffs, prefix+"    ")
}

// line is one action: symbol, what, why.
func (t PlanText) line(b *strings.Builder, r risk, what, why, prefix string) {
	if why != "" {
		what += ": " + why
	}
	for i, l := range wrap(Clean(what), t.Width-len(prefix)-2) {
		mark := t.Style.risk(r, r.symbol())
		if i > 0 {
			mark = "  "
		}
		fmt.Fprintf(b, "%s%s %s\n", prefix, mark, l)
	}
}

func (t PlanText) wrapped(b *strings.Builder, prefix, text string) {
	for _, l := range wrap(Clean(text), t.Width-len(prefix)) {
		fmt.Fprintf(b, "%s%s\n", prefix, t.Style.Faint(l))
	}
}

func (t PlanText) unchanged(b *strings.Builder, p *tasks.Plan) {
	var same, left, stale []string
	for _, h := range p.Hosts {
		switch {
		case h.Skipped && h.Stale:
			stale = append(stale, h.Host)
		case h.Skipped:
			left = append(left, h.Host)
		case len(h.Actions) == 0:
			same = append(same, h.Host)
		}
	}
	if len(same)+len(left)+len(stale) > 0 {
		b.WriteByte('\n')
	}
	for _, l := range []struct {
		mark, text string
		hosts      []string
	}{
		{"= ", "unchanged: ", same},
		{"= ", "left out by --limit: ", left},
		{t.Style.Warn("! "), "left out by --limit and out of date after this run: ", stale},
	} {
		if len(l.hosts) > 0 {
			t.note(b, l.mark, l.text+names(l.hosts))
		}
	}
}

// joined are values as they tell themselves, in one line.
func joined[T fmt.Stringer](all []T, between string) string {
	out := make([]string, len(all))
	for i, v := range all {
		out[i] = v.String()
	}
	return strings.Join(out, between)
}
