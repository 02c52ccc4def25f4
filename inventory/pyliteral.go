package inventory

import (
	"fmt"
	"math"
	"math/big"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"
)

// pythonLiteral is the value of a variable in an INI inventory: a literal of Python where the
// text is one, as Ansible's ast.literal_eval reads it (10, 0x1f, True, None, 'a', [1, 2],
// {'a': 1}), and else the text itself: yes, 007, 10.0.0.1. Behind a literal a # begins a
// comment. An error says that the value is nested too deep to be looked at.
func pythonLiteral(text string, pos Position) (*node, error) {
	l := &literal{text: text, pos: pos}
	n, ok := l.whole()
	if l.deep {
		return nil, fmt.Errorf("the value is nested more than %d deep", maxDepth)
	}
	if !ok {
		return &node{shape: scalarShape, tag: "!!str", quoted: true, text: text, pos: pos}, nil
	}
	return n, nil
}

// literal is a reader of one text; each of its methods says whether it found what it is for.
type literal struct {
	text  string
	at    int
	depth int
	deep  bool
	pos   Position
}

func (l *literal) node(s shape, tag, text string) *node {
	return &node{shape: s, tag: tag, text: text, quoted: tag == "!!str", pos: l.pos}
}

func (l *literal) blanks() {
	for l.at < len(l.text) && strings.IndexByte(" \t\f", l.text[l.at]) >= 0 {
		l.at++
	}
}

// next takes one character.
func (l *literal) next(c byte) bool {
	l.blanks()
	if l.at >= len(l.text) || l.text[l.at] != c {
		return false
	}
	l.at++
	return true
}

// whole is a value, or several with commas between, and the end of the text.
func (l *literal) whole() (*node, bool) {
	n, ok := l.value()
	if !ok {
		return nil, false
	}
	if l.next(',') {
		items, _, ok := l.items(0)
		if !ok {
			return nil, false
		}
		n = &node{shape: listShape, pos: l.pos, items: append([]*node{n}, items...)}
	}
	l.blanks()
	return n, l.at == len(l.text) || l.text[l.at] == '#'
}

func (l *literal) value() (*node, bool) {
	l.blanks()
	if l.at >= len(l.text) {
		return nil, false
	}
	if l.depth++; l.depth > maxDepth {
		l.deep = true
		return nil, false
	}
	defer func() { l.depth-- }()
	switch c := l.text[l.at]; {
	case c == '[' || c == '(':
		return l.list(c)
	case c == '{':
		return l.braces()
	case c == '+' || c == '-' || c == '.' || c >= '0' && c <= '9':
		return l.number()
	}
	for word, n := range map[string]*node{"True": l.node(scalarShape, "!!bool", "true"), "False": l.node(scalarShape, "!!bool", "false"),
		"None": l.node(nullShape, "!!null", "")} {
		if strings.HasPrefix(l.text[l.at:], word) && !wordGoesOn(l.text[l.at+len(word):]) {
			l.at += len(word)
			return n, true
		}
	}
	return l.strings()
}

func wordGoesOn(rest string) bool {
	r, _ := utf8.DecodeRuneInString(rest)
	return r == '_' || r >= '0' && r <= '9' || r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r > 127 && r != utf8.RuneError
}

// list is [1, 2] or (1, 2); (1) is 1.
func (l *literal) list(open byte) (*node, bool) {
	l.at++
	end := map[byte]byte{'[': ']', '(': ')'}[open]
	items, comma, ok := l.items(end)
	if !ok {
		return nil, false
	}
	if open == '(' && len(items) == 1 && !comma {
		return items[0], true
	}
	return &node{shape: listShape, pos: l.pos, items: items}, true
}

// items reads values up to end, and takes that; comma says that one stood before it.
func (l *literal) items(end byte) (items []*node, comma, ok bool) {
	for {
		if end != 0 && l.next(end) {
			return items, comma, true
		}
		l.blanks()
		if end == 0 && (l.at == len(l.text) || l.text[l.at] == '#') {
			return items, comma, true
		}
		if len(items) > 0 && !comma {
			return nil, false, false
		}
		n, ok := l.value()
		if !ok {
			return nil, false, false
		}
		items, comma = append(items, n), l.next(',')
	}
}

// braces is {'a': 1}; what has no keys is a set, which stands in no JSON.
func (l *literal) braces() (*node, bool) {
	l.at++
	out := &node{shape: mapShape, pos: l.pos}
	index := map[string]int{}
	for comma := true; ; {
		if l.next('}') {
			return out, true
		}
		if !comma {
			return nil, false
		}
		k, ok := l.value()
		if !ok || !l.next(':') {
			return nil, false
		}
		key, ok := literalKey(k)
		if !ok {
			return nil, false
		}
		v, ok := l.value()
		if !ok {
			return nil, false
		}
		if at, again := index[key]; again {
			out.entries[at].value = v
		} else {
			index[key] = len(out.entries)
			out.entries = append(out.entries, entry{key: key, pos: l.pos, value: v})
		}
		comma = l.next(',')
	}
}

func literalKey(k *node) (string, bool) {
	switch k.shape {
	case nullShape:
		return "null", true
	case scalarShape:
		return k.text, true
	}
	return "", false
}

// pyNumber is a number of Python, without its sign and without imaginary ones.
var pyNumber = regexp.MustCompile(`^(?:0[xX](?:_?[0-9a-fA-F])+|0[oO](?:_?[0-7])+|0[bB](?:_?[01])+|` +
	`(?:[0-9](?:_?[0-9])*)?\.[0-9](?:_?[0-9])*(?:[eE][-+]?[0-9](?:_?[0-9])*)?|[0-9](?:_?[0-9])*\.?[eE][-+]?[0-9](?:_?[0-9])*|[0-9](?:_?[0-9])*\.|` +
	`0(?:_?0)*|[1-9](?:_?[0-9])*)`)

// maxDigits is where Python stops to read integers.
const maxDigits = 4300

func (l *literal) number() (*node, bool) {
	sign := ""
	if c := l.text[l.at]; c == '+' || c == '-' {
		l.at++
		l.blanks()
		if c == '-' {
			sign = "-"
		}
	}
	digits := pyNumber.FindString(l.text[l.at:])
	if digits == "" || len(digits) > maxDigits || wordGoesOn(l.text[l.at+len(digits):]) {
		return nil, false
	}
	l.at += len(digits)
	plain := strings.ReplaceAll(digits, "_", "")
	if base := strings.ToLower(plain); !strings.HasPrefix(base, "0x") && strings.ContainsAny(base, ".e") {
		f, err := strconv.ParseFloat(sign+plain, 64)
		if err != nil || math.IsInf(f, 0) {
			return nil, false
		}
		return l.node(scalarShape, "!!float", floatText(f)), true
	}
	if strings.Trim(plain, "0") == "" {
		plain = "0" // 00 is 0 to Python
	}
	i, ok := new(big.Int).SetString(sign+plain, 0)
	if !ok {
		return nil, false
	}
	return l.node(scalarShape, "!!int", i.String()), true
}

// floatText is a float as YAML 1.1 reads it again: with a dot.
func floatText(f float64) string {
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, "e.") {
		return text + ".0"
	}
	if at := strings.IndexByte(text, 'e'); at >= 0 && !strings.Contains(text, ".") {
		return text[:at] + ".0" + text[at:]
	}
	return text
}
