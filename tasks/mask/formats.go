package mask

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"io"
	"regexp"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

// finding is a secret at its place in a file.
type finding struct {
	value string
	line  int // from 1
	// column, from 1 and in bytes, is where the value begins on its line; 0: unknown.
	column int
	// block: the value stands on the lines below, further in than this line; goesOn: it may.
	block, goesOn bool
}

// hideFound replaces every finding at its place, the last ones of a line first.
func hideFound(text string, found []finding) string {
	slices.SortStableFunc(found, func(a, b finding) int { return cmp.Or(cmp.Compare(a.line, b.line), cmp.Compare(b.column, a.column)) })
	lines := strings.Split(text, "\n")
	for _, f := range found {
		if f.line < 1 || f.line > len(lines) {
			continue
		}
		line, whole := lines[f.line-1], true
		if !f.block {
			head, rest := line, ""
			if f.column > 0 && f.column-1 <= len(line) {
				head, rest = line[:f.column-1], line[f.column-1:]
			}
			rest, whole = hideIn(rest, f.value)
			lines[f.line-1] = head + rest
		}
		if f.block || f.goesOn && !whole {
			hideBelow(lines, f.line-1, line)
		}
	}
	return strings.Join(lines, "\n")
}

// properties stand before a value in YAML: an anchor, a tag.
var properties = regexp.MustCompile(`^(?:[&!]\S*\s+)+`)

// hideIn replaces a value at the beginning of a text in whichever spelling it has there; whole
// tells whether it was all of the value. Where no spelling is found, what is in quotes goes,
// or all of the text.
func hideIn(rest, value string) (out string, whole bool) {
	head := properties.FindString(rest)
	rest = rest[len(head):]
	if strings.HasPrefix(strings.TrimLeft(rest, `"'`), "[secret ") {
		return head + rest, true
	}
	for _, spelled := range append([]string{value}, spellings(value)...) {
		for _, quote := range []string{`"`, `'`, ""} {
			if after, ok := strings.CutPrefix(rest, quote+spelled+quote); ok && spelled != "" {
				return head + quote + Secret(value) + quote + after, true
			}
		}
	}
	if rest != "" && (rest[0] == '"' || rest[0] == '\'') {
		for i := 1; i < len(rest); i++ {
			if rest[i] == rest[0] && (rest[0] == '\'' || !escaped([]byte(rest), i)) {
				return head + rest[:1] + Secret(value) + rest[i:], true
			}
		}
	}
	return head + Secret(value), false
}

// keyBefore is the beginning of a line of YAML up to its key, in a list or not.
var keyBefore = regexp.MustCompile(`^( *(?:- +)*)["']?[^\s"'][^:]*:`)

// hideBelow empties the lines further in than the one at index first, which was line; their
// number stays, as the text around counts on it.
func hideBelow(lines []string, first int, line string) {
	indent := indentation(line)
	if x := keyBefore.FindStringSubmatch(line); x != nil {
		indent = len(x[1])
	}
	for i := first + 1; i < len(lines); i++ {
		trimmed := strings.TrimSpace(lines[i])
		if trimmed == "" || strings.HasPrefix(trimmed, "[secret ") {
			continue
		}
		if indentation(lines[i]) <= indent {
			return
		}
		lines[i] = lines[i][:indentation(lines[i])] + Secret(trimmed)
	}
}

func indentation(line string) int { return len(line) - len(strings.TrimLeft(line, " ")) }

// yamlSecrets finds the secrets of a YAML file; ok is false for text that is none.
func yamlSecrets(b []byte) (found []finding, ok bool) {
	d := yaml.NewDecoder(bytes.NewReader(b))
	for {
		var doc yaml.Node
		err := d.Decode(&doc)
		if errors.Is(err, io.EOF) {
			return found, true
		}
		if err != nil {
			return nil, false
		}
		w := yamlWalk{lines: strings.Split(string(b), "\n"), open: map[*yaml.Node]bool{}}
		w.visit(&doc, false)
		found = append(found, w.found...)
	}
}

type yamlWalk struct {
	lines []string
	found []finding
	open  map[*yaml.Node]bool
}

func (w *yamlWalk) visit(n *yaml.Node, secret bool) {
	switch n.Kind {
	case yaml.AliasNode:
		if !w.open[n.Alias] {
			w.open[n.Alias] = true
			w.visit(n.Alias, secret)
			delete(w.open, n.Alias)
		}
	case yaml.MappingNode:
		for i := 0; i+1 < len(n.Content); i += 2 {
			key := n.Content[i].Value
			w.visit(n.Content[i+1], secret || secureKey.MatchString(key) || namesSecret(key))
		}
	case yaml.ScalarNode:
		if secret && !harmless(n.Value) {
			w.scalar(n)
		}
	default:
		for _, c := range n.Content {
			w.visit(c, secret)
		}
	}
}

func (w *yamlWalk) scalar(n *yaml.Node) {
	f := finding{value: n.Value, line: n.Line, goesOn: true, block: n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0}
	if n.Line >= 1 && n.Line <= len(w.lines) {
		// yaml counts characters, and a tag or an anchor belongs to the value.
		f.column = len(string([]rune(w.lines[n.Line-1])[:max(min(n.Column-1, len([]rune(w.lines[n.Line-1]))), 0)])) + 1
	}
	w.found = append(w.found, f)
}

// jsonSecrets finds the secrets of a JSON file; ok is false for text that is none.
func jsonSecrets(b []byte) (found []finding, ok bool) {
	if !json.Valid(b) {
		return nil, false
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	w := jsonWalk{d: d, text: b}
	ok = w.value(false, &found)
	return found, ok
}

type jsonWalk struct {
	d    *json.Decoder
	text []byte
}

func (w *jsonWalk) value(secret bool, found *[]finding) bool {
	t, err := w.d.Token()
	if err != nil {
		return false
	}
	switch v := t.(type) {
	case json.Delim:
		for w.d.More() {
			below := secret
			if v == '{' {
				key, err := w.d.Token()
				if err != nil {
					return false
				}
				name, _ := key.(string)
				below = secret || secureKey.MatchString(name) || namesSecret(name)
			}
			if !w.value(below, found) {
				return false
			}
		}
		_, err = w.d.Token()
		return err == nil
	case string:
		if secret && !harmless(v) {
			*found = append(*found, w.at(v))
		}
	case json.Number:
		if secret && !harmless(v.String()) {
			*found = append(*found, w.at(v.String()))
		}
	}
	return true
}

// at is the place of the token that was read last.
func (w *jsonWalk) at(value string) finding {
	end := int(w.d.InputOffset())
	start := end
	if w.text[end-1] == '"' {
		for start = end - 2; start > 0; start-- {
			if w.text[start] == '"' && !escaped(w.text, start) {
				break
			}
		}
	} else {
		start -= len(value)
	}
	lineStart := bytes.LastIndexByte(w.text[:start], '\n') + 1
	return finding{value: value, line: bytes.Count(w.text[:start], []byte("\n")) + 1, column: start - lineStart + 1}
}

func escaped(b []byte, at int) bool {
	n := 0
	for at--; at >= 0 && b[at] == '\\'; at-- {
		n++
	}
	return n%2 == 1
}

var (
	tableLine  = regexp.MustCompile(`^\s*\[{1,2}[^\[\]]+\]{1,2}\s*([#;].*)?$`)
	assignLine = regexp.MustCompile(`^(\s*["']?([\w. -]+?)["']?\s*[=:]\s*)(.*)$`)
)

// assignedSecrets finds the secrets of a TOML or ini file: key = value by line, tables or
// sections, and values of several lines in three quotes or backticks. ok is false for text
// that is neither.
func assignedSecrets(text string) (found []finding, ok bool) {
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := strings.TrimRight(lines[i], "\r")
		trimmed := strings.TrimSpace(line)
		if trimmed == "" || strings.ContainsAny(trimmed[:1], "#;]},") || tableLine.MatchString(line) || strings.ContainsAny(trimmed[:1], `"'{`) &&
			strings.HasSuffix(trimmed, ",") {
			continue
		}
		x := assignLine.FindStringSubmatch(line)
		if x == nil {
			return nil, false
		}
		last := i + spans(x[3], lines[i+1:])
		if namesSecret(strings.TrimSpace(x[2])) {
			found = append(found, assignedAt(lines, i, last, len(x[1])+1, x[3])...)
		}
		i = last
	}
	return found, true
}

// spans is how many further lines a value takes that begins with three quotes or a backtick.
func spans(value string, next []string) int {
	for _, quote := range []string{`"""`, `'''`, "`"} {
		rest, ok := strings.CutPrefix(strings.TrimSpace(value), quote)
		if !ok || strings.Contains(rest, quote) {
			continue
		}
		for n, l := range next {
			if strings.Contains(l, quote) {
				return n + 1
			}
		}
		return len(next)
	}
	return 0
}

// assignedAt is a value from its first line to its last.
func assignedAt(lines []string, first, last, column int, value string) (found []finding) {
	if first == last {
		if bare := strings.Trim(strings.TrimSpace(value), "\"'`"); !harmless(bare) {
			quotes := len(value) - len(strings.TrimLeft(value, "\"'`"))
			found = append(found, finding{value: bare, line: first + 1, column: column + quotes})
		}
		return found
	}
	for i := first; i <= last; i++ {
		text, at := lines[i], 1
		if i == first {
			text, at = value, column
		}
		bare := strings.Trim(strings.TrimSpace(text), "\"'`")
		if !harmless(bare) {
			found = append(found, finding{value: bare, line: i + 1, column: at})
		}
	}
	return found
}
