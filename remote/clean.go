package remote

import (
	"bytes"
	"fmt"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Clean makes text from a host harmless to a terminal, a log and a reader: control
// characters other than newline and tab, C0 and C1, marks that turn the direction of
// writing, separators that look like line ends, invisible tags and bytes that are no
// UTF-8 become visible dots.
func Clean(text string) string {
	return strings.Map(func(r rune) rune {
		if !Harmless(r) {
			return '·'
		}
		return r
	}, text)
}

// Harmless tells whether a character shows what it is.
func Harmless(r rune) bool {
	switch {
	case r == '\n', r == '\t':
		return true
	case r == utf8.RuneError, unicode.IsControl(r):
		return false
	case r < 0x300:
		return true
	}
	return !unicode.Is(deceiving, r)
}

// deceiving are format characters that change how other text is shown (UTS #39, Trojan
// Source). The joiners of scripts and emoji are not among them.
var deceiving = &unicode.RangeTable{
	R16: []unicode.Range16{
		{Lo: 0x061c, Hi: 0x061c, Stride: 1}, // Arabic letter mark
		{Lo: 0x200b, Hi: 0x200b, Stride: 1}, // zero width space
		{Lo: 0x200e, Hi: 0x200f, Stride: 1}, // left-to-right, right-to-left mark
		{Lo: 0x2028, Hi: 0x202e, Stride: 1}, // separators, embeddings, overrides
		{Lo: 0x2060, Hi: 0x206f, Stride: 1}, // word joiner, isolates, deprecated formats
		{Lo: 0xfeff, Hi: 0xfeff, Stride: 1}, // zero width no-break space
		{Lo: 0xfff9, Hi: 0xfffb, Stride: 1}, // interlinear annotation
	},
	R32: []unicode.Range32{{Lo: 0xe0000, Hi: 0xe007f, Stride: 1}}, // tags
}

// EscapeJSON gives a JSON document in which the characters that are not harmless are
// escaped (\u009b). A value keeps every character of it.
func EscapeJSON(document []byte) []byte {
	var out bytes.Buffer
	out.Grow(len(document))
	for in := document; len(in) > 0; {
		r, n := utf8.DecodeRune(in)
		switch {
		case r < 0x7f || Harmless(r):
			out.Write(in[:n])
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			fmt.Fprintf(&out, `\u%04x\u%04x`, high, low)
		default:
			fmt.Fprintf(&out, `\u%04x`, r)
		}
		in = in[n:]
	}
	return out.Bytes()
}
