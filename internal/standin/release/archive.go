package release

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path"
	"slices"
	"strings"
	"time"
)

// stamp is the time of every entry.
var stamp = time.Date(2024, 1, 1, 0, 0, 0, 0, time.UTC)

// write makes the archive under a temporary name and renames it, so that a
// half-written one is never taken for a release.
func write(name, top string, entries []entry) (err error) {
	f, err := os.CreateTemp(path.Dir(name), ".pack-*")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close(), os.Remove(f.Name()))
		}
	}()
	if err := archive(f, top, entries); err != nil {
		return err
	}
	if err := f.Chmod(0o644); err != nil {
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Rename(f.Name(), name)
}

func archive(w io.Writer, top string, entries []entry) error {
	zip, err := gzip.NewWriterLevel(w, gzip.BestSpeed)
	if err != nil {
		return err
	}
	t := tar.NewWriter(zip)
	for _, dir := range folders(top, entries) {
		if err := t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: dir + "/", Mode: 0o755, ModTime: stamp, Format: tar.FormatUSTAR}); err != nil {
			return err
		}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.name, b.name) })
	for _, e := range entries {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: top + "/" + e.name, Mode: e.mode, Size: int64(len(e.content)), ModTime: stamp, Format: tar.FormatUSTAR}
		if err := t.WriteHeader(h); err != nil {
			return err
		}
		if _, err := t.Write(e.content); err != nil {
			return err
		}
	}
	if err := t.Close(); err != nil {
		return err
	}
	return zip.Close()
}

// folders are the top folder and all below it, parents first.
func folders(top string, entries []entry) []string {
	seen := map[string]bool{top: true, top + "/plugins-bundled": true}
	for _, e := range entries {
		for d := path.Dir(top + "/" + e.name); d != top; d = path.Dir(d) {
			seen[d] = true
		}
	}
	out := make([]string, 0, len(seen))
	for d := range seen {
		out = append(out, d)
	}
	slices.Sort(out)
	return out
}
