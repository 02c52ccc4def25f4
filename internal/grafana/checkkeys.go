package grafana

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// CheckKeys compares an operator's own keys with what a version knows: its
// conf/defaults.ini, as [ReadArchive] found it, and the version table. A key
// that the table introduces later (or that is gone) is an error that names the
// version; any other that defaults.ini does not list is a warning with the
// nearest name, because Grafana has keys that no defaults.ini shows.
func CheckKeys(extra []Section, defaults []byte, v Version) (warnings []string, errs []error) {
	f, err := loadINI(defaults)
	if err != nil {
		return nil, []error{fmt.Errorf("reading conf/defaults.ini of Grafana %s: %w", v, err)}
	}
	known := keysOf(f)
	for _, sec := range extra {
		section := sec.Name
		if section == "" {
			section = ini.DefaultSection
		}
		for _, k := range sec.Keys {
			full := section + "." + k.Name
			switch ok, _ := KeyKnown(v, section, k.Name); {
			case known[full] || freeSection(section):
			case !ok:
				errs = append(errs, unknownKey(v, section, k.Name))
			default:
				warnings = append(warnings, unlisted(f, known, section, k.Name, v))
			}
		}
	}
	return warnings, errs
}

// freeSection says whether a section's keys are not listed in defaults.ini by design.
func freeSection(section string) bool {
	return section == "feature_toggles" || strings.HasPrefix(section, "plugin.") || strings.HasPrefix(section, "feature_toggles.")
}

func unlisted(f *ini.File, known map[string]bool, section, key string, v Version) string {
	text := fmt.Sprintf("%s.%s is not in conf/defaults.ini of Grafana %s", section, key, v)
	if sec, err := f.GetSection(section); err == nil {
		if near := nearest(key, sec.KeyStrings()); near != "" {
			return text + fmt.Sprintf("; did you mean %s.%s?", section, near)
		}
	} else if near := nearest(section, f.SectionStrings()); near != "" && known[near+"."+key] {
		return text + fmt.Sprintf("; did you mean %s.%s?", near, key)
	}
	for _, full := range slices.Sorted(maps.Keys(known)) {
		if strings.HasSuffix(full, "."+key) {
			return text + fmt.Sprintf("; did you mean %s?", full)
		}
	}
	return text
}

// nearest is the name within two edits (one, for short names); the first of equals.
func nearest(name string, among []string) string {
	best, limit := "", 2
	if len(name) < 5 {
		limit = 1
	}
	for _, other := range slices.Sorted(slices.Values(among)) {
		if d := distance(name, other); d > 0 && d <= limit {
			best, limit = other, d-1
		}
	}
	return best
}

// distance is Levenshtein's.
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			cost := 1
			if a[i] == b[j] {
				cost = 0
			}
			next := min(diagonal+cost, row[j]+1, row[j+1]+1)
			diagonal, row[j+1] = row[j+1], next
		}
	}
	return row[len(b)]
}
