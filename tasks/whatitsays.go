package tasks

import (
	"regexp"
	"strings"
	"unicode/utf8"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

const (
	// relevantLines is how many lines of a log say why a service does not start.
	relevantLines = 10
	// longestLine of them is as long as this, in characters.
	longestLine = 300
)

// troubled is what a line holds that tells of trouble, in whatever format it is.
var troubled = regexp.MustCompile(`(?i)\b(error|eror|err|fatal|crit|critical|panic|failed|failure|cannot|refused|denied)\b|✗`)

// stamps are times, process ids and the like, in which repetitions of one line differ.
var stamps = regexp.MustCompile(`\d{2,4}[-/:T|.]\d{2}\S*|\[\d+\]|\b(pid|duration|took|attempt|t)=\S+|\b\d+(\.\d+)?(ms|s|µs)\b|\d{3,}`)

// relevant takes out of a service's log what tells why it does not start: the lines of
// trouble, each once and as it stood last, cut to a length that can be read; where there is
// none, the last lines. cause is what the last error says in its own words; empty: nothing.
func relevant(log string) (cause, lines string) {
	var all, bad []string
	seen := map[string]int{} // line without stamps: its place in bad
	for line := range strings.Lines(log) {
		line = strings.TrimRight(line, "\r\n ")
		if line == "" {
			continue
		}
		all = append(all, line)
		l := grafana.ParseLogLine(line)
		if !isTrouble(line, l) {
			continue
		}
		cause = firstOf(causeOf(l), cause)
		key := stamps.ReplaceAllString(line, "")
		if i, again := seen[key]; again {
			bad[i] = "" // it stands where it was said last
		}
		seen[key] = len(bad)
		bad = append(bad, line)
	}
	kept := bad[:0]
	for _, l := range bad {
		if l != "" {
			kept = append(kept, l)
		}
	}
	if len(kept) == 0 {
		kept = all
	}
	kept = kept[max(len(kept)-relevantLines, 0):]
	for i, l := range kept {
		kept[i] = cutLine(l)
	}
	return cutLine(cause), strings.Join(kept, "\n")
}

func isTrouble(line string, l grafana.LogLine) bool {
	switch l.Level {
	case "error", "crit", "critical", "fatal":
		return true
	case "debug", "info", "warn":
		return false
	}
	return troubled.MatchString(line)
}

// causeOf is what a line of trouble says of Grafana itself; what systemd says of the process
// ("Failed with result") is a consequence.
func causeOf(l grafana.LogLine) string {
	if l.Error != "" {
		return l.Error
	}
	if strings.HasPrefix(l.Message, "grafana-server.service:") || strings.Contains(l.Message, ".service: ") ||
		strings.HasPrefix(l.Message, "Failed to start ") {
		return ""
	}
	return l.Message
}

func firstOf(a, b string) string {
	if a != "" {
		return a
	}
	return b
}

func cutLine(l string) string {
	if utf8.RuneCountInString(l) <= longestLine {
		return l
	}
	return string([]rune(l)[:longestLine-1]) + "…"
}
