package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/internal/ui"
)

// traceIn is the one trace below the folder for temporary files: its mode and content.
func traceIn(t *testing.T, dir string) (path, content string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(dir, "ghadeploy-fault-*.txt"))
	if err != nil || len(files) != 1 {
		t.Fatalf("got %v, %v", files, err)
	}
	info, err := os.Stat(files[0])
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
	b, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	return files[0], string(b)
}

func TestAPanicOfACommandIsAMessageAnExitCodeAndAFile(t *testing.T) {
	for _, mode := range []string{"text", "json"} {
		t.Run(mode, func(t *testing.T) {
			dir, tmp := t.TempDir(), t.TempDir()
			t.Setenv("TMPDIR", tmp)
			t.Setenv("SECRET_KEY", "x")
			if err := os.WriteFile(filepath.Join(dir, "prod.yaml"), []byte(scriptInventory), 0o600); err != nil {
				t.Fatal(err)
			}
			code, out, errOut := run(t, dir, "", errPanics, "unlock", filepath.Join(dir, "prod.yaml"), "--yes", "-o", mode)
			path, content := traceIn(t, tmp)
			said := strings.Join(strings.Fields(out+errOut), " ")
			if code != exitFailed || !strings.Contains(said, "internal error: on purpose") || !strings.Contains(said, path) {
				t.Errorf("exit %d: %s", code, said)
			}
			if regexp.MustCompile(`goroutine \d|\.go:\d`).MatchString(said) {
				t.Errorf("a stack is in the message: %s", said)
			}
			if !strings.Contains(content, "fake_test.go") {
				t.Errorf("no trace:\n%s", content)
			}
		})
	}
}

func TestAPanicThatNobodyWaitsForEndsTheProcessWithAMessage(t *testing.T) {
	tmp := t.TempDir()
	t.Setenv("TMPDIR", tmp)
	var said strings.Builder
	a := &app{streams: ui.Streams{Out: &said, Err: &said, Size: func() (int, int) { return 200, 0 }}}
	code := -1
	a.lonelyFault(func(c int) { code = c })(guard.Caught("alone"))
	path, _ := traceIn(t, tmp)
	if code != exitFailed || !strings.Contains(strings.Join(strings.Fields(said.String()), " "), "internal error: alone") || !strings.Contains(strings.ReplaceAll(said.String(), "\n", ""), filepath.Base(path)) {
		t.Errorf("exit %d: %s", code, said.String())
	}
}
