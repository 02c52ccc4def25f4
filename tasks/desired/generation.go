package desired

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// Generation is one deployable whole of a host: which release, with which
// configuration, plugins and unit. Its ID is a hash of its content.
type Generation struct {
	ID      string
	Version string
	Release string // folder under releases/
	Files   []File
	Plugins []Plugin
}

// File is one file of a generation.
type File struct {
	Path string // relative, slash-separated: "etc/grafana.ini"
	Mode fs.FileMode
	// Owned: the service user must own it (a database client refuses a key that
	// its group may read).
	Owned   bool
	Content []byte
	// Shown is the content with secrets masked, for diffs; nil: never shown.
	Shown []byte
	// unknown: of a format that is not understood, and shown by its fingerprint.
	unknown bool
	SHA256  string
}

// ShownOnHost is the text of this file as a host has it, hidden as the file's own is.
func (f File) ShownOnHost(m mask.Masker, b []byte) []byte {
	switch {
	case mask.IsFingerprint(b):
		return b
	case f.unknown:
		return mask.Fingerprint(b)
	case f.Path == INIFile, f.Path == EnvFile, f.Path == UnitFile:
		return m.INI(b)
	}
	return m.Again(f.Path, b)
}

// Manifest is manifest.json: what a generation consists of, with nothing of
// when, where or by whom it was made, so that equal content has an equal id.
type Manifest struct {
	Schema  int                     `json:"schema"`
	ID      string                  `json:"id,omitempty"`
	Version string                  `json:"version"`
	Release string                  `json:"release"`
	Files   map[string]manifestFile `json:"files"`
	Plugins []Plugin                `json:"plugins,omitempty"`
}

type manifestFile struct {
	SHA256 string `json:"sha256"`
	Mode   string `json:"mode"`
}

// seal sorts the files, hashes them and gives the generation its id.
func (g *Generation) seal() error {
	slices.SortFunc(g.Files, func(a, b File) int { return strings.Compare(a.Path, b.Path) })
	slices.SortFunc(g.Plugins, func(a, b Plugin) int { return strings.Compare(a.ID, b.ID) })
	for i := range g.Files {
		sum := sha256.Sum256(g.Files[i].Content)
		g.Files[i].SHA256 = hex.EncodeToString(sum[:])
		if i > 0 && g.Files[i-1].Path == g.Files[i].Path {
			return fmt.Errorf("two sources give the file %s", g.Files[i].Path)
		}
	}
	g.ID = ""
	b, err := json.Marshal(g.Manifest())
	if err != nil {
		return err
	}
	sum := sha256.Sum256(b)
	g.ID = hex.EncodeToString(sum[:])[:12]
	return nil
}

func (g *Generation) Manifest() Manifest {
	m := Manifest{Schema: 1, ID: g.ID, Version: g.Version, Release: g.Release, Files: map[string]manifestFile{}, Plugins: g.Plugins}
	for _, f := range g.Files {
		m.Files[f.Path] = manifestFile{SHA256: f.SHA256, Mode: fmt.Sprintf("%04o", f.Mode.Perm())}
	}
	return m
}

// File finds a file by its path; nil when there is none.
func (g *Generation) File(p string) *File {
	for i := range g.Files {
		if g.Files[i].Path == p {
			return &g.Files[i]
		}
	}
	return nil
}

// Owned lists the files that the service user must own.
func (g *Generation) Owned() (out []string) {
	for _, f := range g.Files {
		if f.Owned {
			out = append(out, f.Path)
		}
	}
	return out
}

// WriteTar streams the generation, manifest.json last: a stream that ends early
// has none and is refused on the host.
func (g *Generation) WriteTar(w io.Writer) error {
	t := tar.NewWriter(w)
	d := dirs{t: t, made: map[string]bool{}}
	// Grafana logs an error on every start for each of these that is not there.
	for _, always := range []string{"etc", "plugins", "shown", Provisioning + "/datasources", Provisioning + "/dashboards",
		Provisioning + "/plugins", Provisioning + "/notifiers", Provisioning + "/alerting"} {
		if err := d.make(always); err != nil {
			return err
		}
	}
	for _, f := range g.Files {
		if err := d.file(f.Path, f.Mode, int64(len(f.Content)), bytes.NewReader(f.Content)); err != nil {
			return err
		}
		if f.Shown != nil && !bytes.Equal(f.Shown, f.Content) {
			if err := d.file("shown/"+f.Path, 0o640, int64(len(f.Shown)), bytes.NewReader(f.Shown)); err != nil {
				return err
			}
		}
	}
	for _, p := range g.Plugins {
		err := p.Walk(func(name string, mode fs.FileMode, size int64, r io.Reader) error {
			return d.file(path.Join("plugins", name), mode, size, r)
		})
		if err != nil {
			return fmt.Errorf("plugin %s: %w", p.ID, err)
		}
	}
	m, err := json.MarshalIndent(g.Manifest(), "", "  ")
	if err != nil {
		return err
	}
	if err := d.file("manifest.json", 0o640, int64(len(m)), bytes.NewReader(m)); err != nil {
		return err
	}
	return t.Close()
}

// dirs writes files into a tar, with each folder before its first file.
type dirs struct {
	t    *tar.Writer
	made map[string]bool
}

func (d dirs) make(name string) error {
	if name == "." || d.made[name] {
		return nil
	}
	if err := d.make(path.Dir(name)); err != nil {
		return err
	}
	d.made[name] = true
	mode := int64(0o750)
	if strings.HasPrefix(name, "plugins") {
		mode = 0o755
	}
	return d.t.WriteHeader(&tar.Header{Typeflag: tar.TypeDir, Name: name + "/", Mode: mode, Format: tar.FormatPAX})
}

func (d dirs) file(name string, mode fs.FileMode, size int64, r io.Reader) error {
	if err := d.make(path.Dir(name)); err != nil {
		return err
	}
	if err := d.t.WriteHeader(&tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: int64(mode.Perm()), Size: size,
		Format: tar.FormatPAX}); err != nil {
		return err
	}
	_, err := io.Copy(d.t, r)
	return err
}
