package aside

import (
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

// Bounds of what is kept of a log that a host sends.
const (
	mostComplaints = 20
	mostText       = 600 // bytes of one
)

// Log is what the log of a Grafana on the side says of its start.
type Log struct {
	// Migrations it ran, as it counts them itself or, without a count, as it tells of them.
	Migrations int
	// Migrating is how long they took; 0 where it does not say.
	Migrating time.Duration
	// Failed is the migration that failed, and Error what the server said; empty: none.
	Failed, Error string
	// Complaints are lines of level error, each kind once, in their order.
	Complaints []string
	// Last is the last migration that was begun.
	Last string
	// End is its last line when it ended by itself.
	End string

	counted bool
	rest    string
}

// Write takes more of the log; it never fails.
func (l *Log) Write(b []byte) (int, error) {
	text := l.rest + string(b)
	for {
		line, after, whole := strings.Cut(text, "\n")
		if !whole {
			break
		}
		l.line(line)
		text = after
	}
	l.rest = text[max(len(text)-64<<10, 0):]
	return len(b), nil
}

func (l *Log) line(text string) {
	if strings.TrimSpace(text) == "" {
		return
	}
	p := grafana.ParseLogLine(text)
	switch p.Event {
	case grafana.LogMigration:
		l.Last = short(p.ID)
		if !l.counted {
			l.Migrations++
		}
	case grafana.LogMigrationFailed:
		if l.Failed == "" {
			if !l.counted && l.Migrations > 0 {
				l.Migrations-- // it was begun, and did not run
			}
			l.Failed, l.Error = short(cmpOr(p.ID, l.Last)), short(cmpOr(p.Error, p.Message))
		}
	case grafana.LogMigrationsCompleted:
		// The main tables and each of the later stores count for themselves.
		if !l.counted {
			l.Migrations, l.counted = 0, true
		}
		l.Migrations += max(p.Performed, 0)
		l.Migrating += p.Duration
	}
	if p.Level == "error" || p.Level == "critical" || p.Level == "crit" {
		l.complain(p)
	}
	if p.Level == "" && !strings.HasPrefix(text, "Grafana on the side ended") {
		l.End = short(text) // what Grafana says outside of its log is how it ends
	}
}

func (l *Log) complain(p grafana.LogLine) {
	text := p.Message
	if p.Logger != "" {
		text = p.Logger + ": " + text
	}
	if p.Error != "" {
		text += ": " + p.Error
	}
	text = short(text)
	for _, c := range l.Complaints {
		if c == text {
			return
		}
	}
	if len(l.Complaints) < mostComplaints {
		l.Complaints = append(l.Complaints, text)
	}
}

func short(s string) string {
	if len(s) > mostText {
		s = s[:mostText] + "..."
	}
	return strings.ToValidUTF8(s, "?")
}

func cmpOr(a, b string) string {
	if a != "" {
		return a
	}
	return b
}
