package remote

import (
	"bytes"
	"os/exec"
	"strings"
	"testing"
)

func TestQuote(t *testing.T) {
	for _, test := range []struct {
		words []string
		want  string
	}{
		{nil, ""},
		{[]string{""}, "''"},
		{[]string{"ls", "-l", "/opt/a.b_c"}, "ls -l /opt/a.b_c"},
		{[]string{"it's"}, `'it'\''s'`},
		{[]string{"A=b", "~x", "$(x)", "a b"}, `'A=b' '~x' '$(x)' 'a b'`},
		{[]string{"a\x00b"}, "ab"},
	} {
		if got := Quote(test.words...); got != test.want {
			t.Errorf("%q: got %s, want %s", test.words, got, test.want)
		}
	}
}

func FuzzQuote(f *testing.F) {
	for _, s := range []string{"", "'", "a b", "$x `y` \\ \" ! * ? [z] ~", "\n", "-n", "é\xff", "=a", "#c"} {
		f.Add(s, s+"'")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		if len(a)+len(b) > 1000 {
			t.Skip("longer than what tells anything new")
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", Quote("printf", `%s\0%s`, a, b)).Output()
		if err != nil {
			t.Fatal(err)
		}
		want := strings.ReplaceAll(a, "\x00", "") + "\x00" + strings.ReplaceAll(b, "\x00", "")
		if !bytes.Equal(out, []byte(want)) {
			t.Errorf("got %q, want %q", out, want)
		}
	})
}
