package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// WriteRehearsal shows how a rehearsal came out; nothing where none was held. What
// speaks against the upgrade is the error, which is shown elsewhere.
func WriteRehearsal(w io.Writer, s Style, columns int, r *tasks.Rehearsal) error {
	if r == nil || r.Host == "" {
		return nil
	}
	var b strings.Builder
	line := func(name, text string) {
		if text == "" {
			return
		}
		for i, l := range wrap(Clean(text), columns-14) {
			label := ""
			if i == 0 {
				label = name
			}
			fmt.Fprintf(&b, "%s%s\n", s.Faint(pad(label, 12)), l)
		}
	}
	verdict := s.Good("would go well")
	if !r.OK {
		verdict = s.Bad("would fail")
	}
	fmt.Fprintf(&b, "%s: the upgrade %s -> %s %s\n", Clean(r.Cluster), Clean(r.From), Clean(r.To), verdict)
	line("copy", fmt.Sprintf("%s, in %s%s", r.Copy, span(seconds(r.CopySeconds)), on(r.Server)))
	line("migrations", migrationsText(r))
	line("start", fmt.Sprintf("%s on the side of %s, with one core and the least priority", span(seconds(r.StartSeconds)), r.Host))
	line("content", contentText(r))
	line("lost", strings.Join(r.Lost, "; "))
	for i, e := range r.LogErrors {
		label := ""
		if i == 0 {
			label = "its errors"
		}
		line(label, e)
	}
	for _, o := range r.Outages {
		name := "outage"
		text := string(o.Policy) + ": " + o.Text
		if o.Planned {
			text += " (this is how the upgrade would go)"
		}
		line(name, text)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func on(server string) string {
	if server == "" {
		return ""
	}
	return ", on " + server
}

func migrationsText(r *tasks.Rehearsal) string {
	text := plural(r.Migrations, "migration")
	if r.MigrationSeconds > 0 {
		text += " in " + span(seconds(r.MigrationSeconds))
	}
	if r.Migration != "" {
		text += "; then one failed"
	}
	return text
}

// contentText is what was counted, where it is the same before and after.
func contentText(r *tasks.Rehearsal) string {
	if r.After == nil || len(r.Lost) > 0 {
		return ""
	}
	var parts []string
	for _, kind := range []string{database.Dashboards, database.Folders, database.AlertRules, database.Users, database.DataSources} {
		if n, ok := r.After[kind]; ok {
			parts = append(parts, fmt.Sprintf("%d %s", n, kind))
		}
	}
	if len(parts) == 0 {
		return ""
	}
	return strings.Join(parts, ", ") + ", as before"
}
