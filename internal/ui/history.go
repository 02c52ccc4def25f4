package ui

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/journal"
	"github.com/ghadeploy/ghadeploy/tasks/lock"
)

// WriteHistory lists runs, newest first.
func WriteHistory(w io.Writer, s Style, columns int, runs []journal.Run) error {
	if len(runs) == 0 {
		_, err := io.WriteString(w, "no runs yet\n")
		return err
	}
	rows := make([][]string, len(runs))
	for i, r := range runs {
		rows[i] = []string{r.ID, clockDate(r.Start), r.Command, runOutcome(s, r.Outcome), duration(r), who(r), plural(len(r.Hosts), "host")}
	}
	_, err := io.WriteString(w, table(s, []column{
		{title: "RUN"}, {title: "STARTED"}, {title: "COMMAND"}, {title: "OUTCOME"},
		{title: "TOOK", drop: 1, right: true}, {title: "BY", drop: 2}, {title: "HOSTS", drop: 3, right: true},
	}, rows, columns))
	return err
}

// WriteRun shows one run: what it did to whom, step by step.
func WriteRun(w io.Writer, s Style, columns int, r journal.Run) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", s.Strong("run "+r.ID+": "+r.Command+" on "+r.Cluster))
	for _, f := range [][2]string{
		{"started", clockDate(r.Start)}, {"took", duration(r)}, {"by", who(r)}, {"outcome", runOutcome(s, r.Outcome)},
		{"plan", r.PlanHash}, {"inventory", r.InventoryHash},
	} {
		if f[1] != "" {
			fmt.Fprintf(&b, "  %s%s\n", s.Faint(pad(f[0], 11)), f[1])
		}
	}
	for _, h := range slices.Sorted(maps.Keys(r.Hosts)) {
		fmt.Fprintf(&b, "  %s%s\n", s.Faint(pad(h, 11)), runOutcome(s, r.Hosts[h]))
	}
	if len(r.Doubts) > 0 {
		fmt.Fprintf(&b, "  %s\n", s.Warn("the journal of "+strings.Join(r.Doubts, ", ")+
			" tells another beginning or end of this run: it was away, or it lies"))
	}
	rows := make([][]string, 0, len(r.Entries))
	for _, e := range r.Entries {
		rows = append(rows, []string{clock(e.Time), e.Host, stepName(e.Step), runOutcome(s, e.Result), strings.Trim(took(e.Seconds),
			" ()"), cleanLine(e.Message)})
	}
	if len(rows) > 0 {
		b.WriteByte('\n')
		b.WriteString(table(s, []column{{title: "TIME"}, {title: "HOST"}, {title: "STEP"}, {title: "RESULT"}, {title: "TOOK", right: true},
			{title: ""}}, rows, columns))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func duration(r journal.Run) string {
	if r.End.IsZero() || r.Start.IsZero() {
		return ""
	}
	return span(r.End.Sub(r.Start))
}

func who(r journal.Run) string {
	if r.From == "" {
		return r.User
	}
	return r.User + "@" + r.From
}

func runOutcome(s Style, text string) string {
	switch text {
	case "done", "ok":
		return s.Good(text)
	case "failed":
		return s.Bad(text)
	case "interrupted", "paused", "unfinished", "rolled back", "not reached", "stopped":
		return s.Warn(text)
	}
	return text
}

// WriteReleases lists generations per host; hosts with the same ones together.
func WriteReleases(w io.Writer, s Style, columns int, hosts []tasks.HostReleases, now time.Time) error {
	rows := [][]string{}
	for _, h := range hosts {
		if len(h.Generations) == 0 {
			rows = append(rows, []string{h.Host, s.Faint("none"), "", "", ""})
		}
		for i, g := range h.Generations {
			name := h.Host
			if i > 0 {
				name = ""
			}
			age := ago(g.Created, now)
			if age != "" {
				age += " ago"
			}
			rows = append(rows, []string{name, g.ID, g.Version, age, marks(s, g)})
		}
	}
	_, err := io.WriteString(w, table(s, []column{{title: "HOST"}, {title: "GENERATION"}, {title: "VERSION"},
		{title: "CREATED", drop: 1, right: true}, {title: ""}}, rows, columns))
	return err
}

func marks(s Style, g tasks.GenerationInfo) string {
	var m []string
	if g.Running {
		m = append(m, s.Good("running"))
	}
	if g.Current {
		m = append(m, "current")
	}
	if g.NeedsDump {
		m = append(m, s.Warn("a rollback there needs --with-database"))
	}
	if g.Previous {
		m = append(m, s.Faint("rollback goes here"))
	}
	return strings.Join(m, ", ")
}

// WriteDrift shows what on the hosts is not what was deployed.
func WriteDrift(w io.Writer, s Style, cluster string, drift []tasks.Drift) error {
	var b strings.Builder
	if len(drift) == 0 {
		fmt.Fprintf(&b, "%s: every file is what was deployed\n", cluster)
	}
	host := ""
	for _, d := range drift {
		if d.Host != host {
			host = d.Host
			fmt.Fprintf(&b, "%s\n", s.Strong(host))
		}
		r := map[string]risk{"unexpected": harmless, "changed": restarts, "missing": removes}[d.What]
		fmt.Fprintf(&b, "  %s  %s\n", s.risk(r, r.symbol()+" "+d.Path), s.Faint(d.What))
		unified(&b, s, d.Unified, "      ", 0)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// WriteLocks shows who holds which host.
func WriteLocks(w io.Writer, s Style, columns int, locks []lock.Status) error {
	rows := make([][]string, 0, len(locks))
	for _, l := range locks {
		switch {
		case l.Frozen != nil:
			rows = append(rows, []string{l.Host, s.Bad("frozen"), l.Frozen.Who(), clockDate(l.Frozen.Since), cleanLine(l.Frozen.Message)})
		case l.Held != nil:
			rows = append(rows, []string{l.Host, s.Warn("locked"), l.Held.Who(), clockDate(l.Held.Since), cleanLine(l.Held.Command)})
		default:
			rows = append(rows, []string{l.Host, s.Good("free"), "", "", ""})
		}
	}
	_, err := io.WriteString(w,
		table(s, []column{{title: "HOST"}, {title: "LOCK"}, {title: "BY"}, {title: "SINCE", drop: 1}, {title: "WHY"}}, rows, columns))
	return err
}

// WriteHostKeys shows the SSH keys that hosts present.
func WriteHostKeys(w io.Writer, s Style, columns int, keys []tasks.HostKey) error {
	rows := make([][]string, 0, len(keys))
	for _, k := range keys {
		known := s.Good("known")
		if !k.Known {
			known = s.Warn("new")
		}
		if k.Changed {
			known = s.Bad("CHANGED")
		}
		if k.Revoked {
			known = s.Bad("revoked")
		}
		rows = append(rows, []string{k.Host, k.Type, k.Fingerprint, known})
	}
	_, err := io.WriteString(w,
		table(s, []column{{title: "HOST"}, {title: "TYPE", drop: 1}, {title: "FINGERPRINT"}, {title: ""}}, rows, columns))
	return err
}
