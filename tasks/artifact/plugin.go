package artifact

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// Plugins opens and checks the archives of plugins. One that is not there, not what it
// says it is, or not what its checksum says, is an *[Error].
func (s Store) Plugins(ctx context.Context, plugins []inventory.Plugin) (out []desired.Plugin, err error) {
	for _, p := range plugins {
		ref, err := s.plugin(ctx, p)
		if err != nil {
			return nil, &Error{fmt.Sprintf("plugin %s: %v", p.ID, err), "correct grafana.plugins in INVENTORY, or put the archive there"}
		}
		out = append(out, ref)
	}
	return out, nil
}

func (s Store) plugin(ctx context.Context, p inventory.Plugin) (desired.Plugin, error) {
	src := p.Source
	want := strings.ToLower(p.SHA256)
	if strings.HasPrefix(src, "https://") || strings.HasPrefix(src, "http://") {
		if want == "" {
			return desired.Plugin{}, fmt.Errorf("a plugin from a URL needs its sha256")
		}
		var err error
		if src, err = s.download(ctx, src, want); err != nil {
			return desired.Plugin{}, err
		}
	}
	f, err := localfile.Open(src)
	if err != nil {
		return desired.Plugin{}, err
	}
	defer func() { _ = f.Close() }()
	sum := sha256.New()
	size, err := io.Copy(sum, f)
	if err != nil {
		return desired.Plugin{}, err
	}
	have := hex.EncodeToString(sum.Sum(nil))
	if want != "" && have != want {
		return desired.Plugin{}, fmt.Errorf("%s has the SHA-256 %s, the inventory says %s", src, have, want)
	}
	found, err := grafana.ReadPlugin(ctx, f, size)
	if err != nil {
		return desired.Plugin{}, fmt.Errorf("%s: %w", src, err)
	}
	if err := found.Match(p.ID, p.Version, ""); err != nil {
		return desired.Plugin{}, fmt.Errorf("%s: %w", src, err)
	}
	return desired.Plugin{ID: found.ID, Version: found.Version, SHA256: have, Signed: found.Signed, Walk: walkPlugin(src, found)}, nil
}

// walkPlugin streams a plugin's files, its top folder renamed to its id, which is
// where Grafana looks for it.
func walkPlugin(src string, p grafana.Plugin) func(func(string, fs.FileMode, int64, io.Reader) error) error {
	return func(yield func(string, fs.FileMode, int64, io.Reader) error) error {
		archive, err := localfile.Open(src)
		if err != nil {
			return err
		}
		defer func() { _ = archive.Close() }()
		info, err := archive.Stat()
		if err != nil {
			return err
		}
		z, err := zip.NewReader(archive, info.Size())
		if err != nil {
			return err
		}
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
