package ui

import (
	"fmt"
	"strings"
	"time"

	"github.com/charmbracelet/x/ansi"
)

// cleanLine is Clean for something that must stay on one line.
func cleanLine(text string) string {
	return strings.TrimSpace(strings.Map(func(r rune) rune {
		if r == '\n' || r == '\t' {
			return ' '
		}
		return r
	}, Clean(text)))
}

func width(text string) int { return ansi.StringWidth(text) }

func truncate(text string, columns int) string {
	if columns < 1 {
		return ""
	}
	return ansi.Truncate(text, columns, "…")
}

// pad fills text with spaces up to columns; it never shortens.
func pad(text string, columns int) string {
	if n := columns - width(text); n > 0 {
		return text + strings.Repeat(" ", n)
	}
	return text
}

// wrap breaks uncoloured text at spaces; words longer than a line stay whole,
// since they are paths and hashes that somebody will copy.
func wrap(text string, columns int) []string {
	columns = max(columns, 20)
	var lines []string
	for paragraph := range strings.SplitSeq(text, "\n") {
		line := ""
		for _, word := range strings.Fields(paragraph) {
			switch {
			case line == "":
				line = word
			case width(line)+1+width(word) <= columns:
				line += " " + word
			default:
				lines = append(lines, line)
				line = word
			}
		}
		lines = append(lines, line)
	}
	return lines
}

// indent puts prefix before every line of text.
func indent(text, prefix string) string {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, l := range lines {
		if l != "" {
			lines[i] = prefix + l
		}
	}
	return strings.Join(lines, "\n")
}

// plural is "1 host", "3 hosts".
func plural(n int, one string) string {
	if n == 1 {
		return "1 " + one
	}
	if strings.HasSuffix(one, "ch") {
		return fmt.Sprintf("%d %ses", n, one)
	}
	return fmt.Sprintf("%d %ss", n, one)
}

// size is bytes as people, and the labels of disks and downloads, say them.
func size(n int64) string {
	const k = 1000
	f := float64(n)
	switch {
	case n >= 10*k*k*k:
		return fmt.Sprintf("%.0f GB", f/(k*k*k))
	case n >= k*k*k:
		return fmt.Sprintf("%.1f GB", f/(k*k*k))
	case n >= 10*k*k:
		return fmt.Sprintf("%.0f MB", f/(k*k))
	case n >= k*k:
		return fmt.Sprintf("%.1f MB", f/(k*k))
	case n >= k:
		return fmt.Sprintf("%.0f kB", f/k)
	}
	return fmt.Sprintf("%d B", n)
}

// span is a duration as people say it: "0.4 s", "12 s", "3 min 5 s", "2 h 10 min", "4 d".
func span(d time.Duration) string {
	switch {
	case d < 0:
		return "0 s"
	case d < 100*time.Millisecond:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 9950*time.Millisecond:
		return fmt.Sprintf("%.1f s", d.Seconds())
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()+0.5))
	case d < time.Hour:
		return two(int(d.Minutes()), "min", int(d.Seconds())%60, "s")
	case d < 48*time.Hour:
		return two(int(d.Hours()), "h", int(d.Minutes())%60, "min")
	}
	return fmt.Sprintf("%d d", int(d.Hours()/24))
}

// two is a number of large units and, unless it is none, of small ones.
func two(large int, unit string, small int, smallUnit string) string {
	if small == 0 {
		return fmt.Sprintf("%d %s", large, unit)
	}
	return fmt.Sprintf("%d %s %d %s", large, unit, small, smallUnit)
}

func seconds(s float64) time.Duration { return time.Duration(s * float64(time.Second)) }

// short is the beginning of an id, long enough to tell two apart.
func short(id string) string {
	if len(id) > 8 {
		return id[:8]
	}
	return id
}
