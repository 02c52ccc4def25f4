package grafana

import (
	"strings"
)

// EntriesOf reads all keys of a grafana.ini, by "section.key"; keys before the first
// section by their name alone.
func EntriesOf(text []byte) (map[string]string, error) {
	f, err := loadINI(text)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for _, s := range f.Sections() {
		prefix := s.Name() + "."
		if s.Name() == "DEFAULT" {
			prefix = ""
		}
		for _, k := range s.Keys() {
			out[prefix+k.Name()] = k.Value()
		}
	}
	return out, nil
}

// EnvironmentOf reads what [RenderEnvironment] writes. Lines of another form are left out.
func EnvironmentOf(text []byte) map[string]string {
	out := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, value, ok := strings.Cut(strings.TrimRight(line, "\r\n"), "=")
		if !ok || !envName.MatchString(name) {
			continue
		}
		if v, quoted := strings.CutPrefix(value, `"`); quoted {
			value = envUnescape.Replace(strings.TrimSuffix(v, `"`))
		}
		out[name] = value
	}
	return out
}

var envUnescape = strings.NewReplacer(`\\`, `\`, `\"`, `"`, "\\`", "`", `\$`, `$`)

// EnvironmentName is the variable that goes before a key of grafana.ini
// (pkg/setting/setting.go, EnvKey).
func EnvironmentName(section, key string) string {
	name := "GF_" + section + "_" + key
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(name))
}

// FileOf is the path in a value that is read from a file: $__file{path}.
func FileOf(value string) (path string, ok bool) {
	rest, ok := strings.CutPrefix(value, "$__file{")
	if !ok || !strings.HasSuffix(rest, "}") {
		return "", false
	}
	return strings.TrimSuffix(rest, "}"), true
}
