// Package quote makes shell lines of words. It is a package of its own so that what plans and
// shows commands needs nothing that connects to hosts.
package quote

import "strings"

// Words makes one POSIX shell line of words: each word reaches the command
// exactly as it is, whatever characters it has. A NUL byte cannot be passed to
// any process and is dropped.
func Words(words ...string) string {
	var b strings.Builder
	for i, w := range words {
		if i > 0 {
			b.WriteByte(' ')
		}
		quoteWord(&b, w)
	}
	return b.String()
}

func quoteWord(b *strings.Builder, word string) {
	word = strings.ReplaceAll(word, "\x00", "")
	if word != "" && !strings.ContainsFunc(word, needsQuote) {
		b.WriteString(word)
		return
	}
	b.WriteByte('\'')
	b.WriteString(strings.ReplaceAll(word, "'", `'\''`))
	b.WriteByte('\'')
}

// needsQuote is deliberately narrow: what is not plainly harmless gets quotes.
// '=' is quoted because VAR=x before a command is an assignment, '~' because
// it expands.
func needsQuote(r rune) bool {
	switch {
	case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
		return false
	}
	return !strings.ContainsRune("-_./:,@+", r)
}
