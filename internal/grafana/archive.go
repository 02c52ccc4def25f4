package grafana

import (
	"archive/tar"
	"bytes"
	"context"
	"crypto/sha256"
	"debug/elf"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"path"
	"regexp"
	"strings"

	"github.com/klauspost/compress/gzip"
)

// Archive is what a release archive turned out to be.
type Archive struct {
	// Top is the folder that everything lies in: "grafana-v10.3.1", "grafana-9.4.0".
	Top     string  `json:"top"`
	Version Version `json:"version"`
	// Arch is Go's name for the architecture of the binary: "amd64", "arm64";
	// empty where bin/ holds only scripts.
	Arch string `json:"arch"`
	// Binary is what to start: "grafana" (with the subcommand server) or "grafana-server".
	Binary string `json:"binary"`
	// Files counts entries, Size is what they unpack to, Packed the archive's own size, all in bytes.
	Files  int   `json:"files"`
	Size   int64 `json:"size"`
	Packed int64 `json:"packed"`
	// SHA256 is that of the archive as it is, in lower-case hex.
	SHA256 string `json:"sha256"`
	// Defaults is conf/defaults.ini, for [Node.Defaults] and [CheckKeys].
	Defaults []byte `json:"-"`
}

// ErrMismatch is an archive that is not what the inventory says.
var ErrMismatch = errors.New("the archive is not what the inventory says")

// Match compares an archive with what the inventory wants; an empty arch or a
// zero version is not compared.
func (a Archive) Match(v Version, arch string) error {
	if !v.IsZero() && !a.Version.SameRelease(v) {
		return fmt.Errorf("it holds Grafana %s, not %s: %w", a.Version, v, ErrMismatch)
	}
	if arch != "" && a.Arch != "" && a.Arch != arch {
		return fmt.Errorf("it is built for %s, the host is %s: %w", a.Arch, arch, ErrMismatch)
	}
	return nil
}

// ReadArchive reads a release, a gzipped tar, once from begin to end, keeping
// nothing of it in memory but three small files. Errors: ErrRefused for what
// must not be unpacked (names that lead out of the top folder, links that leave
// it, devices, setuid bits, duplicate names, more than 4 GiB or a compression
// that only bombs reach), ctx's, those of r, and of damaged archives.
func ReadArchive(ctx context.Context, r io.Reader) (Archive, error) {
	sum := &counter{r: r, ctx: ctx, hash: sha256.New()}
	z, err := gzip.NewReader(sum)
	if err != nil {
		return Archive{}, fmt.Errorf("reading the archive: it is no gzip: %w", err)
	}
	rd := &archiveReader{names: newEntries(), arch: map[string]string{}, packed: sum}
	if err := rd.walk(tar.NewReader(&unpacked{r: z, packed: sum})); err != nil {
		return Archive{}, fmt.Errorf("reading the archive: %w", err)
	}
	// The end of the archive may be followed by padding; the checksum is over all.
	if _, err := io.Copy(io.Discard, &unpacked{r: z, packed: sum}); err != nil {
		return Archive{}, fmt.Errorf("reading the archive: %w", err)
	}
	if _, err := io.Copy(io.Discard, sum); err != nil {
		return Archive{}, fmt.Errorf("reading the archive: %w", err)
	}
	a, err := rd.archive()
	if err != nil {
		return Archive{}, fmt.Errorf("reading the archive: %w", err)
	}
	a.Packed, a.SHA256 = sum.n, hex.EncodeToString(sum.hash.Sum(nil))
	return a, nil
}

// counter hashes and counts what is read, and stops when ctx ends.
type counter struct {
	r    io.Reader
	ctx  context.Context
	hash hash.Hash
	n    int64
}

func (c *counter) Read(p []byte) (int, error) {
	if err := c.ctx.Err(); err != nil {
		return 0, err
	}
	n, err := c.r.Read(p)
	c.n += int64(n)
	c.hash.Write(p[:n])
	return n, err
}

// unpacked stops a bomb while it unpacks, headers and padding included.
type unpacked struct {
	r      io.Reader
	packed *counter
	n      int64
}

func (u *unpacked) Read(p []byte) (int, error) {
	n, err := u.r.Read(p)
	u.n += int64(n)
	if u.n > maxUnpacked+minForRatio || u.n > minForRatio && u.n > maxRatio*u.packed.n {
		return n, fmt.Errorf("it unpacks to far more than a release: %w", ErrRefused)
	}
	return n, err
}

type archiveReader struct {
	names    *entries
	packed   *counter
	version  string
	defaults []byte
	arch     map[string]string // binary -> architecture, "" for scripts
}

func (a *archiveReader) walk(t *tar.Reader) error {
	for {
		h, err := t.Next()
		if errors.Is(err, io.EOF) {
			return a.names.resolve()
		}
		if err != nil {
			return err
		}
		if err := a.entry(h, t); err != nil {
			return err
		}
	}
}

func (a *archiveReader) entry(h *tar.Header, body io.Reader) error {
	if h.Typeflag == tar.TypeXGlobalHeader {
		return nil // git archive's comment
	}
	if strings.TrimRight(h.Name, "/") == "." && h.Typeflag == tar.TypeDir {
		return nil // tar of "."
	}
	if h.Typeflag == tar.TypeLink {
		return refused(h.Name, "is a hard link")
	}
	clean, err := a.names.add(h.Name, h.FileInfo().Mode(), h.Size)
	if err != nil {
		return err
	}
	if h.Typeflag == tar.TypeSymlink {
		return a.names.link(h.Name, clean, h.Linkname)
	}
	if h.Typeflag != tar.TypeReg {
		return nil
	}
	_, rel, _ := strings.Cut(clean, "/")
	switch rel {
	case "VERSION":
		b, err := note(h, body)
		a.version = strings.TrimSpace(string(b))
		return err
	case "conf/defaults.ini":
		a.defaults, err = note(h, body)
		return err
	case "bin/grafana", "bin/grafana-server":
		a.arch[path.Base(rel)], err = architecture(body)
		return err
	}
	return nil
}

func note(h *tar.Header, body io.Reader) ([]byte, error) {
	if h.Size > maxNote {
		return nil, refused(h.Name, "has %d bytes", h.Size)
	}
	return io.ReadAll(body)
}

// architecture reads the machine from an ELF header; "" for wrapper scripts.
func architecture(body io.Reader) (string, error) {
	head := make([]byte, 64)
	n, err := io.ReadFull(body, head)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return "", err
	}
	head = head[:n]
	if len(head) < 20 || !bytes.HasPrefix(head, []byte(elf.ELFMAG)) {
		return "", nil
	}
	m := elf.Machine(uint16(head[18]) | uint16(head[19])<<8)
	if head[elf.EI_DATA] == byte(elf.ELFDATA2MSB) {
		m = elf.Machine(uint16(head[19]) | uint16(head[18])<<8)
	}
	names := map[elf.Machine]string{
		elf.EM_X86_64: "amd64", elf.EM_AARCH64: "arm64", elf.EM_ARM: "arm", elf.EM_386: "386",
		elf.EM_S390: "s390x", elf.EM_PPC64: "ppc64le", elf.EM_RISCV: "riscv64",
	}
	if name, ok := names[m]; ok {
		return name, nil
	}
	return strings.ToLower(strings.TrimPrefix(m.String(), "EM_")), nil
}

// topVersion finds the version in the name of the top folder.
var topVersion = regexp.MustCompile(`^grafana(?:-enterprise)?-v?(\d+\.\d+\.\d+.*)$`)

func (a *archiveReader) archive() (Archive, error) {
	out := Archive{Top: a.names.top, Files: a.names.files, Size: a.names.size, Defaults: a.defaults}
	text := a.version
	if text == "" {
		if m := topVersion.FindStringSubmatch(out.Top); m != nil {
			text = m[1]
		}
	}
	if text == "" {
		return Archive{}, fmt.Errorf("it has no VERSION and its top folder %q names none; is it a Grafana release?", out.Top)
	}
	var err error
	if out.Version, err = ParseVersion(text); err != nil {
		return Archive{}, err
	}
	for _, name := range []string{"grafana-server", "grafana"} {
		arch, ok := a.arch[name]
		if !ok || name == "grafana" && !HasGrafanaBinary(out.Version) && out.Binary != "" {
			continue
		}
		out.Binary = name
		if arch != "" {
			out.Arch = arch
		}
	}
	if out.Binary == "" {
		return Archive{}, errors.New("it has neither bin/grafana nor bin/grafana-server; is it a Grafana release?")
	}
	return out, nil
}
