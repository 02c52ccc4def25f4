package grafana

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// setting is one key to be written.
type setting struct {
	value  string
	secret bool
	// expands: the operator may have meant Grafana to expand it.
	expands bool
}

// settings collects what goes into grafana.ini, with all that is wrong with it.
type settings struct {
	node     Node
	known    map[string]bool // "section.key" of the release's own defaults; nil: not at hand
	defaults *ini.File
	sections map[string]map[string]setting
	warnings []string
	errs     []error
}

func newSettings(n Node) (*settings, error) {
	s := &settings{node: n, sections: map[string]map[string]setting{}}
	if len(n.Defaults) == 0 {
		return s, nil
	}
	f, err := loadINI(n.Defaults)
	if err != nil {
		return nil, fmt.Errorf("reading conf/defaults.ini of Grafana %s: %w", n.Version, err)
	}
	s.defaults = f
	s.known = keysOf(f)
	return s, nil
}

func keysOf(f *ini.File) map[string]bool {
	known := map[string]bool{}
	for _, sec := range f.Sections() {
		for _, k := range sec.Keys() {
			known[sec.Name()+"."+k.Name()] = true
		}
	}
	return known
}

// isKnown says whether the version knows a key: the release's own defaults
// decide where they are at hand, the table where not (or where the key is one of
// those that no defaults.ini lists).
func (s *settings) isKnown(section, key string) bool {
	if s.known[section+"."+key] {
		return true
	}
	known, _ := KeyKnown(s.node.Version, section, key)
	return known
}

// set writes a key that the cluster needs: a version that does not know it is an error.
func (s *settings) set(section, key, value string) {
	s.put(section, key, setting{value: value})
}

// secret is set for a value that goes to a file of its own where the version can.
func (s *settings) secret(section, key, value string) {
	s.put(section, key, setting{value: value, secret: true})
}

func (s *settings) put(section, key string, v setting) {
	if v.value == "" {
		return
	}
	if !s.isKnown(section, key) {
		s.errs = append(s.errs, unknownKey(s.node.Version, section, key))
		return
	}
	if s.sections[section] == nil {
		s.sections[section] = map[string]setting{}
	}
	s.sections[section][key] = v
}

// want writes a key only where the version knows it: without it the cluster
// works all the same.
func (s *settings) want(section, key, value string) {
	if s.isKnown(section, key) {
		s.set(section, key, value)
	}
}

func (s *settings) get(section, key string) string {
	return s.sections[section][key].value
}

func (s *settings) warn(format string, args ...any) {
	s.warnings = append(s.warnings, fmt.Sprintf(format, args...))
}

// refuse notes that a setting cannot be; see [SettingError] for how it is named.
func (s *settings) refuse(setting, format string, args ...any) {
	s.errs = append(s.errs, &SettingError{Setting: setting, Err: fmt.Errorf(format, args...)})
}

// SettingError is one setting that cannot be given to Grafana.
type SettingError struct {
	// Setting is section.key of grafana.ini ("server.http_port") or, where the
	// inventory has a key of its own for it, the path of that ("alerting.port").
	Setting string
	Err     error
}

// Error does not repeat the setting's name, which Err has where it helps.
func (e *SettingError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *SettingError) Unwrap() error { return e.Err }

// check looks at every value and says how it can be carried.
func (s *settings) check() {
	for _, section := range s.sectionNames() {
		for _, key := range s.keyNames(section) {
			s.checkOne(section, key, s.sections[section][key])
		}
	}
}

func (s *settings) checkOne(section, key string, v setting) {
	name := section + "." + key
	if section != ini.DefaultSection && !validName.MatchString(section) || !validName.MatchString(key) {
		s.refuse(name, "%s: not a name for grafana.ini (%w)", name, errName)
		return
	}
	if s.inFile(v) {
		if err := checkFileSecret(v.value); err != nil {
			s.refuse(name, "%s cannot be given to Grafana: %w", name, err)
		}
		return
	}
	err := checkInline(v.value)
	if why := rewritten(v.value); why != "" && v.expands {
		s.warn("%s: %s", name, strings.Replace(why, "would", "will", 1))
		_, err = quoteINI(v.value)
	}
	if err != nil {
		s.refuse(name, "%s cannot be given to Grafana: %w%s", name, err, s.hint(v, err))
	}
}

// hint says what would help.
func (s *settings) hint(v setting, err error) string {
	if v.secret && !HasFileExpander(s.node.Version) && checkFileSecret(v.value) == nil {
		return fmt.Sprintf(" (from Grafana %s on secrets go to files and this one could be carried)", release(7, 1, 0))
	}
	var ev errValue
	if errors.As(err, &ev) && !v.secret && strings.Contains(ev.why, "line break") {
		return " (mark it as a secret to put it into a file of its own)"
	}
	return ""
}

// inFile says whether a value goes to a file of its own.
func (s *settings) inFile(v setting) bool {
	return v.secret && HasFileExpander(s.node.Version) && s.node.SecretDir != ""
}

func (s *settings) sectionNames() []string {
	names := slices.Sorted(maps.Keys(s.sections))
	// The keys of no section must come before the first [section] line.
	if i := slices.Index(names, ini.DefaultSection); i > 0 {
		names = slices.Insert(slices.Delete(names, i, i+1), 0, ini.DefaultSection)
	}
	return names
}

func (s *settings) keyNames(section string) []string {
	return slices.Sorted(maps.Keys(s.sections[section]))
}
