package conformance

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/release"
)

// unpacked is a release ready to run.
type unpacked struct {
	home, version string
	// command starts the server.
	command []string
	standin bool
}

// atLeast tells whether it is this version or a later one.
func (u unpacked) atLeast(major, minor int) bool {
	var has [2]int
	_, _ = fmt.Sscanf(u.version, "%d.%d", &has[0], &has[1])
	return has[0] > major || has[0] == major && has[1] >= minor
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
	u := unpacked{home: dir, version: strings.TrimSpace(string(b)), command: []string{filepath.Join(dir, "bin/grafana"), "server"}}
	if _, err := os.Stat(u.command[0]); err != nil {
		u.command = []string{filepath.Join(dir, "bin/grafana-server")} // before 9.4
	}
	return u
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

// realReleases are the archives in GHADEPLOY_GRAFANA_DIR that this machine can run,
// the oldest version first.
func realReleases(t *testing.T) []string {
	t.Helper()
	dir := os.Getenv("GHADEPLOY_GRAFANA_DIR")
	if dir == "" {
		t.Skip("needs real releases: set GHADEPLOY_GRAFANA_DIR to a folder with grafana-10.3.1.linux-" + runtime.GOARCH + ".tar.gz or others")
	}
	files, err := filepath.Glob(filepath.Join(dir, "grafana-*.linux-"+runtime.GOARCH+".tar.gz"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no archive in %s (%v)", dir, err)
	}
	slices.SortFunc(files, func(a, b string) int { return slices.Compare(numbers(a), numbers(b)) })
	return files
}

// numbers are those of the version in an archive's name.
func numbers(path string) []int {
	var v [3]int
	_, _ = fmt.Sscanf(filepath.Base(path), "grafana-%d.%d.%d", &v[0], &v[1], &v[2])
	return v[:]
}
