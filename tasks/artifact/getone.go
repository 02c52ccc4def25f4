package artifact

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// wanted is the archive that the inventory speaks of, for saying where it can be had.
type wanted struct {
	version, arch string
	source        string // as the inventory has it
	path          string // on this machine; of a URL, where it was downloaded to
}

// page is where grafana.com offers this release, with its checksums.
func (w wanted) page() string {
	edition := "OSS"
	if strings.Contains(w.source, "enterprise") {
		edition = "Enterprise"
	}
	return "https://grafana.com/grafana/download/" + w.version + " (edition " + edition + ")"
}

// download is what to do when there is none.
func (w wanted) download() string {
	if strings.HasPrefix(w.source, "http://") || strings.HasPrefix(w.source, "https://") {
		return fmt.Sprintf("correct grafana.artifact.source in INVENTORY: %s shows where Grafana %s for Linux, %s is",
			w.page(), w.version, w.arch)
	}
	return fmt.Sprintf("download Grafana %s for Linux, %s, from %s and save it as %s", w.version, w.arch, w.page(), w.path)
}

// missing is the error of an archive that cannot be looked at.
func (w wanted) missing(cause error) error {
	e := &Error{Message: fmt.Sprintf("grafana.artifact.source: %v", cause), Next: w.download()}
	if !errors.Is(cause, fs.ErrNotExist) {
		return e
	}
	e.Message = "the release archive " + w.path + " is not there"
	if near := w.near(); near != "" {
		e.Message += ", but " + near + " is"
		e.Next = remote.Quote("mv", filepath.Join(filepath.Dir(w.path), near), w.path)
	}
	return e
}

// near is an archive of the same version and architecture beside the one that is missing:
// what a browser saves is named as the publisher likes.
func (w wanted) near() string {
	all, err := os.ReadDir(filepath.Dir(w.path))
	if err != nil {
		return ""
	}
	for _, entry := range all {
		name := entry.Name()
		if strings.HasPrefix(name, "grafana") && strings.Contains(name, "linux") && strings.Contains(name, ".tar.gz") &&
			hasWord(name, w.version) && hasWord(name, w.arch) && name != filepath.Base(w.path) {
			return name
		}
	}
	return ""
}

// hasWord finds a word that neither letters nor digits go on: 12.3.1 is not in 12.3.10.
func hasWord(text, word string) bool {
	isPart := func(b byte) bool { return b >= '0' && b <= '9' || b >= 'a' && b <= 'z' }
	for at := 0; ; {
		i := strings.Index(text[at:], word)
		if i < 0 {
			return false
		}
		begin, end := at+i, at+i+len(word)
		if (begin == 0 || !isPart(text[begin-1])) && (end == len(text) || !isPart(text[end])) {
			return true
		}
		at = begin + 1
	}
}

// matches refuses a release that is not what its name or the inventory says.
func (w wanted) matches(r desired.Release) error {
	if r.Version != w.version {
		return &Error{fmt.Sprintf("%s holds Grafana %s, the inventory says %s", w.path, r.Version, w.version),
			fmt.Sprintf("set grafana.version in INVENTORY to %s, or %s", r.Version, w.download())}
	}
	if r.Arch != w.arch {
		next := w.download()
		if !strings.Contains(w.source, "{arch}") {
			next = fmt.Sprintf("put {arch} into grafana.artifact.source in INVENTORY in place of %s, and save the one for %s from %s there",
				r.Arch, w.arch, w.page())
		}
		return &Error{fmt.Sprintf("%s is for %s, the host is %s", w.path, r.Arch, w.arch), next}
	}
	return nil
}

// Unseen stands for a release that could not be had: all that is known without it.
func Unseen(version, arch string) desired.Release {
	r, err := pulled(version, arch, "", "")
	if err != nil {
		return desired.Release{Version: version, Arch: arch, Binary: "grafana"}
	}
	return r
}
