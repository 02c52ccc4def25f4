package grafana

import (
	"bytes"
	"errors"
	"fmt"
	"path"
	"strings"

	"gopkg.in/ini.v1"
)

// header is the same on every host and at every time, so that equal settings
// make equal bytes.
const header = "# Managed by ghadeploy; changes are overwritten. Edit the inventory instead.\n"

// ownFile is how a secret is referred to.
const ownFile = "$__file{%s}"

// Render writes grafana.ini for one host. The same Node gives the same bytes;
// two nodes that differ only in PerNode differ only in the lines of
// [PerNodeKeys]. What Render returns was parsed back with the parser that
// Grafana uses and found equal. The error lists everything that is wrong: keys
// that the version does not know ([UnknownKeyError]), values that Grafana
// cannot carry, settings that contradict each other. No error holds a secret.
func (n Node) Render() (Rendered, error) {
	s, err := n.settings()
	if err != nil {
		return Rendered{}, err
	}
	if err := errors.Join(s.errs...); err != nil {
		return Rendered{}, fmt.Errorf("grafana.ini for %s: %w", n.Version, err)
	}
	r, err := s.write()
	if err != nil {
		return Rendered{}, err
	}
	if err := s.verify(r); err != nil {
		return Rendered{}, err
	}
	return r, nil
}

// Problems are what Render would refuse, one error for each: [SettingError] or
// [UnknownKeyError]. Without [Node.Defaults] only the version table says which keys
// a version knows.
func (n Node) Problems() []error {
	s, err := n.settings()
	if err != nil {
		return []error{err}
	}
	return s.errs
}

// settings collects all that grafana.ini holds, and what is wrong with it.
func (n Node) settings() (*settings, error) {
	s, err := newSettings(n)
	if err != nil {
		return nil, err
	}
	s.http()
	s.security()
	s.database()
	s.cache()
	s.alerting()
	s.live()
	s.rest()
	s.extra()
	s.toggles()
	if n.Aside != nil {
		s.aside(*n.Aside)
	}
	s.contradictions()
	s.check()
	return s, nil
}

// PerNodeKeys are the only keys whose values differ from host to host, as
// "section.key". (An operator's own overrides for a group or host come on top.)
func PerNodeKeys() []string {
	return []string{
		ini.DefaultSection + ".instance_name",
		"unified_alerting.ha_advertise_address",
		"unified_alerting.ha_listen_address",
		"unified_alerting.ha_redis_peer_name",
	}
}

func (s *settings) write() (Rendered, error) {
	r := Rendered{Secrets: map[string][]byte{}, Warnings: s.warnings}
	var text, shown bytes.Buffer
	text.WriteString(header)
	shown.WriteString(header)
	for _, section := range s.sectionNames() {
		if section != ini.DefaultSection {
			fmt.Fprintf(&text, "\n[%s]\n", section)
			fmt.Fprintf(&shown, "\n[%s]\n", section)
		}
		for _, key := range s.keyNames(section) {
			v := s.sections[section][key]
			spelling, err := s.spell(section, key, v, r.Secrets)
			if err != nil {
				return Rendered{}, err
			}
			fmt.Fprintf(&text, "%s = %s\n", key, spelling)
			if v.secret {
				spelling = s.mask(v.value)
			}
			fmt.Fprintf(&shown, "%s = %s\n", key, spelling)
		}
	}
	r.INI, r.Shown = text.Bytes(), shown.Bytes()
	return r, nil
}

// spell is what stands after the "=", putting a secret into files on the way.
func (s *settings) spell(section, key string, v setting, files map[string][]byte) (string, error) {
	value := v.value
	if s.inFile(v) {
		name := section + "." + key
		if _, taken := files[name]; taken {
			return "", fmt.Errorf("two secrets would share the file %s", name)
		}
		files[name] = []byte(value)
		value = fmt.Sprintf(ownFile, path.Join(s.node.SecretDir, name))
	}
	q, err := quoteINI(value)
	if err != nil {
		return "", fmt.Errorf("%s.%s: %w", section, key, err)
	}
	return q, nil
}

// mask stands for a secret where people look: equal secrets look equal, a
// changed one looks changed.
func (s *settings) mask(value string) string {
	if s.node.Fingerprint == nil {
		return "<secret>"
	}
	return "<secret " + s.node.Fingerprint(value) + ">"
}

// verify parses the file as Grafana does, follows $__file{} and compares.
func (s *settings) verify(r Rendered) error {
	f, err := loadINI(r.INI)
	if err != nil {
		return err
	}
	seen := 0
	for _, section := range f.Sections() {
		for _, key := range section.Keys() {
			seen++
			want, ok := s.sections[section.Name()][key.Name()]
			if !ok {
				return fmt.Errorf("grafana.ini reads back with a key %s.%s that was not written", section.Name(), key.Name())
			}
			got := key.Value()
			if s.inFile(want) {
				name := strings.TrimSuffix(strings.TrimPrefix(got, "$__file{"), "}")
				got = strings.TrimSpace(string(r.Secrets[path.Base(name)]))
			}
			if got != want.value {
				return fmt.Errorf("%s.%s does not read back from grafana.ini as it was given", section.Name(), key.Name())
			}
		}
	}
	total := 0
	for _, keys := range s.sections {
		total += len(keys)
	}
	if seen != total {
		return fmt.Errorf("grafana.ini reads back with %d keys, %d were written", seen, total)
	}
	return nil
}
