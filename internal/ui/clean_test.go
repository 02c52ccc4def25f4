package ui

import (
	"bytes"
	"encoding/json"
	"io"
	"strings"
	"testing"
)

// shown is what of a text reaches the terminal.
func shown(text string) string {
	var b bytes.Buffer
	_, _ = io.WriteString(clean(&b, false), text)
	return b.String()
}

const attack = "a\x1b[2Jb\x1b]52;c;eA==\x07c\u009b31md\x9b31me\u202ef\u2066g\rh\x7fi\ufeffj\U000e0041k\x1b[31ml\x1bPm\u2028n"

func TestNothingOfAHostMovesTheTerminal(t *testing.T) {
	got := shown(attack + "\ttab\nline")
	for _, r := range got {
		if r < 0x20 && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 || r == '\u202e' || r == '\u2066' || r == '\ufeff' || r == '\u2028' {
			t.Fatalf("%U in %q", r, got)
		}
	}
	if !strings.HasSuffix(got, "\ttab\nline") || !strings.HasPrefix(got, "a·[2Jb·]52;c;eA==·c·31md·31me·f·g·h·i·j·k") {
		t.Errorf("got %q", got)
	}
	if got := shown("größe 日本 👩‍👩‍👧 naïve é"); got != "größe 日本 👩‍👩‍👧 naïve é" {
		t.Errorf("ordinary text became %q", got)
	}
}

func TestOwnColoursPassAndForgedOnesDoNot(t *testing.T) {
	s := Style{Color: true}
	if got := shown(s.Good("ok") + "\x1b[32mforged\x1b[0m"); got != "\x1b[32mok\x1b[0m·[32mforged·[0m" {
		t.Errorf("got %q", got)
	}
	// However the writes are cut.
	var b bytes.Buffer
	w := clean(&b, true)
	for _, c := range []byte(s.Bad("grün") + "\x1b[31m") {
		_, _ = w.Write([]byte{c})
	}
	if _, _ = w.Write([]byte("x")); b.String() != "\x1b[31mgrün\x1b[0m·[31mx" {
		t.Errorf("got %q", b.String())
	}
}

func TestALineThatNobodyCanReadIsCut(t *testing.T) {
	var b bytes.Buffer
	w := clean(&b, true)
	for range 100 {
		_, _ = io.WriteString(w, strings.Repeat("x", 10<<10))
	}
	_, _ = io.WriteString(w, "\nnext\n")
	if b.Len() > lineOnTerminal+100 || !strings.HasSuffix(b.String(), "left out)\nnext\n") {
		t.Errorf("%d bytes, the end is %q", b.Len(), b.String()[b.Len()-60:])
	}
}

func TestJSONKeepsEveryCharacterAndIsHarmlessToATerminal(t *testing.T) {
	var b bytes.Buffer
	enc := json.NewEncoder(JSON(clean(&b, true)))
	if err := enc.Encode(map[string]string{"text": attack}); err != nil {
		t.Fatal(err)
	}
	if got := shown(b.String()); got != b.String() {
		t.Errorf("the document is not clean: %q", b.String())
	}
	var back map[string]string
	if err := json.Unmarshal(b.Bytes(), &back); err != nil || back["text"] != strings.ToValidUTF8(attack, "\ufffd") {
		t.Errorf("got %q, %v", back["text"], err)
	}
}
