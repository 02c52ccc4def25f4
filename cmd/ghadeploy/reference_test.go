package main

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write docs/reference anew")

const referenceDir = "../../docs/reference"

// The committed reference of all commands is what the commands say of themselves.
// Write it anew: go test ./cmd/ghadeploy -run Reference -update
func TestReferenceOfCommandsIsCommitted(t *testing.T) {
	committed, err := filepath.Abs(referenceDir)
	if err != nil {
		t.Fatal(err)
	}
	dir := testDir(t)
	made := filepath.Join(dir, "reference")
	if code, _, errs := run(t, dir, "", nil, "man", made, "--markdown"); code != exitDone {
		t.Fatalf("exit code %d: %s", code, errs)
	}
	want := pages(t, made)
	if *update {
		rewrite(t, committed, want)
	}
	if diff := cmp.Diff(want, pages(t, committed)); diff != "" {
		t.Errorf("docs/reference is out of date (-made +committed), next: go test ./cmd/ghadeploy -run Reference -update\n%s", diff)
	}
	for name, text := range want {
		if strings.Contains(text, dir) || strings.Contains(text, os.TempDir()) {
			t.Errorf("%s names a folder of this machine", name)
		}
	}
}

// rewrite makes the Markdown files of a folder these, and no others.
func rewrite(t *testing.T, dir string, want map[string]string) {
	t.Helper()
	for name := range pages(t, dir) {
		if err := os.Remove(filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range want {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// pages are the Markdown files of a folder by name; none when it is not there.
func pages(t *testing.T, dir string) map[string]string {
	t.Helper()
	out := map[string]string{}
	files, err := filepath.Glob(filepath.Join(dir, "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		out[filepath.Base(f)] = string(text)
	}
	return out
}
