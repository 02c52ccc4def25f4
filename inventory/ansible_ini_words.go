package inventory

import (
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// iniWord is a word of a host's line, without its quotes.
type iniWord struct {
	text   string
	column int // of its first character, from 0
}

// iniWords splits the line of a host as Python's shlex does with comments=True: a # outside
// quotes ends the line, in the middle of a word too; a backslash takes the next character
// as it is, within double quotes only a quote or another backslash.
func iniWords(text string) ([]iniWord, error) {
	w := wordReader{start: -1}
	for _, c := range text {
		if w.take(c) {
			break
		}
		w.column++
	}
	switch {
	case w.escaped:
		return nil, errors.New("the line ends with a backslash")
	case w.quote != 0:
		return nil, fmt.Errorf("the line has a quote %c that is not closed", w.quote)
	}
	w.end()
	return w.words, nil
}

// wordReader takes a line apart, one character at a time.
type wordReader struct {
	words   []iniWord
	word    strings.Builder
	start   int // column of the word that is being read; -1 between words
	column  int
	quote   rune
	escaped bool
}

// take says that the line ends here.
func (w *wordReader) take(c rune) bool {
	switch {
	case w.escaped:
		if w.quote == '"' && c != '"' && c != '\\' {
			w.word.WriteByte('\\')
		}
		w.word.WriteRune(c)
		w.escaped = false
	case w.quote != 0:
		w.quoted(c)
	default:
		return w.bare(c)
	}
	return false
}

func (w *wordReader) quoted(c rune) {
	switch {
	case c == w.quote:
		w.quote = 0
	case c == '\\' && w.quote == '"':
		w.escaped = true
	default:
		w.word.WriteRune(c)
	}
}

func (w *wordReader) bare(c rune) (end bool) {
	switch c {
	case '#':
		return true
	case ' ', '\t', '\r', '\n':
		w.end()
		return false
	}
	if w.start < 0 {
		w.start = w.column
	}
	switch c {
	case '\\':
		w.escaped = true
	case '"', '\'':
		w.quote = c
	default:
		w.word.WriteRune(c)
	}
	return false
}

func (w *wordReader) end() {
	if w.start >= 0 {
		w.words = append(w.words, iniWord{w.word.String(), w.start})
	}
	w.word.Reset()
	w.start = -1
}

// What Ansible takes for a host, perhaps with ranges. What is none of these is a name all
// the same, but then a port is a part of it.
var (
	iniBracketed = regexp.MustCompile(`^\[(.+)\]:([0-9]+)$`)
	iniHostPort  = regexp.MustCompile(`^((?:[^:\[\]]|\[[^\]]*\])*):([0-9]+)$`)
	iniLabel     = func() string {
		const one = `(?:[\pL\pN_]|\[(?:[a-zA-Z]:[a-zA-Z]|[0-9]+:[0-9]+)(?::[0-9]+)?\])`
		const last = `(?:[\pL\pN]|\[(?:[a-zA-Z]:[a-zA-Z]|[0-9]+:[0-9]+)(?::[0-9]+)?\])`
		return `(?:` + last + `|` + one + `(?:-|` + one + `)*` + last + `)`
	}()
	iniHostname = regexp.MustCompile(`^` + iniLabel + `(?:\.` + iniLabel + `)*$`)
	// iniAddress6 may have ranges in its parts: fd00::[1:9].
	iniAddress6 = regexp.MustCompile(`^[0-9a-fA-F:.]*(?:\[[0-9a-fA-F]+:[0-9a-fA-F]+(?::[0-9]+)?\][0-9a-fA-F:.]*)*$`)
	iniRange    = regexp.MustCompile(`\[[^\]]*\]`)
)

// iniHosts are the hosts of one pattern, and the port; -1 without one.
func iniHosts(pattern string) (names []string, port int, err error) {
	name, port := pattern, -1
	for _, re := range []*regexp.Regexp{iniBracketed, iniHostPort} {
		if m := re.FindStringSubmatch(name); m != nil {
			n, err := strconv.Atoi(m[2])
			if err != nil || n > 65535 {
				return nil, -1, fmt.Errorf("%s is not a port", clip(m[2]))
			}
			name, port = m[1], n
		}
	}
	if !iniHostname.MatchString(name) && !isAddress6(name) {
		name, port = pattern, -1
	}
	switch {
	case strings.HasSuffix(name, ":") && !isAddress6(name):
		return nil, -1, fmt.Errorf("%q ends with a colon and has no port behind it", clip(name))
	case name == "---":
		return nil, -1, errors.New("--- begins a YAML file, and this is read as an INI inventory")
	case strings.HasPrefix(name, "[") && isIPv6(name):
		return nil, -1, fmt.Errorf("%q is no host", clip(name))
	}
	names, err = ExpandRange(name)
	for _, n := range names {
		if utf8.RuneCountInString(n) > maxHostName {
			return nil, -1, fmt.Errorf("a name of more than %d characters is no host's", maxHostName)
		}
	}
	return names, port, err
}

// maxHostName is what DNS allows.
const maxHostName = 253

func isAddress6(name string) bool {
	if !strings.Contains(name, ":") || !iniAddress6.MatchString(name) {
		return false
	}
	_, err := netip.ParseAddr(iniRange.ReplaceAllString(name, "1"))
	return err == nil
}
