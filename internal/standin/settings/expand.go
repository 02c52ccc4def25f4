package settings

import (
	"fmt"
	"os"
	"regexp"
	"strings"

	"gopkg.in/ini.v1"
)

// The expression is Grafana's: ${VAR}, $__env{VAR}, $__file{path}; anything
// else, $__vault{} too, stays as it is.
var expression = regexp.MustCompile(`\$(|__\w+){([^}]+)}`)

// expand replaces environment and then file expressions in every value. The
// order is Grafana's: a file's path cannot come from the environment.
func expand(f *ini.File) error {
	for _, e := range []struct {
		name  string
		value func(string) (string, error)
	}{{"env", expandEnv}, {"file", expandFile}} {
		for _, section := range f.Sections() {
			for _, key := range section.Keys() {
				v, err := replace(key.Value(), e.name, e.value)
				if err != nil {
					return fmt.Errorf("got error while expanding %s.%s with expander '%s': %w", section.Name(), key.Name(), e.name, err)
				}
				key.SetValue(v)
			}
		}
	}
	return nil
}

func replace(s, name string, value func(string) (string, error)) (string, error) {
	for _, m := range expression.FindAllStringSubmatch(s, -1) {
		if m[1] != "__"+name && (m[1] != "" || name != "env") {
			continue
		}
		v, err := value(m[2])
		if err != nil {
			return "", err
		}
		s = strings.Replace(s, m[0], v, 1)
	}
	return s, nil
}

func expandEnv(name string) (string, error) {
	if v := os.Getenv(name); v != "" || name != "HOSTNAME" {
		return v, nil
	}
	return os.Hostname()
}

func expandFile(path string) (string, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return strings.TrimSpace(string(b)), nil
}
