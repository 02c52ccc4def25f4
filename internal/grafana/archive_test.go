package grafana

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
)

// elfHead is the begin of an ELF binary for a machine (62: x86-64, 183: arm64).
func elfHead(machine byte) string {
	h := make([]byte, 64)
	copy(h, "\x7fELF\x02\x01\x01")
	h[16], h[18] = 2, machine
	return string(h)
}

type entry struct {
	name, body, link string
	typ              byte
	mode             int64
}

func pack(t testing.TB, list ...entry) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	for _, e := range list {
		h := &tar.Header{Name: e.name, Mode: e.mode, Size: int64(len(e.body)), Typeflag: e.typ, Linkname: e.link, Format: tar.FormatPAX}
		if h.Typeflag == 0 {
			h.Typeflag = tar.TypeReg
		}
		if h.Mode == 0 {
			h.Mode = 0o644
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, e.body); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func smallRelease(more ...entry) []entry {
	return append([]entry{
		{name: "grafana-v10.3.1/", typ: tar.TypeDir, mode: 0o755},
		{name: "grafana-v10.3.1/VERSION", body: "10.3.1"},
		{name: "grafana-v10.3.1/conf/defaults.ini", body: "[server]\nhttp_port = 3000\n"},
		{name: "grafana-v10.3.1/bin/grafana-server", body: "#!/bin/sh\n", mode: 0o755},
		{name: "grafana-v10.3.1/bin/grafana", body: elfHead(62), mode: 0o755},
	}, more...)
}

func TestReadArchive(t *testing.T) {
	b := pack(t, smallRelease(entry{name: "grafana-v10.3.1/public/a", link: "../conf/defaults.ini", typ: tar.TypeSymlink})...)
	a, err := ReadArchive(t.Context(), bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	if a.Top != "grafana-v10.3.1" || a.Version != release(10, 3, 1) || a.Arch != "amd64" || a.Binary != "grafana" || a.Files != 6 ||
		a.Packed != int64(len(b)) || a.SHA256 != hex.EncodeToString(sum[:]) || !strings.Contains(string(a.Defaults), "http_port") {
		t.Errorf("got %+v", a)
	}
	for _, c := range []struct {
		v, arch string
		ok      bool
	}{{"10.3.1", "amd64", true}, {"10.3.1", "", true}, {"10.3.1+security-01", "amd64", true}, {"10.3.2", "amd64", false}, {"10.3.1", "arm64", false}} {
		if err := a.Match(version(t, c.v), c.arch); (err == nil) != c.ok || err != nil && !errors.Is(err, ErrMismatch) {
			t.Errorf("match %s %s: got %v", c.v, c.arch, err)
		}
	}
}

func TestReadArchiveOfOldReleases(t *testing.T) {
	// 6.5: no bin/grafana, no v in the top folder, here without VERSION too.
	a, err := ReadArchive(t.Context(), bytes.NewReader(pack(t,
		entry{name: "./", typ: tar.TypeDir, mode: 0o755},
		entry{name: "./grafana-6.5.0/bin/grafana-server", body: elfHead(183), mode: 0o755},
	)))
	if err != nil {
		t.Fatal(err)
	}
	if a.Version != release(6, 5, 0) || a.Binary != "grafana-server" || a.Arch != "arm64" || a.Top != "grafana-6.5.0" {
		t.Errorf("got %+v", a)
	}
}

func TestReadArchiveRefuses(t *testing.T) {
	top := "grafana-v10.3.1/"
	for name, bad := range map[string]entry{
		"parent":              {name: top + "../x"},
		"hidden parent":       {name: top + "a/../../x"},
		"absolute":            {name: "/etc/passwd"},
		"backslash":           {name: top + `..\x`},
		"control character":   {name: top + "a\nb"},
		"second top folder":   {name: "other/x"},
		"absolute link":       {name: top + "l", link: "/etc/passwd", typ: tar.TypeSymlink},
		"link that leaves":    {name: top + "l", link: "../x", typ: tar.TypeSymlink},
		"link to the outside": {name: top + "a/l", link: "../../../x", typ: tar.TypeSymlink},
		"hard link":           {name: top + "l", link: top + "VERSION", typ: tar.TypeLink},
		"device":              {name: top + "d", typ: tar.TypeChar},
		"block device":        {name: top + "d", typ: tar.TypeBlock},
		"fifo":                {name: top + "f", typ: tar.TypeFifo},
		"setuid":              {name: top + "s", mode: 0o4755},
		"setgid":              {name: top + "s", mode: 0o2755},
		"twice":               {name: top + "VERSION", body: "10.3.1"},
		"twice, spelled":      {name: top + "./bin/../VERSION"},
		"below a file":        {name: top + "VERSION/x"},
		"file over folder":    {name: top + "bin"},
	} {
		_, err := ReadArchive(t.Context(), bytes.NewReader(pack(t, smallRelease(bad)...)))
		if !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestReadArchiveRefusesChainsOfLinks(t *testing.T) {
	top := "grafana-v10.3.1/"
	for name, links := range map[string][]entry{
		"through another link": {
			{name: top + "a/deep", link: "..", typ: tar.TypeSymlink},
			{name: top + "b", link: "a/deep/../x", typ: tar.TypeSymlink},
		},
		"circle": {
			{name: top + "a", link: "b", typ: tar.TypeSymlink},
			{name: top + "b", link: "a", typ: tar.TypeSymlink},
		},
		"file below a link": {
			{name: top + "l", link: "conf", typ: tar.TypeSymlink},
			{name: top + "l/x", body: "x"},
		},
		"link over the parent of a file": {
			{name: top + "m/x", body: "x"},
			{name: top + "m", link: "conf", typ: tar.TypeSymlink},
		},
	} {
		if _, err := ReadArchive(t.Context(), bytes.NewReader(pack(t, smallRelease(links...)...))); !errors.Is(err, ErrRefused) {
			t.Errorf("%s: got %v, want a refusal", name, err)
		}
	}
}

func TestReadArchiveStopsABomb(t *testing.T) {
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	w := tar.NewWriter(z)
	const size = 256 << 20
	if err := w.WriteHeader(&tar.Header{Name: "grafana-v10.3.1/zeros", Mode: 0o644, Size: size}); err != nil {
		t.Fatal(err)
	}
	zeros := make([]byte, 1<<20)
	for range size / len(zeros) {
		if _, err := w.Write(zeros); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(w.Close(), z.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := ReadArchive(t.Context(), &b); !errors.Is(err, ErrRefused) {
		t.Errorf("got %v, want a refusal", err)
	}
}

func TestReadArchiveOfSomethingElse(t *testing.T) {
	good := pack(t, smallRelease()...)
	for name, b := range map[string][]byte{
		"empty": {}, "text": []byte("<html>404</html>"), "cut off": good[:len(good)/2],
		"no binary":  pack(t, entry{name: "grafana-v10.3.1/VERSION", body: "10.3.1"}),
		"no version": pack(t, entry{name: "x/bin/grafana", body: elfHead(62)}),
		"no folder":  pack(t, entry{name: "x/y"}),
	} {
		if a, err := ReadArchive(t.Context(), bytes.NewReader(b)); err == nil {
			t.Errorf("%s: got %+v", name, a)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := ReadArchive(ctx, bytes.NewReader(good)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: got %v", err)
	}
}

func FuzzReadArchive(f *testing.F) {
	for _, list := range [][]entry{
		smallRelease(),
		smallRelease(entry{name: "grafana-v10.3.1/l", link: "bin/grafana", typ: tar.TypeSymlink}),
		smallRelease(entry{name: "grafana-v10.3.1/l", link: "../../x", typ: tar.TypeSymlink}),
		smallRelease(entry{name: "../x"}),
		smallRelease(entry{name: "grafana-v10.3.1/su", mode: 0o4755}),
		smallRelease(entry{name: "grafana-v10.3.1/open", mode: 0o777}, entry{name: "grafana-v10.3.1/all/", typ: tar.TypeDir, mode: 0o1777}),
		smallRelease(entry{name: "grafana-v10.3.1/null", typ: tar.TypeChar}, entry{name: "grafana-v10.3.1/fifo", typ: tar.TypeFifo}),
		smallRelease(entry{name: "grafana-v10.3.1/hard", link: "../../etc/shadow", typ: tar.TypeLink}),
		smallRelease(entry{name: "grafana-v10.3.1/a", link: "b", typ: tar.TypeSymlink}, entry{name: "grafana-v10.3.1/b", link: "a", typ: tar.TypeSymlink}),
	} {
		z, err := gzip.NewReader(bytes.NewReader(pack(f, list...)))
		if err != nil {
			f.Fatal(err)
		}
		b, err := io.ReadAll(z)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		_, err := z.Write(raw)
		if err := errors.Join(err, z.Close()); err != nil {
			t.Fatal(err)
		}
		a, err := ReadArchive(t.Context(), &b)
		if err != nil {
			return
		}
		if a.Top == "" || strings.ContainsAny(a.Top, "/\\") || a.Version.IsZero() || a.Binary == "" {
			t.Errorf("accepted %+v", a)
		}
		// Whatever was accepted holds no name that leads out.
		for r := tar.NewReader(bytes.NewReader(raw)); ; {
			h, err := r.Next()
			if err != nil {
				return
			}
			if h.Typeflag == tar.TypeXGlobalHeader {
				continue
			}
			special := h.FileInfo().Mode()&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeDevice|fs.ModeCharDevice|fs.ModeNamedPipe) != 0
			if strings.HasPrefix(h.Name, "/") || strings.Contains("/"+h.Name+"/", "/../") || h.Typeflag == tar.TypeLink || special {
				t.Errorf("accepted the entry %q", h.Name)
			}
		}
	})
}
