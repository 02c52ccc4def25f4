// Package settings reads grafana.ini with Grafana's own parser and precedence:
// conf/defaults.ini, cfg:default.* arguments, the file of --config, GF_*
// variables, cfg:* arguments, expanders.
package settings

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"gopkg.in/ini.v1"
)

// Args is where the settings come from.
type Args struct {
	// Home is the folder of the release.
	Home string
	// Config is the file of --config; empty is conf/custom.ini below Home, if there.
	Config string
	// Overrides are the arguments; those that do not start with cfg: are ignored.
	Overrides []string
}

// File is a loaded configuration. Keys that the version's defaults.ini does
// not have are in the file but read as absent, like a Grafana of that version
// would.
type File struct {
	ini   *ini.File
	known map[string]bool
}

// Load reads the configuration. Errors are worded like Grafana's.
func Load(a Args) (*File, error) {
	defaults := filepath.Join(a.Home, "conf/defaults.ini")
	if _, err := os.Stat(defaults); errors.Is(err, fs.ErrNotExist) {
		//lint:ignore ST1005 Grafana's words
		return nil, errors.New("Grafana-server Init Failed: Could not find config defaults, make sure homepath command line parameter is set or working directory is homepath")
	}
	f, err := ini.Load(defaults)
	if err != nil {
		//lint:ignore ST1005 Grafana's words
		return nil, fmt.Errorf("Failed to parse defaults.ini, %w", err)
	}
	f.BlockMode = false
	out := &File{ini: f, known: map[string]bool{}}
	out.each(func(section string, key *ini.Key) { out.known[section+"."+key.Name()] = true })

	props, err := overrides(a.Overrides)
	if err != nil {
		return nil, err
	}
	out.each(func(section string, key *ini.Key) {
		if v, ok := props["default."+section+"."+key.Name()]; ok {
			key.SetValue(v)
		}
	})
	if err := out.merge(a.Config, a.Home); err != nil {
		return nil, err
	}
	out.each(func(section string, key *ini.Key) {
		if v := os.Getenv(EnvKey(section, key.Name())); v != "" {
			key.SetValue(v)
		}
	})
	out.each(func(section string, key *ini.Key) {
		name := section + "." + key.Name()
		if section == ini.DefaultSection {
			name = key.Name()
		}
		if v, ok := props[name]; ok {
			key.SetValue(v)
		}
	})
	return out, expand(f)
}

// EnvKey is the variable that overrides a key.
func EnvKey(section, key string) string {
	s := strings.ToUpper(strings.ReplaceAll(section, ".", "_"))
	s = strings.ReplaceAll(s, "-", "_")
	return "GF_" + s + "_" + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

func (f *File) each(do func(section string, key *ini.Key)) {
	for _, s := range f.ini.Sections() {
		for _, k := range s.Keys() {
			do(s.Name(), k)
		}
	}
}

// merge lays the operator's file over the defaults. An empty value is skipped,
// as in Grafana: a file cannot blank a default.
func (f *File) merge(config, home string) error {
	if config == "" {
		config = filepath.Join(home, "conf/custom.ini")
		if _, err := os.Stat(config); err != nil {
			return nil
		}
	}
	user, err := ini.Load(config)
	if err != nil {
		return fmt.Errorf("failed to parse %q: %w", config, err)
	}
	user.BlockMode = false
	for _, s := range user.Sections() {
		for _, k := range s.Keys() {
			if k.Value() != "" {
				f.ini.Section(s.Name()).Key(k.Name()).SetValue(k.Value())
			}
		}
	}
	return nil
}

func overrides(args []string) (map[string]string, error) {
	props := map[string]string{}
	for _, a := range args {
		p, ok := strings.CutPrefix(a, "cfg:")
		if !ok {
			continue
		}
		parts := strings.Split(p, "=")
		if len(parts) != 2 {
			return nil, fmt.Errorf("invalid command line argument %q", a)
		}
		props[parts[0]] = parts[1]
	}
	return props, nil
}

// hidden keys work though no defaults.ini names them (facts 1.1).
var hidden = []string{"database.skip_migrations", "database.connection_string"}

// Knows reports whether the version reads this key.
func (f *File) Knows(section, key string) bool {
	name := section + "." + key
	if f.known[name] {
		return true
	}
	for _, h := range hidden {
		if h == name && f.known["database.instrument_queries"] {
			return true
		}
	}
	return false
}

// String is the value of a key, interpolated as Grafana's parser does; empty
// for a key that the version does not know.
func (f *File) String(section, key string) string {
	if !f.Knows(section, key) {
		return ""
	}
	return f.ini.Section(section).Key(key).String()
}

// Keys are the keys of a section, known to the version or not.
func (f *File) Keys(section string) map[string]string {
	return f.ini.Section(section).KeysHash()
}
