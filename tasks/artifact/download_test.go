package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// A download is what was published under its checksum, or it is refused; what is there
// already is not fetched again.
func TestADownloadIsWhatItsChecksumSays(t *testing.T) {
	body, fetched := "a release", 0
	sum := fmt.Sprintf("%x", sha256.Sum256([]byte(body)))
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/g.tar.gz":
			fetched++
			_, _ = w.Write([]byte(body))
		case "/g.tar.gz.sha256":
			_, _ = fmt.Fprintf(w, "%s  g.tar.gz\n", strings.ToUpper(sum))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	s := NewStore(nil)
	s.dir = t.TempDir()
	want, err := s.published(t.Context(), srv.URL+"/g.tar.gz")
	if err != nil || want != sum {
		t.Fatalf("published checksum %q, %v", want, err)
	}
	for range 2 {
		path, err := s.download(t.Context(), srv.URL+"/g.tar.gz", want)
		if err != nil {
			t.Fatal(err)
		}
		if b, err := os.ReadFile(path); string(b) != body {
			t.Errorf("downloaded %q, %v", b, err)
		}
	}
	if fetched != 1 {
		t.Errorf("fetched %d times", fetched)
	}
	other := hex.EncodeToString(make([]byte, sha256.Size))
	if _, err := s.download(t.Context(), srv.URL+"/g.tar.gz", other); !isError(err, "expected "+other) {
		t.Errorf("another checksum: %v", err)
	}
	if _, err := s.published(t.Context(), srv.URL+"/h.tar.gz"); !isError(err, "give grafana.artifact.sha256") {
		t.Errorf("no checksum beside it: %v", err)
	}
}

func TestAnArchiveThatIsNotThereIsAMistakeOfTheInventory(t *testing.T) {
	s := NewStore(nil)
	s.dir = t.TempDir()
	_, err := s.Release(t.Context(), inventory.Artifact{Source: "grafana-{version}.{os}-{arch}.tar.gz"}, "10.3.1", "amd64", "/nonexistent")
	if !isError(err, "/nonexistent/grafana-10.3.1.linux-amd64.tar.gz") {
		t.Errorf("release: %v", err)
	}
	_, err = s.Plugins(t.Context(), []inventory.Plugin{{ID: "clock", Source: "/nonexistent/clock.zip"}})
	if !isError(err, "plugin clock: ") {
		t.Errorf("plugin: %v", err)
	}
}

func isError(err error, text string) bool {
	e, ok := errors.AsType[*Error](err)
	return ok && strings.Contains(e.Message, text)
}
