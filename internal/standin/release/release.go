// Package release packs the stand-in exactly like a Grafana release: the same
// name, top folder, layout and VERSION. The same input gives the same bytes.
package release

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
)

// Options are what a release is packed with.
type Options struct {
	// Version is "10.3.1"; it names the archive and is what the server says it is.
	Version string
	// Arch is a GOARCH: amd64, arm64.
	Arch string
	// Dir is where the archive is written; made when absent.
	Dir string
	// Faults go into the archive.
	Faults faults.Faults
	// Files and Pad imitate the size of a real release: that many files below
	// public/ with together Pad million bytes that do not compress.
	Files, Pad int
	// Binary is a server built before; empty builds one.
	Binary string
}

// Pack builds the server and writes the archive; it returns the archive's path.
func Pack(ctx context.Context, o Options) (string, error) {
	v, err := defaults.Parse(o.Version)
	if err != nil {
		return "", err
	}
	if o.Binary == "" {
		dir, err := os.MkdirTemp("", "standin")
		if err != nil {
			return "", err
		}
		defer os.RemoveAll(dir)
		o.Binary = filepath.Join(dir, "grafana")
		if err := Build(ctx, o.Arch, o.Binary); err != nil {
			return "", err
		}
	}
	if err := os.MkdirAll(o.Dir, 0o755); err != nil { //nolint:gosec // archives are no secret
		return "", fmt.Errorf("packing %s: %w", o.Version, err)
	}
	path := filepath.Join(o.Dir, fmt.Sprintf("grafana-%s.linux-%s.tar.gz", o.Version, o.Arch))
	entries, err := o.entries(v)
	if err != nil {
		return "", err
	}
	if err := write(path, o.top(v), entries); err != nil {
		return "", fmt.Errorf("packing %s: %w", o.Version, err)
	}
	return path, nil
}

// Build compiles the server, static and without paths of this machine, into out.
func Build(ctx context.Context, arch, out string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w", "-o", out,
		"github.com/ghadeploy/ghadeploy/internal/standin/cmd/grafana")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH="+arch, "GOFLAGS=", "GOWORK=off")
	if b, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("building the stand-in (run this inside its module): %w: %s", err, strings.TrimSpace(string(b)))
	}
	return nil
}

// top is the archive's folder; the v came with 10 (facts 8, recordings).
func (o Options) top(v defaults.Version) string {
	if v.AtLeast(10, 0) {
		return "grafana-v" + o.Version
	}
	return "grafana-" + o.Version
}
