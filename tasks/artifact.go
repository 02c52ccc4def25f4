package tasks

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// artifacts finds releases on the operator's machine. What an archive holds is
// remembered by path, size and time of change, so that a run that changes
// nothing reads no archive.
type artifacts struct {
	dir  string // cache
	sink event.Sink
	http *http.Client
}

func newArtifacts(sink event.Sink) artifacts {
	dir, err := os.UserCacheDir()
	if err != nil {
		dir = os.TempDir()
	}
	return artifacts{dir: filepath.Join(dir, "ghadeploy"), sink: sink, http: &http.Client{Timeout: 30 * time.Minute}}
}

// resolve gives the release of one version for one architecture. It refuses an
// archive whose checksum, version or architecture is not what was asked for.
func (a artifacts) resolve(ctx context.Context, art inventory.Artifact, version, arch, dir string) (Release, error) {
	src := strings.NewReplacer("{version}", version, "{arch}", arch, "{os}", "linux").Replace(art.Source)
	want := strings.ToLower(art.SHA256[arch])
	if want == "" {
		want = strings.ToLower(art.SHA256[""])
	}
	isURL := strings.HasPrefix(src, "http://") || strings.HasPrefix(src, "https://")
	var err error
	if isURL && want == "" {
		if want, err = a.published(ctx, src); err != nil {
			return Release{}, err
		}
	}
	if isURL && art.Delivery == "pull" {
		return pulled(version, arch, want, src)
	}
	path := src
	if isURL {
		if path, err = a.download(ctx, src, want); err != nil {
			return Release{}, err
		}
	} else if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	r, err := a.inspect(ctx, path)
	if err != nil {
		return Release{}, err
	}
	if want != "" && want != r.SHA256 {
		return Release{}, &UsageError{fmt.Sprintf("%s has the SHA-256 %s, the inventory says %s: download it again, or correct grafana.artifact.sha256", path, r.SHA256, want)}
	}
	return r, matches(r, path, version, arch)
}

// pulled is a release that the hosts download themselves: what is not in its name
// is known from its version.
func pulled(version, arch, sum, src string) (Release, error) {
	v, err := grafana.ParseVersion(version)
	if err != nil {
		return Release{}, &UsageError{err.Error()}
	}
	r := Release{Version: version, Arch: arch, SHA256: sum, URL: src, Binary: "grafana-server"}
	if grafana.HasGrafanaBinary(v) {
		r.Binary = "grafana"
	}
	return r, nil
}

// matches refuses a release that is not what its name or the inventory says.
func matches(r Release, path, version, arch string) error {
	if r.Version != version {
		return &UsageError{fmt.Sprintf("%s holds Grafana %s, the inventory says %s: correct grafana.version or grafana.artifact.source", path, r.Version, version)}
	}
	if r.Arch != arch {
		return &UsageError{fmt.Sprintf("%s is for %s, the host is %s: put {arch} into grafana.artifact.source", path, r.Arch, arch)}
	}
	return nil
}

// inspect reads an archive once and remembers what it holds.
func (a artifacts) inspect(ctx context.Context, path string) (Release, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Release{}, &UsageError{fmt.Sprintf("grafana.artifact.source: %v: put the release archive there, or correct the path", err)}
	}
	key := sha256.Sum256(fmt.Appendf(nil, "v2\x00%s\x00%d\x00%d", path, st.Size(), st.ModTime().UnixNano()))
	memo := filepath.Join(a.dir, "archives", hex.EncodeToString(key[:12])+".json")
	var r Release
	if b, err := os.ReadFile(memo); err == nil && json.Unmarshal(b, &r) == nil && r.SHA256 != "" {
		return r, nil
	}
	start := time.Now()
	a.sink.Emit(event.Event{Kind: event.StepStarted, Step: "inspect", Message: "read " + filepath.Base(path)})
	f, err := os.Open(path)
	if err != nil {
		return Release{}, &UsageError{err.Error()}
	}
	defer func() { _ = f.Close() }()
	arc, err := grafana.ReadArchive(ctx, bufio.NewReaderSize(f, 1<<20))
	if err != nil {
		return Release{}, fmt.Errorf("%s: %w", path, err)
	}
	r = Release{
		Version: arc.Version.String(), Arch: arc.Arch, SHA256: arc.SHA256, Path: path, Size: st.Size(),
		Unpacked: arc.Size, Binary: arc.Binary, Defaults: arc.Defaults,
	}
	if b, err := json.Marshal(r); err == nil {
		_ = writeFileAtomic(memo, b, 0o600) // a cache that cannot be written costs time and nothing else
	}
	a.sink.Emit(event.Event{Kind: event.StepDone, Step: "inspect", Message: "read " + filepath.Base(path), Seconds: time.Since(start).Seconds()})
	return r, nil
}

// published reads the checksum beside a release: <url>.sha256, bare hexadecimal
// or as sha256sum prints it. It is never skipped silently.
func (a artifacts) published(ctx context.Context, src string) (string, error) {
	b, err := a.get(ctx, src+".sha256", 1<<16)
	if err != nil {
		return "", &UsageError{fmt.Sprintf("no checksum for %s: %v: give grafana.artifact.sha256", redactURL(src), err)}
	}
	sum, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	if _, err := hex.DecodeString(sum); err != nil || len(sum) != 64 {
		return "", &UsageError{fmt.Sprintf("%s.sha256 holds no SHA-256: give grafana.artifact.sha256", redactURL(src))}
	}
	return strings.ToLower(sum), nil
}

func (a artifacts) get(ctx context.Context, u string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	res, err := a.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, limit))
}

// download fetches a release once into the cache; its name there is its checksum.
func (a artifacts) download(ctx context.Context, src, want string) (string, error) {
	path := filepath.Join(a.dir, "downloads", want+".tar.gz")
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	a.sink.Emit(event.Event{Kind: event.StepStarted, Step: "download", Message: "download " + redactURL(src)})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil {
		return "", &UsageError{err.Error()}
	}
	res, err := a.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("download %s: %w", redactURL(src), err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", fmt.Errorf("download %s: %s", redactURL(src), res.Status)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return "", err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".download-*")
	if err != nil {
		return "", err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	sum := sha256.New()
	p := &progressWriter{sink: a.sink, step: "download", total: res.ContentLength}
	_, err = io.Copy(io.MultiWriter(tmp, sum, p), res.Body)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", fmt.Errorf("download %s: %w", redactURL(src), err)
	}
	if have := hex.EncodeToString(sum.Sum(nil)); have != want {
		return "", &UsageError{fmt.Sprintf("%s has the SHA-256 %s, expected %s: the download is damaged or not what was published", redactURL(src), have, want)}
	}
	return path, os.Rename(tmp.Name(), path)
}

// progressWriter tells a sink how many bytes have passed, some times a second.
type progressWriter struct {
	sink        event.Sink
	step        string
	done, total int64
	last        time.Time
}

// Write counts.
func (p *progressWriter) Write(b []byte) (int, error) {
	p.done += int64(len(b))
	if now := time.Now(); now.Sub(p.last) > 200*time.Millisecond {
		p.last = now
		p.sink.Emit(event.Event{Kind: event.StepProgress, Step: p.step, Done: p.done, Total: p.total})
	}
	return len(b), nil
}

// redactURL is a URL without the password that it may carry.
func redactURL(s string) string {
	u, err := url.Parse(s)
	if err != nil {
		return "the URL"
	}
	return u.Redacted()
}

// writeFileAtomic writes a file so that it is there whole or not at all, and
// makes its folder for the owner alone.
func writeFileAtomic(path string, b []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".new-*")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(b)
	if err = errors.Join(err, tmp.Chmod(mode), tmp.Close()); err != nil {
		return err
	}
	return os.Rename(tmp.Name(), path)
}
