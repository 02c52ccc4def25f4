package ui

import (
	"fmt"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

func headline(p *tasks.Plan) string {
	n := len(changing(p))
	what := fmt.Sprintf("%s: %s changes %d of %s", p.Cluster, orWord(p.Command, "apply"), n, plural(len(p.Hosts), "host"))
	if n == 0 {
		what = fmt.Sprintf("%s: %s changes no host by itself", p.Cluster, orWord(p.Command, "apply"))
	}
	if d := disruption(p); d != "" {
		return what + ", " + d
	}
	return what + ", nothing is restarted"
}

// disruption says how many hosts restart, and how many stop and stay stopped.
func disruption(p *tasks.Plan) string {
	var parts []string
	if r := restartsOf(p); r > 0 {
		parts = append(parts, plural(r, "restart")+order(p))
	}
	if s := len(stopped(p)); s > 0 {
		parts = append(parts, plural(s, "stop"))
	}
	return strings.Join(parts, ", ")
}

func orWord(word, otherwise string) string {
	if word == "" {
		return otherwise
	}
	return word
}

// order says how the restarts follow each other.
func order(p *tasks.Plan) string {
	largest := 0
	for _, b := range p.Policy.Batches {
		largest = max(largest, len(b))
	}
	switch {
	case restartsOf(p) < 2:
		return ""
	case p.Policy.Kind == tasks.PolicyOneFirst:
		return ", all but one stopped"
	case p.Policy.Kind == tasks.PolicyHandover:
		return ", " + names(p.Policy.TakesOver) + " first, then the others together"
	case largest > 1:
		return fmt.Sprintf(", up to %d at a time", largest)
	}
	return ", one after another"
}

func restartsOf(p *tasks.Plan) int {
	n := 0
	for _, h := range p.Hosts {
		if !h.Skipped && disruptsHost(h) && !staysStopped(h) {
			n++
		}
	}
	return n
}

// stopped are the hosts on which Grafana does not run afterwards.
func stopped(p *tasks.Plan) []string {
	var out []string
	for _, h := range p.Hosts {
		if !h.Skipped && staysStopped(h) {
			out = append(out, h.Host)
		}
	}
	return out
}

// staysStopped: the last that happens to Grafana there is its stop.
func staysStopped(h tasks.HostPlan) bool {
	stays := false
	for _, a := range h.Actions {
		switch a.Kind {
		case tasks.ActionStop, tasks.ActionRemove:
			stays = true
		case tasks.ActionTurn:
			stays = false
		}
	}
	return stays
}

func disruptsHost(h tasks.HostPlan) bool {
	return h.Restart || slices.ContainsFunc(h.Actions, func(a tasks.Action) bool { return a.Disrupts })
}

// changing are the hosts on which something happens.
func changing(p *tasks.Plan) []tasks.HostPlan {
	var out []tasks.HostPlan
	for _, h := range p.Hosts {
		if !h.Skipped && len(h.Actions) > 0 {
			out = append(out, h)
		}
	}
	return out
}

// footer is the last line, which people read first.
func footer(p *tasks.Plan) string {
	removed, uploads := 0, int64(0)
	for _, h := range changing(p) {
		for _, a := range h.Actions {
			uploads += a.Bytes
			if a.Kind == tasks.ActionRemove {
				removed++
			}
		}
	}
	parts := []string{
		orWord(disruption(p), "0 restarts"),
		plural(removed, "remove"),
		plural(len(changing(p)), "host"),
	}
	if uploads > 0 {
		parts = append(parts, size(uploads)+" to upload")
	}
	if p.Estimate > 0 {
		parts = append(parts, "est. "+estimate(p.Estimate))
	}
	return strings.Join(parts, " · ")
}

// estimate has no decimals: it is a guess from earlier runs.
func estimate(s float64) string {
	if s < 120 {
		return fmt.Sprintf("%.0f s", s)
	}
	return fmt.Sprintf("%.0f min", s/60)
}
