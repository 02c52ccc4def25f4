package settings

import (
	"fmt"
	"regexp"
	"strconv"
	"time"
)

// reader picks typed values and keeps the errors. As in Grafana a bad number
// or boolean falls back silently, a bad duration does not.
type reader struct {
	f    *File
	errs []error
}

func (r *reader) str(section, key string) string { return r.f.String(section, key) }

func (r *reader) or(section, key, fallback string) string {
	if s := r.str(section, key); s != "" {
		return s
	}
	return fallback
}

func (r *reader) number(section, key string, fallback int) int {
	n, err := strconv.Atoi(r.str(section, key))
	if err != nil {
		return fallback
	}
	return n
}

func (r *reader) boolean(section, key string, fallback bool) bool {
	switch r.str(section, key) {
	case "1", "t", "T", "true", "TRUE", "True", "YES", "yes", "Yes", "y", "ON", "on", "On":
		return true
	case "0", "f", "F", "false", "FALSE", "False", "NO", "no", "No", "n", "OFF", "off", "Off":
		return false
	}
	return fallback
}

func (r *reader) duration(section, key string, fallback time.Duration) time.Duration {
	s := r.str(section, key)
	if s == "" || s == "0" {
		return fallback
	}
	d, err := ParseDuration(s)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("%s.%s: %w", section, key, err))
		return fallback
	}
	return d
}

// lifetime reads the _duration key or, on old versions, the _days one.
func (r *reader) lifetime(key string, days int) time.Duration {
	const day = 24 * time.Hour
	if r.f.Knows("auth", key+"_days") {
		return time.Duration(r.number("auth", key+"_days", days)) * day
	}
	return r.duration("auth", key+"_duration", time.Duration(days)*day)
}

var longUnit = regexp.MustCompile(`^(\d+)([dwMy])$`)

// ParseDuration is time.ParseDuration with the units d, w, M (30 d) and y (365 d).
func ParseDuration(s string) (time.Duration, error) {
	m := longUnit.FindStringSubmatch(s)
	if m == nil {
		return time.ParseDuration(s)
	}
	n, err := strconv.Atoi(m[1])
	if err != nil {
		return 0, fmt.Errorf("reading duration %q: %w", s, err)
	}
	days := map[string]int{"d": 1, "w": 7, "M": 30, "y": 365}[m[2]]
	return time.Duration(n*days) * 24 * time.Hour, nil
}
