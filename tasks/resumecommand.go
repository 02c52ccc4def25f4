package tasks

import (
	"slices"
	"strings"
)

// resumeCommand is the command that does the rest of a plan. done tells which hosts a
// run has finished: a restart or a rollback would do them once more. Nil: none is.
func resumeCommand(p *Plan, done func(host string) bool) string {
	command, _, _ := strings.Cut(p.Command, " ")
	switch command {
	case "upgrade":
		return "ghadeploy upgrade INVENTORY --to " + p.Version()
	case "restart", "rollback", "stop", "start", "remove":
		left := slices.DeleteFunc(disruptedHosts(p, command), func(h string) bool { return done != nil && done(h) })
		if len(left) == 0 {
			return "ghadeploy " + command + " INVENTORY" + p.arguments
		}
		return "ghadeploy " + command + " INVENTORY" + p.arguments + " --limit " + strings.Join(left, ",")
	}
	return "ghadeploy apply INVENTORY"
}

// disruptedHosts are those that the command itself is about, in the order of their turns
// where it has one.
func disruptedHosts(p *Plan, command string) (out []string) {
	if command == "restart" || command == "rollback" {
		return slices.Concat(p.Policy.Batches...)
	}
	want := map[string]ActionKind{"stop": ActionStop, "start": ActionTurn, "remove": ActionRemove}[command]
	for _, h := range p.Hosts {
		if slices.ContainsFunc(h.Actions, func(a Action) bool { return a.Kind == want }) {
			out = append(out, h.Host)
		}
	}
	return out
}

// resumeCommand is the command that does the rest of this rollout.
func (r *rollout) resumeCommand() string {
	if r.plan == nil {
		return "ghadeploy apply INVENTORY"
	}
	return resumeCommand(r.plan, func(h string) bool { return r.outcomeOf(h).Outcome == "done" })
}
