package ui

import (
	"fmt"
	"io"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks"
)

// WriteExec shows what a command left behind, hosts with identical output together.
func WriteExec(w io.Writer, s Style, results []tasks.ExecResult) error {
	var b strings.Builder
	index := map[tasks.ExecResult]int{}
	var groups []tasks.ExecResult
	var hosts [][]string
	for _, r := range results {
		key := r
		key.Host = ""
		i, seen := index[key]
		if !seen {
			i = len(groups)
			index[key] = i
			groups, hosts = append(groups, key), append(hosts, nil)
		}
		hosts[i] = append(hosts[i], r.Host)
	}
	for i, g := range groups {
		writeExec(&b, s, names(hosts[i]), g)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func writeExec(b *strings.Builder, s Style, hosts string, r tasks.ExecResult) {
	switch {
	case r.Error != "":
		fmt.Fprintf(b, "%s\n", s.Bad("── "+hosts+": "+cleanLine(r.Error)))
	case r.Status != 0:
		fmt.Fprintf(b, "%s\n", s.Bad(fmt.Sprintf("── %s: exit status %d", hosts, r.Status)))
	default:
		fmt.Fprintf(b, "%s\n", s.Strong("── "+hosts))
	}
	if r.Stdout != "" {
		fmt.Fprintln(b, strings.TrimRight(Clean(r.Stdout), "\n"))
	}
	if r.Stderr != "" {
		fmt.Fprintln(b, s.Faint(strings.TrimRight(Clean(r.Stderr), "\n")))
	}
}

// LogText is one log line with its host, padded to the longest name, and
// coloured by level.
func LogText(s Style, l tasks.LogLine, hostWidth int) string {
	text := cleanLine(l.Text)
	switch strings.ToLower(l.Level) {
	case "error", "eror", "crit", "critical", "emerg", "alert", "err":
		text = s.Bad(text)
	case "warn", "warning":
		text = s.Warn(text)
	case "debug", "dbug", "trace":
		text = s.Faint(text)
	}
	return fmt.Sprintf("%s %s %s", s.Faint(l.Time.Local().Format("15:04:05.000")), s.Note(pad(l.Host, hostWidth)), text)
}
