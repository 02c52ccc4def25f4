package grafana

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"unicode/utf8"

	"gopkg.in/ini.v1"
)

// expander and interpolation are the two ways in which Grafana rewrites a value
// after reading it: $__provider{} and ${VAR} (pkg/setting/expanders.go), and
// ini.v1's %(key)s, which also acts on what came from a file.
var (
	expander      = regexp.MustCompile(`\$(|__\w+){([^}]+)}`)
	provider      = regexp.MustCompile(`\$__\w+{([^}]+)}`)
	interpolation = regexp.MustCompile(`%\(([^)]+)\)s`)
)

// errValue is why a value cannot be carried; it never holds the value.
type errValue struct{ why string }

func (e errValue) Error() string { return e.why }

// quoteINI spells value so that Grafana's ini parser reads back the same. The
// spelling is found by asking that parser, because its rules (facts: ordinary
// quotes do not protect # and ;, a trailing backslash swallows the next line)
// are not the ones anybody expects.
func quoteINI(value string) (string, error) {
	if err := oneLine(value); err != nil {
		return "", err
	}
	if plainValue.MatchString(value) {
		return value, nil
	}
	spellings := []string{value, "`" + value + "`", `"""` + value + `"""`}
	for _, s := range spellings {
		if readsBack(s, value) {
			return s, nil
		}
	}
	return "", errValue{"grafana.ini has no spelling for it (it holds both a backtick and # or ; or quotes)"}
}

// plainValue needs no quotes, as anybody can see; most values are such.
var plainValue = regexp.MustCompile(`^[A-Za-z0-9/][A-Za-z0-9_./:@,+-]*$`)

func oneLine(value string) error {
	switch {
	case strings.ContainsAny(value, "\n\r"):
		return errValue{"it holds a line break, which grafana.ini cannot carry"}
	case strings.ContainsRune(value, 0):
		return errValue{"it holds a NUL byte"}
	case !utf8.ValidString(value):
		return errValue{"it is not valid UTF-8"}
	}
	return nil
}

// readsBack says whether the parser reads value from the spelling, and leaves
// the line after it alone.
func readsBack(spelling, value string) bool {
	f, err := loadINI([]byte("[s]\nkey = " + spelling + "\nnext = 1\n[t]\nkey = 2\n"))
	if err != nil {
		return false
	}
	s := f.Section("s")
	return s.HasKey("key") && s.Key("key").Value() == value && s.Key("next").Value() == "1" &&
		len(s.Keys()) == 2 && f.Section("t").Key("key").Value() == "2"
}

// loadINI reads grafana.ini exactly as Grafana does: ini.Load with no options
// (pkg/setting/setting.go).
func loadINI(b []byte) (*ini.File, error) {
	f, err := ini.Load(b)
	if err != nil {
		return nil, fmt.Errorf("parsing grafana.ini: %w", err)
	}
	return f, nil
}

// rewritten says how Grafana would change a literal value; empty when it would not.
func rewritten(value string) string {
	if m := expander.FindString(value); m != "" {
		return "Grafana would expand " + marker(m) + " in it"
	}
	if interpolation.MatchString(value) {
		return "Grafana's ini parser would replace %(...)s in it by another key's value"
	}
	return ""
}

// marker is the kind of an expansion without its argument, which may be part of
// a secret.
func marker(m string) string {
	return m[:strings.IndexByte(m, '{')] + "{...}"
}

// checkFileSecret says why content cannot travel through $__file{}. What the
// file holds is trimmed and then still subject to %(key)s; ${VAR} in it stays
// literal, because variables are expanded before files are read.
func checkFileSecret(content string) error {
	switch {
	case content == "":
		return errValue{"it is empty, and Grafana ignores empty values"}
	case strings.TrimSpace(content) != content:
		return errValue{"it begins or ends with white space, which Grafana trims from $__file{}"}
	case strings.ContainsRune(content, 0):
		return errValue{"it holds a NUL byte"}
	case !utf8.ValidString(content):
		return errValue{"it is not valid UTF-8"}
	case interpolation.MatchString(content):
		return errValue{"Grafana's ini parser would replace %(...)s in it by another key's value"}
	case provider.MatchString(content):
		return errValue{"Grafana Enterprise would expand $__...{...} in it"}
	}
	return nil
}

// checkInline says why value cannot stand in grafana.ini itself as a literal.
func checkInline(value string) error {
	if value == "" {
		return errValue{"it is empty, and Grafana ignores empty values"}
	}
	if why := rewritten(value); why != "" {
		return errValue{why}
	}
	_, err := quoteINI(value)
	return err
}

// validName keeps section and key names to what every parser reads alike.
var validName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.\-]*$`)

var errName = errors.New("letters, digits, _ . and - only")
