package grafana

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// RenderEnvironment writes an EnvironmentFile= of systemd, names in order. It
// may hold secrets: systemd reads it as root, so 0640 root:grafana is enough. A
// name that is none, a line break or a NUL byte in a value is refused.
func RenderEnvironment(env map[string]string) ([]byte, error) {
	var b bytes.Buffer
	var errs []error
	b.WriteString(UnitMarker + "\n")
	for _, name := range slices.Sorted(maps.Keys(env)) {
		value := env[name]
		switch {
		case !envName.MatchString(name):
			errs = append(errs, fmt.Errorf("environment: %q is no variable name", name))
		case strings.ContainsAny(value, "\n\r\x00"), !utf8.ValidString(value):
			errs = append(errs, fmt.Errorf("environment: the value of %s holds a line break, a NUL byte or invalid UTF-8", name))
		default:
			fmt.Fprintf(&b, "%s=\"%s\"\n", name, envEscape.Replace(value))
		}
	}
	return b.Bytes(), errors.Join(errs...)
}

// envEscape escapes what a backslash escapes inside double quotes there, from
// systemd 219 on; in newer ones a backslash before anything else stays.
var envEscape = strings.NewReplacer(`\`, `\\`, `"`, `\"`, "`", "\\`", "$", `\$`)
