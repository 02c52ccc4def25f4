package ui

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// WriteStatus shows a cluster as a table, the problems of its hosts, and a
// verdict. now is what ages are seen from.
func WriteStatus(w io.Writer, s Style, columns int, st *tasks.Status, now time.Time) error {
	_, err := io.WriteString(w, StatusText(s, columns, st, now))
	return err
}

// StatusText is what [WriteStatus] writes.
func StatusText(s Style, columns int, st *tasks.Status, now time.Time) string {
	var b strings.Builder
	head := []column{
		{title: "HOST"}, {title: "STATE"}, {title: "VERSION"}, {title: "GENERATION", drop: 5}, {title: "UP", drop: 4, right: true},
		{title: "DATABASE", drop: 2}, {title: "CONNECTIONS", drop: 7}, {title: "ALERTING", drop: 1}, {title: "LIVE", drop: 1},
		{title: "BALANCER", drop: 3}, {title: "DISK FREE", drop: 6, right: true},
	}
	rows := make([][]string, len(st.Hosts))
	for i, h := range st.Hosts {
		rows[i] = []string{h.Host, state(s, h), h.Version, generation(s, h), ago(h.Since, now), databaseCell(s, h), connections(h), alerting(h),
			number(h.LiveNodes), balancer(s, h), disk(h.DiskFree)}
	}
	b.WriteString(table(s, head, rows, columns))
	for _, h := range st.Hosts {
		problems(&b, s, columns, h)
	}
	b.WriteByte('\n')
	if st.AtWork != "" {
		for _, l := range wrap(cleanLine("at work: "+st.AtWork), columns) {
			fmt.Fprintln(&b, s.Note(l))
		}
	}
	mark := s.Good
	switch {
	case st.Healthy:
	case st.Level == tasks.LevelDegraded:
		mark = s.Warn
	default:
		mark = s.Bad
	}
	for _, l := range wrap(cleanLine(st.Cluster+": "+st.Verdict), columns) {
		fmt.Fprintln(&b, mark(l))
	}
	return b.String()
}

func state(s Style, h tasks.HostStatus) string {
	switch h.State {
	case tasks.StateHealthy:
		return s.Good(h.State)
	case tasks.StateDrained, tasks.StateByHand, tasks.StateStarting, tasks.StateRollout, tasks.StateUnhealthy:
		return s.Warn(h.State)
	}
	return s.Bad(h.State)
}

// generation marks a process that is not what the link names.
func generation(s Style, h tasks.HostStatus) string {
	if h.Current != "" && h.Generation != "" && h.Current != h.Generation {
		return s.Warn(short(h.Generation) + " (link: " + short(h.Current) + ")")
	}
	return short(orWord(h.Generation, h.Current))
}

func databaseCell(s Style, h tasks.HostStatus) string {
	text := h.Database
	if h.DatabaseLatency != nil {
		text = strings.TrimSpace(text + " " + span(seconds(*h.DatabaseLatency)))
	}
	if h.Database == "failing" {
		return s.Bad(text)
	}
	return text
}

// connections are those to the database, and how many may be.
func connections(h tasks.HostStatus) string {
	switch {
	case h.Connections == nil:
		return ""
	case h.ConnectionsLimit == nil:
		return fmt.Sprint(*h.Connections)
	case *h.ConnectionsLimit == 0:
		return fmt.Sprintf("%d, no limit", *h.Connections)
	}
	return fmt.Sprintf("%d of %d", *h.Connections, *h.ConnectionsLimit)
}

func alerting(h tasks.HostStatus) string {
	if h.Members == nil {
		return ""
	}
	if h.Position == nil {
		return plural(*h.Members, "member")
	}
	return fmt.Sprintf("#%d of %d", *h.Position, *h.Members)
}

func number(n *int) string {
	if n == nil {
		return ""
	}
	return fmt.Sprint(*n)
}

func balancer(s Style, h tasks.HostStatus) string {
	switch h.Balancer {
	case "down":
		return s.Bad(h.Balancer)
	case "drain", "maint":
		return s.Warn(h.Balancer)
	}
	return h.Balancer
}

func disk(free int64) string {
	if free == 0 {
		return ""
	}
	return size(free)
}

func problems(b *strings.Builder, s Style, columns int, h tasks.HostStatus) {
	line := func(mark, text string) {
		for i, l := range wrap(Clean(h.Host+": "+text), columns-4) {
			if i > 0 {
				mark = " "
			}
			fmt.Fprintf(b, "  %s %s\n", mark, l)
		}
	}
	if h.Error != "" {
		line(s.Bad("x"), h.Error)
	}
	for _, p := range h.Problems {
		if h.Error == "" { // else it says the same in other words
			line(s.Bad("!"), p)
		}
	}
	for _, n := range h.Notes {
		line(s.Faint("i"), n)
	}
	if len(h.Drift) > 0 {
		line(s.Warn("~"), "not what was deployed: "+strings.Join(h.Drift, ", "))
	}
}

// HostLine is a host in a line, before the others are known.
func HostLine(h tasks.HostStatus) string {
	if !h.Reachable {
		return cleanLine("unreachable: " + h.Error)
	}
	parts := []string{strings.TrimSpace(h.Service + " " + h.Version)}
	if h.Database != "" {
		parts = append(parts, "database "+h.Database)
	}
	if a := alerting(h); a != "" {
		parts = append(parts, "alerting "+a)
	}
	return cleanLine(strings.Join(parts, ", "))
}
