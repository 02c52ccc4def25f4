package artifact

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// Store finds releases and plugins on the operator's machine. What an archive holds
// is remembered by path, size and time of change, so that a run that changes
// nothing reads no archive.
type Store struct {
	dir  string // cache
	sink event.Sink
	http *http.Client
	most int64 // bytes of a download; 0: maxDownload
}

// NewStore keeps what it downloads in the user's cache folder, and tells sink what
// takes time.
func NewStore(sink event.Sink) Store {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return Store{dir: filepath.Join(dir, "ghadeploy"), sink: sink, http: &http.Client{Timeout: 30 * time.Minute}}
}

// Release gives the release of one version for one architecture; dir is what a
// relative source starts from. An archive that is not there, or whose checksum,
// version or architecture is not what was asked for, is an *[Error].
func (s Store) Release(ctx context.Context, art inventory.Artifact, version, arch, dir string) (desired.Release, error) {
	src := strings.NewReplacer("{version}", version, "{arch}", arch, "{os}", "linux").Replace(art.Source)
	isURL := strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")
	want, err := s.wantedSum(ctx, art, arch, src)
	if err != nil {
		return desired.Release{}, err
	}
	if isURL && art.Delivery == "pull" {
		return pulled(version, arch, want, src)
	}
	path := src
	if isURL {
		if path, err = s.download(ctx, src, want); err != nil {
			return desired.Release{}, err
		}
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	w := wanted{version: version, arch: arch, source: art.Source, path: path}
	r, err := s.inspect(ctx, w)
	if err != nil {
		return desired.Release{}, err
	}
	if want != "" && want != r.SHA256 {
		return desired.Release{}, &Error{fmt.Sprintf("%s has the SHA-256 %s, the inventory says %s", path, r.SHA256, want),
			"compare both with " + w.page() + ", then download it again or correct grafana.artifact.sha256 in INVENTORY"}
	}
	return r, w.matches(r)
}

// wantedSum is the SHA-256 that a release must have: the inventory's, else for a URL the
// one that is published beside it; empty for a file of which nobody said one.
func (s Store) wantedSum(ctx context.Context, art inventory.Artifact, arch, src string) (string, error) {
	sum := strings.ToLower(cmp.Or(art.SHA256[arch], art.SHA256[""]))
	switch {
	case sum != "":
		return sum, nil
	case strings.HasPrefix(src, "http://"):
		return "", &Error{
			fmt.Sprintf("grafana.artifact.sha256 has no checksum for %s, and by http:// anybody on the way can replace the release"+
				" and the one beside it", arch),
			fmt.Sprintf("get it once by a way that you trust: sha256sum FILE, then %s under grafana.artifact.sha256 in INVENTORY", arch),
		}
	case strings.HasPrefix(src, "https://"):
		return s.published(ctx, src)
	}
	return "", nil
}

// inspect reads an archive once and remembers what it holds.
func (s Store) inspect(ctx context.Context, w wanted) (desired.Release, error) {
	path := w.path
	st, err := os.Stat(path)
	if err != nil {
		return desired.Release{}, w.missing(err)
	}
	if err := localfile.Check(path); err != nil {
		return desired.Release{}, w.missing(err)
	}
	key := sha256.Sum256(fmt.Appendf(nil, "v2\x00%s\x00%d\x00%d", path, st.Size(), st.ModTime().UnixNano()))
	memo := filepath.Join(s.dir, "archives", hex.EncodeToString(key[:12])+".json")
	var r desired.Release
	if b, err := localfile.Read(ctx, memo, localfile.Large); err == nil && json.Unmarshal(b, &r) == nil && r.SHA256 != "" {
		return r, nil
	}
	start := time.Now()
	s.sink.Emit(event.Event{Kind: event.StepStarted, Step: "inspect", Message: "read " + filepath.Base(path)})
	f, err := localfile.Open(path)
	if err != nil {
		return desired.Release{}, w.missing(err)
	}
	defer func() { _ = f.Close() }()
	arc, err := grafana.ReadArchive(ctx, bufio.NewReaderSize(f, 1<<20))
	if ctx.Err() != nil {
		return desired.Release{}, fmt.Errorf("read %s: %w", path, context.Cause(ctx))
	}
	if err != nil {
		return desired.Release{}, &Error{fmt.Sprintf("%s: %v", path, err), w.download()}
	}
	r = desired.Release{
		Version: arc.Version.String(), Arch: arc.Arch, SHA256: arc.SHA256, Path: path, Size: st.Size(),
		Unpacked: arc.Size, Binary: arc.Binary, Defaults: arc.Defaults,
	}
	if b, err := json.Marshal(r); err == nil && os.MkdirAll(filepath.Dir(memo), 0o700) == nil {
		_ = inventory.WriteFile(memo, b, 0o600) // a cache that cannot be written costs time and nothing else
	}
	s.sink.Emit(event.Event{Kind: event.StepDone, Step: "inspect", Message: "read " + filepath.Base(path), Seconds: time.Since(start).Seconds()})
	return r, nil
}
