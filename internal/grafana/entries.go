package grafana

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"strings"
	"unicode"
	"unicode/utf8"
)

// ErrRefused is an archive with something in it that must not be unpacked.
var ErrRefused = errors.New("refused")

// Limits of what is unpacked: a real release has some 8,000 files in 310 MB.
const (
	maxUnpacked = 4 << 30
	maxEntries  = 200_000
	maxRatio    = 200 // gzip of real releases: 3 to 5
	minForRatio = 64 << 20
	maxNote     = 1 << 20 // VERSION, defaults.ini, plugin.json, link targets
)

// entries watches over the names in an archive.
type entries struct {
	top   string
	kinds map[string]bool   // cleaned name -> is a folder
	links map[string]string // folder or file -> where the link leads
	size  int64
	files int
}

func newEntries() *entries {
	return &entries{kinds: map[string]bool{}, links: map[string]string{}}
}

func refused(name, format string, args ...any) error {
	return fmt.Errorf("entry %q: %s: %w", name, fmt.Sprintf(format, args...), ErrRefused)
}

// add checks one entry and returns its clean name. The rules are stricter than
// tar's: what a release has no use for is refused, not corrected.
func (e *entries) add(name string, mode fs.FileMode, size int64) (string, error) {
	clean, err := cleanName(name)
	if err != nil {
		return "", err
	}
	if mode&(fs.ModeSetuid|fs.ModeSetgid|fs.ModeSticky) != 0 {
		return "", refused(name, "has a setuid, setgid or sticky bit")
	}
	if t := mode.Type(); t != 0 && t != fs.ModeDir && t != fs.ModeSymlink {
		return "", refused(name, "is neither file, folder nor link")
	}
	if err := e.place(name, clean, mode.IsDir()); err != nil {
		return "", err
	}
	e.files++
	e.size += size
	switch {
	case size < 0 || e.size > maxUnpacked:
		return "", refused(name, "unpacks to more than %d GiB", int64(maxUnpacked)>>30)
	case e.files > maxEntries:
		return "", refused(name, "more than %d entries", maxEntries)
	}
	return clean, nil
}

// place refuses duplicate names (a second entry could replace a checked one),
// a second top folder, and anything below a file or a link.
func (e *entries) place(name, clean string, dir bool) error {
	top, _, _ := strings.Cut(clean, "/")
	if e.top == "" {
		e.top = top
	}
	if top != e.top {
		return refused(name, "lies beside the top folder %q", e.top)
	}
	wasDir, seen := e.kinds[clean]
	if seen && !(wasDir && dir) {
		return refused(name, "comes twice")
	}
	e.kinds[clean] = dir
	for p := path.Dir(clean); p != "."; p = path.Dir(p) {
		if isDir, seen := e.kinds[p]; seen && !isDir {
			return refused(name, "lies below the file or link %q", p)
		}
		e.kinds[p] = true
	}
	return nil
}

// link refuses targets outside of the top folder. The whole chain is judged by
// resolve, at the end, when all links are known.
func (e *entries) link(name, clean, target string) error {
	if target == "" || path.IsAbs(target) || strings.ContainsRune(target, 0) || strings.Contains(target, `\`) {
		return refused(name, "is a link to an absolute or empty target")
	}
	if to := path.Join(path.Dir(clean), target); to != e.top && !strings.HasPrefix(to, e.top+"/") {
		return refused(name, "is a link that leaves the archive")
	}
	e.links[clean] = target
	return nil
}

// resolve follows every link through all others: a/b -> c/.. is harmless by
// itself and not when c is a link.
func (e *entries) resolve() error {
	for from := range e.links {
		if _, err := e.follow(from, 0); err != nil {
			return refused(from, "%v", err)
		}
	}
	return nil
}

const maxLinks = 40 // as the kernel's

func (e *entries) follow(name string, depth int) (string, error) {
	if depth > maxLinks {
		return "", errors.New("links in a circle")
	}
	at := ""
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			at = path.Dir(at)
		} else {
			at = path.Join(at, part)
		}
		if at != e.top && !strings.HasPrefix(at, e.top+"/") {
			return "", errors.New("is a link that leaves the archive")
		}
		target, isLink := e.links[at]
		if !isLink {
			continue
		}
		to, err := e.follow(path.Dir(at)+"/"+target, depth+1)
		if err != nil {
			return "", err
		}
		at = to
	}
	return at, nil
}

func cleanName(name string) (string, error) {
	switch {
	case name == "" || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return "", refused(name, "its name has control characters or is no UTF-8")
	case strings.HasPrefix(name, "/"):
		return "", refused(name, "its name is absolute")
	case strings.Contains(name, `\`):
		return "", refused(name, "its name has a backslash")
	}
	for _, part := range strings.Split(name, "/") {
		if part == ".." {
			return "", refused(name, "its name leads out of the archive")
		}
	}
	clean := path.Clean(name)
	if clean == "." {
		return "", refused(name, "its name is empty")
	}
	return clean, nil
}
