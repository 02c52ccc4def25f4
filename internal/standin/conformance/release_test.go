package conformance

import (
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

// unpacked is a release ready to run.
type unpacked struct {
	home, version string
	standin       bool
}

// unpack extracts an archive as an operator would.
func unpack(t *testing.T, archive string) unpacked {
	t.Helper()
	dir := t.TempDir()
	if b, err := exec.Command("tar", "xzf", archive, "--strip-components=1", "-C", dir).CombinedOutput(); err != nil {
		t.Fatalf("unpacking %s: %v: %s", archive, err, b)
	}
	b, err := os.ReadFile(filepath.Join(dir, "VERSION"))
	if err != nil {
		t.Fatal(err)
	}
	return unpacked{home: dir, version: strings.TrimSpace(string(b))}
}

// standin packs a release of our own.
func standin(t *testing.T, o release.Options) unpacked {
	t.Helper()
	o.Arch, o.Dir = runtime.GOARCH, t.TempDir()
	archive, err := release.Pack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	u := unpack(t, archive)
	u.standin = true
	return u
}

// realReleases are the archives in GHADEPLOY_GRAFANA_DIR that this machine can run.
func realReleases(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("GHADEPLOY_GRAFANA_DIR")
	if dir == "" {
		t.Skip("needs a real release: set GHADEPLOY_GRAFANA_DIR to a folder with grafana-10.3.1.linux-" + runtime.GOARCH + ".tar.gz")
	}
	files, err := filepath.Glob(filepath.Join(dir, "grafana-10.3*linux-"+runtime.GOARCH+".tar.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archive of a 10.3 in %s (%v)", dir, err)
	}
	return files
}
