package tasks

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// What changes our unit without being in the unit file that we write: drop-ins, the files
// that those read an environment from, and systemd's own environment.

// DropIn is one file of settings over our unit.
type DropIn struct {
	Path string
	// Keys are what it sets in [Service], and the names of the variables in place of
	// Environment: "LimitNOFILE", "GF_LOG_LEVEL". No values: they may be secrets.
	Keys []string
	// values are the hashes of variables whose text needs no interpretation.
	values map[string]string
	// files are the files that it reads variables from, with those of Grafana's in each.
	files map[string][]string
	// vague: it reads or unsets what cannot be foretold here.
	vague   bool
	section string
}

// Environ is what is known of an environment of GF_ variables: name to the hash of the
// value, which is empty where only the name is known.
type Environ map[string]string

func valueHash(v string) string {
	sum := sha256.Sum256([]byte(v))
	return string(sum[:])
}

// dropIn begins a drop-in.
func (p *factsParser) dropIn(v []string) error {
	p.f.DropIns = append(p.f.DropIns, &DropIn{Path: v[0], values: map[string]string{}, files: map[string][]string{}})
	return nil
}

// dropLine takes one line of the last drop-in: a section, or a setting.
func (p *factsParser) dropLine(v []string) error {
	if n := len(p.f.DropIns); n > 0 {
		p.f.DropIns[n-1].line(strings.Join(v, " "))
	}
	return nil
}

// dropFile takes a variable's name and the file that has it.
func (p *factsParser) dropFile(v []string) error {
	if n := len(p.f.DropIns); n > 0 {
		d := p.f.DropIns[n-1]
		d.files[second(v)] = append(d.files[second(v)], v[0])
	}
	return nil
}

func (d *DropIn) line(l string) {
	l = strings.TrimSpace(l)
	if strings.HasPrefix(l, "[") {
		d.section = l
		return
	}
	key, value, _ := strings.Cut(l, "=")
	key, value = strings.TrimSpace(key), strings.TrimSpace(value)
	if d.section != "[Service]" {
		d.Keys = append(d.Keys, key)
		return
	}
	switch {
	case key == "Environment" && value != "":
		d.environment(value)
	case key == "PassEnvironment":
		d.Keys = append(d.Keys, key)
	case key == "Environment", key == "UnsetEnvironment":
		d.vague = true
		d.Keys = append(d.Keys, key)
	case key == "EnvironmentFile":
		d.Keys = append(d.Keys, strings.TrimSpace(key+" "+strings.Trim(value, `"-`)))
		if value == "" {
			d.Keys[len(d.Keys)-1] = "EnvironmentFile (emptied)"
		}
		d.vague = d.vague || value == "" || strings.ContainsAny(value, "%*?[")
	default:
		d.Keys = append(d.Keys, key)
	}
}

// environment takes Environment='s words: NAME=value, or whole in quotes of either kind.
func (d *DropIn) environment(text string) {
	for text != "" {
		word, plain, rest := cutWord(text)
		text = strings.TrimSpace(rest)
		name, value, found := strings.Cut(word, "=")
		if !found || !variable(name) {
			continue
		}
		d.Keys = append(d.Keys, name)
		d.values[name] = ""
		if plain {
			d.values[name] = valueHash(value)
		}
	}
}

// cutWord takes a word off; plain is false where escapes or specifiers are in it.
func cutWord(text string) (word string, plain bool, rest string) {
	if q := text[0]; q == '"' || q == '\'' {
		for i := 1; i < len(text); i++ {
			switch text[i] {
			case '\\':
				i++
			case q:
				word, rest = text[1:i], text[i+1:]
				return word, !strings.ContainsAny(word, `\%`), rest
			}
		}
		return text[1:], false, ""
	}
	word, rest, _ = strings.Cut(text, " ")
	return word, !strings.ContainsAny(word, `\%"'`), rest
}

func variable(name string) bool {
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

// environ takes a variable of the running process.
func (p *factsParser) environ(v []string) error {
	if p.turn {
		return nil
	}
	name, value, _ := strings.Cut(strings.Join(v[1:], "\t"), "=")
	switch name {
	case "GF_SERVER_PROTOCOL", "GF_SERVER_HTTP_ADDR", "GF_SERVER_HTTP_PORT":
		p.f.Service.Server.add(name + "=" + value)
	}
	if p.f.Service.Environ == nil {
		p.f.Service.Environ = Environ{}
	}
	p.f.Service.Environ[name] = valueHash(value)
	return nil
}

// brokenBy are settings of a drop-in over which Grafana would not run as deployed: not
// from a generation, or as somebody who may not read one.
var brokenBy = []string{"DynamicUser", "EnvironmentFile (emptied)", "ExecStart", "Group", "RootDirectory", "RootImage", "Type", "User"}

// managed tells whether the inventory says what a GF_ variable would set instead: all that
// is written into grafana.ini, and what a cluster lives by in any case.
func managed(name string, g *desired.Generation) bool {
	for _, section := range []string{"SERVER_", "DATABASE_", "PATHS_", "UNIFIED_ALERTING_HA_", "LIVE_HA_", "REMOTE_CACHE_", "SECURITY_ADMIN_",
		"SECURITY_SECRET_KEY"} {
		if strings.HasPrefix(name, "GF_"+section) {
			return true
		}
	}
	if g == nil {
		return false
	}
	name = strings.TrimSuffix(name, "__FILE")
	return slices.Contains(iniVariables(g), name)
}

// iniVariables are the names under which the environment may override what grafana.ini
// says (pkg/setting/setting.go, EnvKey).
func iniVariables(g *desired.Generation) (out []string) {
	ini := g.File(desired.INIFile)
	if ini == nil {
		return nil
	}
	section := "DEFAULT"
	for line := range strings.Lines(string(ini.Content)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]") {
			section = strings.Trim(line, "[]")
			continue
		}
		key, _, found := strings.Cut(line, "=")
		if key = strings.TrimSpace(key); !found || strings.HasPrefix(line, "#") || strings.HasPrefix(line, ";") {
			continue
		}
		out = append(out, strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace("GF_"+section+"_"+key)))
	}
	return out
}

// overrides says what on the host would go before the inventory, each with what to type.
func overrides(p inventory.Paths, f *Facts, g *desired.Generation) (out []string) {
	for _, d := range f.DropIns {
		var bad []string
		for _, k := range d.Keys {
			if slices.Contains(brokenBy, k) || strings.HasPrefix(k, "GF_") && managed(k, g) {
				bad = append(bad, k)
			}
		}
		if len(bad) > 0 {
			out = append(out, fmt.Sprintf("%s sets %s over what the inventory says; mv %s /root/ && systemctl daemon-reload, and write what it is for into the inventory",
				d.Path, keyList(bad), remote.Quote(d.Path)))
		}
		for _, file := range slices.Sorted(maps.Keys(d.files)) {
			if in := onlyManaged(d.files[file], g); len(in) > 0 && file != path.Join(p.Root, "current", desired.EnvFile) {
				out = append(out, fmt.Sprintf("%s sets %s over what the inventory says, and %s has the unit read it; take these lines out, and write what they are for into the inventory",
					file, keyList(in), d.Path))
			}
		}
	}
	if in := onlyManaged(f.Manager, g); len(in) > 0 {
		out = append(out, fmt.Sprintf("systemd hands %s to every service of the host, over what the inventory says; systemctl unset-environment %s, and look for DefaultEnvironment= in /etc/systemd/system.conf",
			keyList(in), strings.Join(in, " ")))
	}
	return out
}

func onlyManaged(all []string, g *desired.Generation) (out []string) {
	for _, n := range all {
		if managed(n, g) {
			out = append(out, n)
		}
	}
	return out
}

// keyList lists keys, each once, and not more than a line holds.
func keyList(keys []string) string {
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	if more := len(keys) - 8; more > 0 {
		return fmt.Sprintf("%s and %d more", strings.Join(keys[:8], ", "), more)
	}
	return strings.Join(keys, ", ")
}

// followedDropIns says which drop-ins are followed: they set what the inventory does not manage.
func followedDropIns(p inventory.Paths, f *Facts, g *desired.Generation) (out []string) {
	refused := strings.Join(overrides(p, f, g), "\n")
	for _, d := range f.DropIns {
		if !strings.Contains(refused, d.Path+" sets ") && len(d.Keys) > 0 && concerns(d, p) {
			out = append(out, fmt.Sprintf("%s sets %s for Grafana too, and is followed (values are not shown)", d.Path, keyList(d.Keys)))
		}
	}
	return out
}

// concerns tells whether a drop-in is worth a word: those that a distribution has for all
// services are, where they set variables of Grafana's.
func concerns(d *DropIn, p inventory.Paths) bool {
	typeWide := path.Base(path.Dir(d.Path)) == "service.d"
	return !typeWide || !strings.HasPrefix(d.Path, "/usr/lib/") ||
		slices.ContainsFunc(d.Keys, func(k string) bool { return strings.HasPrefix(k, "GF_") })
}

// staleEnvironment says why the environment of a process is not that of its unit any more.
// What cannot be foretold is no reason: it would be one again after the restart.
func staleEnvironment(f *Facts, own map[string]inventory.Value) string {
	if !f.Service.EnvironRead {
		return ""
	}
	known, sure := f.environment(own)
	for _, n := range slices.Sorted(maps.Keys(f.Service.Environ)) {
		if _, set := known[n]; !set && sure {
			return fmt.Sprintf("the process has %s in its environment, which nothing sets any more", n)
		}
	}
	for _, n := range slices.Sorted(maps.Keys(known)) {
		have, runs := f.Service.Environ[n]
		if want := known[n]; sure && want != "" && (!runs || have != want) {
			return fmt.Sprintf("%s was set in a drop-in after the process began", n)
		}
	}
	return ""
}

// environment is what GF_ variables a start would hand over; sure is false where that
// cannot be told. The inventory's own go before those of drop-ins.
func (f *Facts) environment(own map[string]inventory.Value) (env Environ, sure bool) {
	env, sure = Environ{}, true
	for _, n := range f.Manager {
		env[n] = ""
	}
	for _, d := range slices.Backward(f.DropIns) { // the first found goes last
		sure = sure && !d.vague
		for n, hash := range d.values {
			if _, twice := env[n]; twice {
				hash = ""
			}
			if strings.HasPrefix(n, "GF_") {
				env[n] = hash
			}
		}
		for _, in := range d.files {
			for _, n := range in {
				env[n] = ""
			}
		}
	}
	for n := range own {
		if strings.HasPrefix(n, "GF_") {
			env[n] = ""
		}
	}
	return env, sure
}

// unitSets tells whether a start of the unit as it is now gives the process a variable.
func (f *Facts) unitSets(name string) bool {
	return slices.Contains(f.Manager, name) || slices.ContainsFunc(f.DropIns, func(d *DropIn) bool {
		if slices.Contains(d.Keys, name) {
			return true
		}
		for _, names := range d.files {
			if slices.Contains(names, name) {
				return true
			}
		}
		return false
	})
}
