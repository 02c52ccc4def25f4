package bench

import (
	"archive/tar"
	"compress/gzip"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// files is how many a Grafana 10 release has.
const files = 7900

// fullSize is the release as large as the real one: the stand-in's with files
// added that do not compress. A real tarball is taken as it is.
func fullSize(t *testing.T, source string) string {
	t.Helper()
	info, err := os.Stat(source)
	if err != nil {
		t.Fatal(err)
	}
	missing := releaseSize - info.Size()
	if missing <= 0 {
		return source
	}
	path := filepath.Join(t.TempDir(), filepath.Base(source))
	if err := pad(source, path, missing/files); err != nil {
		t.Fatal(err)
	}
	return path
}

func pad(source, path string, size int64) (err error) {
	in, err := os.Open(source)
	if err != nil {
		return err
	}
	defer in.Close()
	packed, err := gzip.NewReader(in)
	if err != nil {
		return err
	}
	out, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	zip := gzip.NewWriter(out)
	w := tar.NewWriter(zip)
	top, err := copyEntries(w, tar.NewReader(packed))
	if err != nil {
		return err
	}
	for i := range files {
		h := &tar.Header{Name: fmt.Sprintf("%s/public/build/%02d/%04d.js", top, i%40, i), Mode: 0o644, Size: size, Typeflag: tar.TypeReg}
		if err := w.WriteHeader(h); err != nil {
			return err
		}
		if _, err := io.CopyN(w, rand.Reader, size); err != nil {
			return err
		}
	}
	return errors.Join(w.Close(), zip.Close())
}

// copyEntries returns the archive's top folder.
func copyEntries(w *tar.Writer, r *tar.Reader) (top string, err error) {
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return top, nil
		}
		if err != nil {
			return "", err
		}
		top, _, _ = strings.Cut(strings.TrimPrefix(h.Name, "./"), "/")
		if err := w.WriteHeader(h); err != nil {
			return "", err
		}
		if _, err := io.Copy(w, r); err != nil {
			return "", err
		}
	}
}
