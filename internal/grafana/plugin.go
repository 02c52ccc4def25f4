package grafana

import (
	"archive/zip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Plugin is what a plugin archive turned out to be.
type Plugin struct {
	ID      string `json:"id"`
	Version string `json:"version"`
	Type    string `json:"type"` // "panel", "datasource", "app", ...
	Name    string `json:"name"`
	// Top is the folder that everything lies in; Dir, below it, has plugin.json ("" or "dist").
	Top string `json:"top"`
	Dir string `json:"dir"`
	// Signed says that there is a MANIFEST.txt beside plugin.json. Whether the
	// signature holds, only Grafana can tell.
	Signed bool `json:"signed"`
	// Needs is the range of Grafana versions that plugin.json asks for.
	Needs string `json:"needs,omitempty"`
	// Archs are the architectures of a Linux backend; empty for plugins without one.
	Archs   []string     `json:"archs,omitempty"`
	Backend bool         `json:"backend,omitempty"`
	Files   []PluginFile `json:"files"`
	Size    int64        `json:"size"` // unpacked, bytes
	SHA256  string       `json:"sha256"`
}

// PluginFile is one file of a plugin archive.
type PluginFile struct {
	Name string // with the top folder, clean
	Size int64
	Exec bool
	Link string // target, for links
}

// Match compares a plugin with what the inventory wants and with the host;
// empty strings are not compared.
func (p Plugin) Match(id, version, arch string) error {
	switch {
	case id != "" && p.ID != id:
		return fmt.Errorf("it holds the plugin %s, not %s: %w", p.ID, id, ErrMismatch)
	case version != "" && p.Version != version:
		return fmt.Errorf("it holds %s %s, not %s: %w", p.ID, p.Version, version, ErrMismatch)
	case arch != "" && p.Backend && !slices.Contains(p.Archs, arch):
		return fmt.Errorf("the backend of %s is built for %s, the host is %s: %w", p.ID, strings.Join(p.Archs, ", "), arch, ErrMismatch)
	}
	return nil
}

// PluginFiles are the names of a plugin's files, in order.
func (p Plugin) PluginFiles() []string {
	names := make([]string, len(p.Files))
	for i, f := range p.Files {
		names[i] = f.Name
	}
	return names
}

// ReadPlugin reads a plugin's zip of size bytes. It refuses what [ReadArchive]
// refuses (ErrRefused), and archives without exactly one plugin.json at the top.
func ReadPlugin(ctx context.Context, r io.ReaderAt, size int64) (Plugin, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return Plugin{}, fmt.Errorf("reading the plugin: %w", err)
	}
	names := newEntries()
	p := Plugin{}
	for _, f := range z.File {
		if err := ctx.Err(); err != nil {
			return Plugin{}, err
		}
		if err := p.entry(names, f, size); err != nil {
			return Plugin{}, fmt.Errorf("reading the plugin: %w", err)
		}
	}
	if err := names.resolve(); err != nil {
		return Plugin{}, fmt.Errorf("reading the plugin: %w", err)
	}
	p.Top, p.Size = names.top, names.size
	if err := p.manifest(z); err != nil {
		return Plugin{}, fmt.Errorf("reading the plugin: %w", err)
	}
	slices.SortFunc(p.Files, func(a, b PluginFile) int { return strings.Compare(a.Name, b.Name) })
	whole := &counter{r: io.NewSectionReader(r, 0, size), ctx: ctx, hash: sha256.New()}
	if _, err := io.Copy(io.Discard, whole); err != nil {
		return Plugin{}, fmt.Errorf("reading the plugin: %w", err)
	}
	p.SHA256 = hex.EncodeToString(whole.hash.Sum(nil))
	return p, nil
}

func (p *Plugin) entry(names *entries, f *zip.File, packed int64) error {
	mode := f.Mode()
	if f.UncompressedSize64 > maxUnpacked {
		return refused(f.Name, "unpacks to more than %d GiB", int64(maxUnpacked)>>30)
	}
	clean, err := names.add(f.Name, mode, int64(f.UncompressedSize64))
	if err != nil {
		return err
	}
	if names.size > minForRatio && names.size > maxRatio*packed {
		return refused(f.Name, "unpacks to far more than a plugin")
	}
	if mode.IsDir() {
		return nil
	}
	file := PluginFile{Name: clean, Size: int64(f.UncompressedSize64), Exec: mode&0o111 != 0}
	if mode.Type() == fs.ModeSymlink {
		target, err := readZip(f, 4096)
		if err != nil {
			return err
		}
		file.Link = string(target)
		if err := names.link(f.Name, clean, file.Link); err != nil {
			return err
		}
	}
	p.Files = append(p.Files, file)
	return nil
}

// readZip reads one small file, whatever size its header claims.
func readZip(f *zip.File, limit int64) ([]byte, error) {
	r, err := f.Open()
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(r, limit+1))
	if err := errors.Join(err, r.Close()); err != nil {
		return nil, err
	}
	if int64(len(b)) > limit {
		return nil, refused(f.Name, "has more than %d bytes", limit)
	}
	return b, nil
}

var (
	pluginID      = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)
	linuxBackend  = regexp.MustCompile(`_linux_([a-z0-9]+)$`)
	pluginFolders = []string{"", "dist"} // where Grafana looks for plugin.json
)

func (p *Plugin) manifest(z *zip.Reader) error {
	byName := map[string]*zip.File{}
	for _, f := range z.File {
		byName[path.Clean(f.Name)] = f
	}
	for _, dir := range pluginFolders {
		f, ok := byName[path.Join(p.Top, dir, "plugin.json")]
		if !ok || !f.Mode().IsRegular() {
			continue
		}
		b, err := readZip(f, maxNote)
		if err != nil {
			return err
		}
		p.Dir = dir
		_, p.Signed = byName[path.Join(p.Top, dir, "MANIFEST.txt")]
		return p.read(b)
	}
	return fmt.Errorf("there is no plugin.json in its top folder %q; is it a plugin?", p.Top)
}

func (p *Plugin) read(b []byte) error {
	var m struct {
		ID, Type, Name string
		Backend        bool
		Info           struct{ Version string }
		Dependencies   struct{ GrafanaDependency string }
	}
	if err := json.Unmarshal(b, &m); err != nil {
		return fmt.Errorf("plugin.json: %w", err)
	}
	switch {
	case !pluginID.MatchString(m.ID):
		return fmt.Errorf("plugin.json: the id %q is none", m.ID)
	case m.Type == "":
		return errors.New("plugin.json: it has no type")
	case m.Info.Version == "" || strings.Contains(m.Info.Version, "%"):
		return fmt.Errorf("plugin.json: the version %q is none (a source archive instead of a built one?)", m.Info.Version)
	}
	p.ID, p.Type, p.Name, p.Version = m.ID, m.Type, m.Name, m.Info.Version
	p.Needs, p.Backend = m.Dependencies.GrafanaDependency, m.Backend
	for _, f := range p.Files {
		if a := linuxBackend.FindStringSubmatch(f.Name); a != nil && m.Backend && !slices.Contains(p.Archs, a[1]) {
			p.Archs = append(p.Archs, a[1])
		}
	}
	slices.Sort(p.Archs)
	return nil
}
