package artifact

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
	"github.com/ghadeploy/ghadeploy/tasks/event"
)

// published reads the checksum beside a release: <url>.sha256, bare hexadecimal
// or as sha256sum prints it. It is never skipped silently.
func (s Store) published(ctx context.Context, src string) (string, error) {
	b, err := s.get(ctx, src+".sha256", 1<<16)
	if err != nil {
		return "", &Error{fmt.Sprintf("no checksum for %s: %v", desired.RedactURL(src), err),
			"write the archive's checksum into grafana.artifact.sha256 in INVENTORY; its release page shows it"}
	}
	sum, _, _ := strings.Cut(strings.TrimSpace(string(b)), " ")
	if _, err := hex.DecodeString(sum); err != nil || len(sum) != 64 {
		return "", &Error{fmt.Sprintf("%s.sha256 holds no SHA-256", desired.RedactURL(src)),
			"write the archive's checksum into grafana.artifact.sha256 in INVENTORY; its release page shows it"}
	}
	return strings.ToLower(sum), nil
}

func (s Store) get(ctx context.Context, u string, limit int64) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, u, nil)
	if err != nil {
		return nil, err
	}
	res, err := s.http.Do(req)
	if err != nil {
		return nil, bare(err)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return nil, errors.New(res.Status)
	}
	return io.ReadAll(io.LimitReader(res.Body, limit))
}

// download fetches a release once into the cache; its name there is its checksum.
func (s Store) download(ctx context.Context, src, want string) (string, error) {
	if sum, err := hex.DecodeString(want); err != nil || len(sum) != sha256.Size {
		// it becomes a name
		return "", &Error{fmt.Sprintf("%q is no SHA-256", want), "correct the sha256 of " + desired.RedactURL(src) + " in INVENTORY"}
	}
	path := filepath.Join(s.dir, "downloads", want+".tar.gz")
	if err := localfile.Check(path); err == nil {
		return path, nil
	}
	s.sink.Emit(event.Event{Kind: event.StepStarted, Step: "download", Message: "download " + desired.RedactURL(src)})
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, src, nil)
	if err != nil {
		return "", &Error{Message: "download " + desired.RedactURL(src) + ": " + bare(err).Error()}
	}
	res, err := s.http.Do(req)
	if err != nil {
		return "", fmt.Errorf("download %s: %w", desired.RedactURL(src), bare(err))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return "", &Error{fmt.Sprintf("download %s: %s", desired.RedactURL(src), res.Status),
			"correct the URL in INVENTORY: what it says is not there, or not for us"}
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
	p := &progressWriter{sink: s.sink, step: "download", total: res.ContentLength}
	err = s.bounded(io.MultiWriter(tmp, sum, p), res)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return "", fmt.Errorf("download %s: %w", desired.RedactURL(src), err)
	}
	if have := hex.EncodeToString(sum.Sum(nil)); have != want {
		return "", &Error{fmt.Sprintf("%s has the SHA-256 %s, expected %s: the download is damaged or not what was published",
			desired.RedactURL(src), have, want),
			"try again; when it says the same, compare the sha256 in INVENTORY with the one that the publisher shows"}
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

// bare is an error of package http without the URL that it names, query and all.
func bare(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// maxDownload is the most that a download may have, in bytes: ten times a release.
const maxDownload = 4 << 30

// bounded reads a body to its end and not further than maxDownload, whatever the server
// says of its length or sends without saying.
func (s Store) bounded(to io.Writer, res *http.Response) error {
	most := s.most
	if most == 0 {
		most = maxDownload
	}
	if res.ContentLength > most {
		return fmt.Errorf("the server offers %d MiB, more than any release has", res.ContentLength>>20)
	}
	n, err := io.Copy(to, io.LimitReader(res.Body, most+1))
	if err == nil && n > most {
		err = fmt.Errorf("it has no end after %d MiB, more than any release has", most>>20)
	}
	return err
}
