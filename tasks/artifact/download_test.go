package artifact

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// A server that never stops sending, or promises the moon, costs a bounded amount of disk,
// and no error repeats the token in its URL.
func TestADownloadHasABound(t *testing.T) {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/endless":
			for r.Context().Err() == nil {
				if _, err := w.Write(make([]byte, 1<<16)); err != nil {
					return
				}
			}
		case "/huge":
			w.Header().Set("Content-Length", fmt.Sprint(int64(1)<<50))
		case "/small":
			_, _ = w.Write([]byte("x"))
		default:
			http.NotFound(w, r)
		}
	}))
	defer srv.Close()
	s := Store{dir: t.TempDir(), http: srv.Client(), most: 1 << 20}
	sum := sha256.Sum256([]byte("x"))
	want := hex.EncodeToString(sum[:])
	// What came whole is kept under its checksum, and no server is asked for it again: it is last.
	for _, c := range [][2]string{{"/endless", "has no end"}, {"/huge", "more than any release"}, {"/none", "404"}, {"/small", ""}} {
		path, in := c[0], c[1]
		_, err := s.download(t.Context(), srv.URL+path+"?token=canary", want)
		if (in == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), in) {
			t.Errorf("%s: %v", path, err)
		}
		if err != nil && strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: the token is shown: %v", path, err)
		}
	}
	srv.Close()
	for name, err := range map[string]error{
		"nobody":       second(s.download(t.Context(), srv.URL+"/x?token=canary", strings.Repeat("a", 64))),
		"no URL":       second(s.download(t.Context(), "http://a b/?token=canary", strings.Repeat("b", 64))),
		"a name":       second(s.download(t.Context(), srv.URL+"/x?token=canary", "../../x")),
		"a checksum":   second(s.published(t.Context(), srv.URL+"/x?token=canary")),
		"of a release": second(s.Release(t.Context(), inventory.Artifact{Source: srv.URL + "/x?token=canary"}, "10.3.1", "amd64", "/")),
	} {
		if err == nil || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

// Who sits between could replace a release that comes by http and the checksum beside it:
// where the inventory has none for an architecture, nothing is fetched.
func TestNoChecksumIsTakenByHTTP(t *testing.T) {
	asked := false
	srv := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked = true }))
	defer srv.Close()
	s := Store{dir: t.TempDir(), http: srv.Client()}
	for _, delivery := range []string{"push", "pull"} {
		art := inventory.Artifact{Source: srv.URL + "/grafana-{version}.linux-{arch}.tar.gz", Delivery: delivery, SHA256: map[string]string{"arm64": strings.Repeat("a", 64)}}
		_, err := s.Release(t.Context(), art, "10.3.1", "amd64", "/")
		if err == nil || !strings.Contains(err.Error(), "sha256 has no checksum for amd64") || asked {
			t.Errorf("%s: %v, asked %v", delivery, err, asked)
		}
	}
}
