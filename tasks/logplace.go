package tasks

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// logModes are where a host's Grafana writes its log: "console" and "syslog" end in
// the journal, "file" below paths.logs.
func logModes(h *inventory.Host) []string {
	return strings.FieldsFunc(configured(h, "log", "mode", "console file"), func(r rune) bool { return r == ' ' || r == ',' })
}

// logFile is the only place of a host's log; empty where the journal has it.
func logFile(h *inventory.Host, p inventory.Paths) string {
	modes := logModes(h)
	if slices.Contains(modes, "console") || slices.Contains(modes, "syslog") {
		return ""
	}
	return path.Join(p.Logs, "grafana.log")
}

// infoLines is where lines of level info are: in a file, or, when that is empty, in
// the journal. hidden says why they are nowhere.
func infoLines(h *inventory.Host, p inventory.Paths) (file, hidden string) {
	general := configured(h, "log", "level", "info")
	for _, mode := range logModes(h) {
		level := configured(h, "log."+mode, "level", general)
		switch {
		case slices.Contains([]string{"warn", "error", "critical"}, strings.ToLower(level)):
			hidden = "Grafana's log level there is " + level
		case mode == "file":
			file = path.Join(p.Logs, "grafana.log")
		default:
			return "", ""
		}
	}
	if file != "" {
		hidden = ""
	}
	return file, hidden
}

// configured is a key of a host's configuration.
func configured(h *inventory.Host, section, key, otherwise string) string {
	if v, ok := h.Config.Get(section, key); ok && v.Reveal() != "" {
		return v.Reveal()
	}
	return otherwise
}

// LogFiles says for which hosts the journal has nothing of Grafana's own, since
// log.mode sends it to a file, and how to read that; one line a file.
func LogFiles(c *inventory.Cluster, hosts []*inventory.Host) (notes []string) {
	names := map[string][]string{}
	var files []string
	for _, h := range hosts {
		file := logFile(h, c.Paths)
		if file == "" {
			continue
		}
		if names[file] == nil {
			files = append(files, file)
		}
		names[file] = append(names[file], h.Name)
	}
	for _, file := range files {
		notes = append(notes, fmt.Sprintf("Grafana on %s logs to %s (log.mode); the journal has only what systemd says of it; next: ghadeploy exec %s -b --limit %s -- runuser -u %s -- tail -n 100 %s",
			strings.Join(names[file], ", "), file, c.File, strings.Join(names[file], ","), c.Paths.User, file))
	}
	return notes
}
