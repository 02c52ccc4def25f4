package tasks

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// plugins opens and checks the plugin archives of an inventory. A plugin is what it
// says it is, and what its checksum says, or the run ends here.
func (a artifacts) plugins(ctx context.Context, c *inventory.Cluster) (out []PluginRef, err error) {
	for _, p := range c.Grafana.Plugins {
		ref, err := a.plugin(ctx, p)
		if err != nil {
			return nil, &UsageError{fmt.Sprintf("plugin %s: %v", p.ID, err)}
		}
		out = append(out, ref)
	}
	return out, nil
}

func (a artifacts) plugin(ctx context.Context, p inventory.Plugin) (PluginRef, error) {
	src := p.Source
	want := strings.ToLower(p.SHA256)
	if strings.HasPrefix(src, "https://") || strings.HasPrefix(src, "http://") {
		if want == "" {
			return PluginRef{}, fmt.Errorf("a plugin from a URL needs its sha256")
		}
		var err error
		if src, err = a.download(ctx, src, want); err != nil {
			return PluginRef{}, err
		}
	}
	f, err := os.Open(src)
	if err != nil {
		return PluginRef{}, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return PluginRef{}, err
	}
	have := hex.EncodeToString(sum.Sum(nil))
	if want != "" && have != want {
		return PluginRef{}, fmt.Errorf("%s has the SHA-256 %s, the inventory says %s", src, have, want)
	}
	found, err := grafana.ReadPlugin(ctx, f, size)
	if err != nil {
		return PluginRef{}, fmt.Errorf("%s: %w", src, err)
	}
	if err := found.Match(p.ID, p.Version, ""); err != nil {
		return PluginRef{}, fmt.Errorf("%s: %w", src, err)
	}
	return PluginRef{ID: found.ID, Version: found.Version, SHA256: have, Walk: walkPlugin(src, found)}, nil
}

// walkPlugin streams a plugin's files, its top folder renamed to its id, which is
// where Grafana looks for it.
func walkPlugin(src string, p grafana.Plugin) func(func(string, fs.FileMode, int64, io.Reader) error) error {
	return func(yield func(string, fs.FileMode, int64, io.Reader) error) error {
		z, err := zip.OpenReader(src)
		if err != nil {
			return err
		}
		defer func() { _ = z.Close() }()
		for _, f := range z.File {
			if f.FileInfo().IsDir() {
				continue
			}
			if f.Mode()&fs.ModeSymlink != 0 {
				return fmt.Errorf("%s is a link, which no plugin needs", f.Name)
			}
			name := path.Join(p.ID, strings.TrimPrefix(path.Clean(f.Name), p.Top+"/"))
			mode := fs.FileMode(0o644)
			if f.Mode()&0o111 != 0 || strings.Contains(path.Base(f.Name), "_linux_") {
				mode = 0o755 // zip files made on Windows lose the bit of a plugin's backend
			}
			r, err := f.Open()
			if err != nil {
				return err
			}
			err = yield(name, mode, int64(f.UncompressedSize64), r)
			if err = closing(r, err); err != nil {
				return err
			}
		}
		return nil
	}
}

// closing closes c and keeps the first error.
func closing(c io.Closer, err error) error {
	if e := c.Close(); err == nil {
		err = e
	}
	return err
}
