package grafana

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// LogEvent is what a log line means to a deployment.
type LogEvent string

// The events.
const (
	LogOther               LogEvent = ""
	LogStarting            LogEvent = "starting"             // Version
	LogMigrationsStarting  LogEvent = "migrations-starting"  //
	LogMigration           LogEvent = "migration"            // ID
	LogMigrationFailed     LogEvent = "migration-failed"     // ID, Error
	LogMigrationsCompleted LogEvent = "migrations-completed" // Performed, Skipped, Duration
	LogLockLost            LogEvent = "lock-lost"            // another node migrates; the process exits and is restarted
	LogGossipSettled       LogEvent = "gossip-settled"
	LogListening           LogEvent = "listening" // Address
)

// LogLine is one line of Grafana's log.
type LogLine struct {
	Event   LogEvent
	Level   string // "debug", "info", "warn", "error" or what the line says
	Logger  string
	Message string
	Fields  map[string]string // all of the line's other fields

	ID, Error, Address, Version string
	// Performed and Skipped count migrations; -1 on other lines.
	Performed, Skipped int
	Duration           time.Duration
}

var (
	syslogPrefix = regexp.MustCompile(`^\S.{0,60}? [\w.-]+\[\d+\]: `)
	// "INFO [05-28|00:42:01] Starting DB migrations    logger=migrator"
	console  = regexp.MustCompile(`^(?:\x1b\[\d+m)?([A-Z]{3,5})\s*(?:\x1b\[0m)?\s*\[[\d\-|:T.Z+]+\]\s+(.*)$`)
	field    = regexp.MustCompile(`([\w.\-]+)=("(?:[^"\\]|\\.)*"|\S*)`)
	firstOne = regexp.MustCompile(`(?:^|\s)[\w.\-]+=`)
	ansi     = regexp.MustCompile(`\x1b\[[\d;]*m`)
)

// ParseLogLine reads a line in any of Grafana's formats: logfmt (with t, level
// or lvl), JSON, console. A prefix as of journalctl's short form is skipped. A
// line in none of them is an event still when its text is a known one.
func ParseLogLine(line string) LogLine {
	line = strings.TrimSpace(line)
	if p := syslogPrefix.FindString(line); p != "" {
		line = line[len(p):]
	}
	l := LogLine{Performed: -1, Skipped: -1, Fields: map[string]string{}}
	switch {
	case strings.HasPrefix(line, "{"):
		l.fromJSON(line)
	case console.MatchString(line):
		m := console.FindStringSubmatch(line)
		l.Level = strings.ToLower(m[1])
		l.fromText(ansi.ReplaceAllString(m[2], ""))
	default:
		l.fromText(line)
	}
	l.classify()
	return l
}

func (l *LogLine) fromJSON(line string) {
	var m map[string]any
	if json.Unmarshal([]byte(line), &m) != nil {
		l.Message = line
		return
	}
	for k, v := range m {
		switch v := v.(type) {
		case string:
			l.field(k, v)
		case float64:
			l.field(k, strconv.FormatFloat(v, 'f', -1, 64))
		default:
			l.field(k, fmt.Sprint(v))
		}
	}
}

// fromText reads "free text key=value key="quoted value"".
func (l *LogLine) fromText(line string) {
	if at := firstOne.FindStringIndex(line); at != nil {
		l.Message = strings.TrimSpace(line[:at[0]])
		for _, m := range field.FindAllStringSubmatch(line[at[0]:], -1) {
			value := m[2]
			if unquoted, err := strconv.Unquote(value); err == nil && strings.HasPrefix(value, `"`) {
				value = unquoted
			}
			l.field(m[1], value)
		}
		return
	}
	l.Message = line
}

func (l *LogLine) field(k, v string) {
	switch k {
	case "msg":
		l.Message = v
	case "level", "lvl":
		l.Level = map[string]string{"eror": "error", "dbug": "debug"}[v]
		if l.Level == "" {
			l.Level = v
		}
	case "logger":
		l.Logger = v
	default:
		l.Fields[k] = v
	}
}

func (l *LogLine) classify() {
	l.ID, l.Version, l.Address = l.Fields["id"], l.Fields["version"], l.Fields["address"]
	for _, k := range []string{"error", "err"} {
		if l.Error == "" {
			l.Error = l.Fields[k]
		}
	}
	text := l.Message + " " + l.Error
	switch {
	case strings.Contains(text, "failed to obtain lock"):
		l.Event = LogLockLost
	case strings.HasPrefix(l.Message, "Starting Grafana"):
		l.Event = LogStarting
	case strings.HasPrefix(l.Message, "Starting DB migration"):
		l.Event = LogMigrationsStarting
	case l.Message == "Executing migration":
		l.Event = LogMigration
	case strings.HasPrefix(l.Message, "Executing migration failed"), strings.Contains(text, "migration failed"):
		l.Event = LogMigrationFailed
	case l.Message == "migrations completed":
		l.Event = LogMigrationsCompleted
		l.Performed, l.Skipped = count(l.Fields["performed"]), count(l.Fields["skipped"])
		l.Duration, _ = time.ParseDuration(l.Fields["duration"])
	case strings.HasPrefix(l.Message, "gossip settled"), strings.HasPrefix(l.Message, "Gossip settled"):
		l.Event = LogGossipSettled
	case strings.HasPrefix(l.Message, "HTTP Server Listen"):
		l.Event = LogListening
	}
}

func count(s string) int {
	n, err := strconv.Atoi(s)
	if err != nil {
		return -1
	}
	return n
}
