package labtest

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"
)

// RealEnv names the variable that holds a folder of real Grafana tarballs,
// grafana-VERSION.linux-ARCH.tar.gz.
const RealEnv = "GHADEPLOY_GRAFANA_DIR"

// The versions that tests deploy and move between: a patch, a minor version
// and a major one.
const (
	V1031 = "10.3.1"
	V1032 = "10.3.2"
	V1040 = "10.4.0"
	V1160 = "11.6.0"
)

// Flags of the stand-in's packer for releases that misbehave; with FaultOn("h2")
// on that host alone.
const (
	SlowMigration = "-slow-migration=20s"
	FailMigration = "-fail-migration"
	SlowStart     = "-start-delay=10s"
	FailStart     = "-fail-start"
	Crash         = "-crash-after=2s"
	Unhealthy     = "-unhealthy"
	IgnoreStop    = "-ignore-stop"
)

// FaultOn limits the faults of a release to one host.
func FaultOn(host string) string { return "-fault-host=" + host }

// Release is the path of a release's tarball: from GHADEPLOY_GRAFANA_DIR when
// that holds the version and no flags are asked for, else the stand-in's,
// packed when it is first needed. Flags are those of internal/standin/cmd/pack.
func (l *Lab) Release(t testing.TB, version string, flags ...string) string {
	t.Helper()
	path, err := Release(t.Context(), version, flags...)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// Releases are the tarballs of releases that share a database, by version; want has
// their flags. They are real ones only when there is one of each version that gets at
// the database: no Grafana goes on with the tables of a stand-in, nor the other way round.
func (l *Lab) Releases(t testing.TB, want map[string][]string) map[string]string {
	t.Helper()
	for version, flags := range want {
		if !slices.Equal(flags, []string{FailStart}) && (len(flags) > 0 || realRelease(version) == "") {
			return l.StandIns(t, want)
		}
	}
	paths := map[string]string{}
	for version, flags := range want {
		paths[version] = l.Release(t, version, flags...)
	}
	return paths
}

// StandIns is [Lab.Releases] with stand-ins only, for tests that need their faults in
// one of several steps.
func (l *Lab) StandIns(t testing.TB, want map[string][]string) map[string]string {
	t.Helper()
	paths := map[string]string{}
	for version, flags := range want {
		path, err := standIn(t.Context(), version, flags)
		if err != nil {
			t.Fatal(err)
		}
		paths[version] = path
	}
	return paths
}

// Release is what [Lab.Release] does, for programs that are no tests.
func Release(ctx context.Context, version string, flags ...string) (string, error) {
	if real := realRelease(version); real != "" && len(flags) == 0 {
		return real, nil
	}
	return standIn(ctx, version, flags)
}

func archiveName(version string) string {
	return fmt.Sprintf("grafana-%s.linux-%s.tar.gz", version, runtime.GOARCH)
}

// realRelease is the tarball in GHADEPLOY_GRAFANA_DIR; empty when there is none.
func realRelease(version string) string {
	dir := os.Getenv(RealEnv)
	path := filepath.Join(dir, archiveName(version))
	if _, err := os.Stat(path); dir == "" || err != nil {
		return ""
	}
	return path
}

// standIn packs the stand-in once for each source and flags.
func standIn(ctx context.Context, version string, flags []string) (string, error) {
	name := archiveName(version)
	source := filepath.Join(Root(), "internal", "standin")
	sum, err := hashTree(source)
	if err != nil {
		return "", fmt.Errorf("hashing the stand-in's source: %w", err)
	}
	// a folder per source and flags, so that a changed stand-in is packed anew
	variant := sha256.Sum256([]byte(strings.Join(flags, "\n")))
	dir := filepath.Join(Root(), ".cache", "releases", sum+"-"+hex.EncodeToString(variant[:4]))
	path := filepath.Join(dir, name)
	unlock, err := lockDir(dir)
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	return path, pack(ctx, source, version, path, flags)
}

func lockDir(dir string) (func(), error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(filepath.Join(dir, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return func() { _ = f.Close() }, nil
}

// pack builds under another name and renames, for a run may be killed half way.
func pack(ctx context.Context, source, version, path string, flags []string) error {
	part, err := os.MkdirTemp(filepath.Dir(path), "part-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(part)
	args := append([]string{"run", "./cmd/pack", "-version", version, "-arch", runtime.GOARCH, "-out", part}, flags...)
	cmd := exec.CommandContext(ctx, "go", args...)
	cmd.Dir = source
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("packing stand-in %s: %w: %s", version, err, out)
	}
	return os.Rename(filepath.Join(part, filepath.Base(path)), path)
}

// hashTree is a short hash of all files below dir, names and contents.
func hashTree(dir string) (string, error) {
	h := sha256.New()
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() || strings.HasSuffix(path, "_test.go") {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		fmt.Fprintf(h, "%s\n", strings.TrimPrefix(path, dir))
		_, err = io.Copy(h, f)
		return err
	})
	return hex.EncodeToString(h.Sum(nil)[:6]), err
}
