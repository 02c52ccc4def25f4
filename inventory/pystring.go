package inventory

import (
	"strconv"
	"strings"
	"unicode/utf8"
)

// strings reads one string or several that stand side by side, which Python puts together.
func (l *literal) strings() (*node, bool) {
	var all strings.Builder
	for count := 0; ; count++ {
		l.blanks()
		if count > 0 && !l.stringBegins() {
			return l.node(scalarShape, "!!str", all.String()), true
		}
		if !l.string(&all) {
			return nil, false
		}
	}
}

// prefix is what stands before the quote: r, b, u and both of br.
func (l *literal) prefix() string {
	rest := l.text[l.at:]
	for i := 0; i < len(rest) && i < 3; i++ {
		switch c := rest[i]; {
		case c == '"' || c == '\'':
			return strings.ToLower(rest[:i])
		case !strings.ContainsRune("rRbBuUfF", rune(c)):
			return "?"
		}
	}
	return "?"
}

func (l *literal) stringBegins() bool { return l.prefix() != "?" }

func (l *literal) string(all *strings.Builder) bool {
	prefix := l.prefix()
	switch prefix {
	case "", "r", "u", "b", "br", "rb":
	default:
		return false
	}
	l.at += len(prefix)
	quote := l.text[l.at : l.at+1]
	if triple := strings.Repeat(quote, 3); strings.HasPrefix(l.text[l.at:], triple) {
		quote = triple
	}
	l.at += len(quote)
	raw, bytes := strings.Contains(prefix, "r"), strings.Contains(prefix, "b")
	for l.at < len(l.text) {
		rest := l.text[l.at:]
		switch {
		case strings.HasPrefix(rest, quote):
			l.at += len(quote)
			return true
		case rest[0] == '\\' && len(rest) == 1:
			return false
		case rest[0] == '\\' && raw:
			_, size := utf8.DecodeRuneInString(rest[1:])
			all.WriteString(rest[:1+size])
			l.at += 1 + size
		case rest[0] == '\\':
			if !l.escape(all, bytes) {
				return false
			}
		case bytes && rest[0] > 127:
			return false
		default:
			all.WriteByte(rest[0])
			l.at++
		}
	}
	return false
}

// pyEscapes are the escapes of one character.
var pyEscapes = map[byte]byte{'\\': '\\', '\'': '\'', '"': '"', 'a': '\a', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t', 'v': '\v'}

// escape reads a backslash and what belongs to it; of an escape that Python does not know
// both characters stay.
func (l *literal) escape(all *strings.Builder, bytes bool) bool {
	rest := l.text[l.at+1:]
	if c, ok := pyEscapes[rest[0]]; ok {
		all.WriteByte(c)
		l.at += 2
		return true
	}
	digits, base, skip := escapeDigits(rest, bytes)
	switch {
	case digits == 0 && rest[0] == 'N' && !bytes:
		return false // the names of all characters are not kept here
	case digits == 0:
		all.WriteByte('\\')
		l.at++
		return true
	case len(rest) < skip+digits:
		return false
	}
	code, err := strconv.ParseUint(rest[skip:skip+digits], base, 32)
	if err != nil || !utf8.ValidRune(rune(code)) {
		return false
	}
	all.WriteRune(rune(code))
	l.at += 1 + skip + digits
	return true
}

// escapeDigits says how many digits make a character, of which base, and how many letters
// stand before them; no digits where it is another escape, or none.
func escapeDigits(rest string, bytes bool) (digits, base, skip int) {
	switch c := rest[0]; {
	case c == 'x':
		return 2, 16, 1
	case c == 'u' && !bytes:
		return 4, 16, 1
	case c == 'U' && !bytes:
		return 8, 16, 1
	}
	for digits < 3 && digits < len(rest) && rest[digits] >= '0' && rest[digits] <= '7' {
		digits++
	}
	return digits, 8, 0
}
