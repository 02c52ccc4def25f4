package ui

import (
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// kindred puts hosts together whose files change in the same lines, whatever their values:
// a new host beside two that get another peer, or one host with a setting of its own, is
// shown apart, and what the others have in common once. In the order of the first of each.
func kindred(hosts []tasks.HostPlan) [][]tasks.HostPlan {
	index := map[string]int{}
	var out [][]tasks.HostPlan
	for _, h := range hosts {
		key := skeleton(h)
		i, seen := index[key]
		if !seen {
			i = len(out)
			index[key] = i
			out = append(out, nil)
		}
		out[i] = append(out[i], h)
	}
	return out
}

// skeleton is what of a host's diffs is not a value.
func skeleton(h tasks.HostPlan) string {
	var b strings.Builder
	for _, a := range h.Actions {
		for _, d := range a.Diffs {
			b.WriteString("\x00" + d.Path + "\x01" + d.Change)
			if d.Unified == "" {
				continue
			}
			for _, l := range diffText(d.Unified) {
				b.WriteString("\x02" + keyOf(l))
			}
		}
	}
	return b.String()
}

// keyOf is a line of a diff without its value: two lines with one key say the same thing
// of two hosts.
func keyOf(line string) string {
	if key, _, ok := strings.Cut(line, "="); ok {
		return strings.TrimRight(key, " \t")
	}
	if strings.HasPrefix(line, "@@") {
		return "@@"
	}
	return line
}
