package remote

import (
	"bytes"
	"io"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

func FuzzClean(f *testing.F) {
	for _, seed := range []string{"plain", "\x1b]52;c;AA==\x07", "\u009b31m\x9b", "\u202eabc", "日本\n\ttab", "\xed\xa0\x80"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got := Clean(text)
		if !utf8.ValidString(got) || strings.ContainsAny(got, "\x1b\x00\r\x7f\u009b\u202e") || Clean(got) != got {
			t.Errorf("%q became %q", text, got)
		}
	})
}

// What goes in frames comes out as it was.
func FuzzFraming(f *testing.F) {
	f.Add([]byte("secret\n"), 3)
	f.Add(bytes.Repeat([]byte{'0', '\n'}, 1000), 7)
	f.Fuzz(func(t *testing.T, input []byte, cut int) {
		var wire bytes.Buffer
		w := &frameWriter{w: &wire}
		at := min(max(cut, 0), len(input))
		for _, part := range [][]byte{input[:at], input[at:]} {
			if _, err := w.Write(part); err != nil {
				t.Fatal(err)
			}
		}
		_ = w.Close()
		var out []byte
		for {
			head, err := wire.ReadString('\n')
			if err != nil {
				t.Fatal("no end")
			}
			n, err := strconv.Atoi(strings.TrimSuffix(head, "\n"))
			if err != nil {
				t.Fatal(err)
			}
			if n == 0 {
				break
			}
			part := make([]byte, n)
			if _, err := io.ReadFull(&wire, part); err != nil {
				t.Fatal(err)
			}
			out = append(out, part...)
		}
		if !bytes.Equal(out, input) || wire.Len() > 0 {
			t.Errorf("%q became %q", input, out)
		}
	})
}

func FuzzKnownHosts(f *testing.F) {
	key := strings.TrimSpace("ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz1HwHReVWwqYBjqbNqkjnVbFHSmrBIDTKJ4k")
	for _, seed := range []string{"h1 " + key, "@revoked * " + key, "|1|a|b " + key, "[h1]:2222,!h2 " + key, "@cert-authority *", "h1 ssh-rsa AAAA", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		file := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "known_hosts"), text, 0o600)
		db, err := (&knownFiles{}).load([]string{file})
		if err == nil {
			_ = inOrder(db.HostKeyAlgorithms("h1:22"), offered(false))
		}
	})
}

func FuzzSSHConfig(f *testing.F) {
	for _, seed := range []string{"Host *\n  User x\n", "Match exec \"id\"\nPort 1\nHost a\n", "Host a\nProxyJump a,b\n", "Include *\n", "Host \"a\nPort 0"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if strings.Contains(strings.ToLower(text), "include") {
			t.Skip("would read files of this machine")
		}
		file := remotetest.WriteFile(t, filepath.Join(t.TempDir(), "config"), text, 0o600)
		route, err := loadConfig([]string{file}, nil).route(Target{Name: "a", Address: "a"})
		if err == nil && len(route) == 0 {
			t.Error("a way without a hop")
		}
	})
}
