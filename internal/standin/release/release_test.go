package release

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/standin/faults"
)

// pack writes an archive around a file that is no server, which is quick.
func pack(t *testing.T, o Options) (string, map[string]string) {
	t.Helper()
	dir := t.TempDir()
	o.Arch, o.Dir, o.Binary = "amd64", dir, filepath.Join(dir, "bin")
	if err := os.WriteFile(o.Binary, []byte("server"), 0o600); err != nil {
		t.Fatal(err)
	}
	name, err := Pack(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	zip, err := gzip.NewReader(bytes.NewReader(b))
	if err != nil {
		t.Fatal(err)
	}
	files, r := map[string]string{}, tar.NewReader(zip)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			return string(b), files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		files[h.Name] = string(content)
	}
}

func TestSameInputSameBytes(t *testing.T) {
	o := Options{Version: "10.3.1", Files: 20, Pad: 1}
	a, _ := pack(t, o)
	b, _ := pack(t, o)
	if a != b {
		t.Error("two archives of the same input differ")
	}
}

func TestLayout(t *testing.T) {
	_, files := pack(t, Options{Version: "10.3.1", Files: 100, Pad: 1})
	if got := files["grafana-v10.3.1/VERSION"]; got != "10.3.1" {
		t.Errorf("VERSION is %q, want no newline at its end", got)
	}
	for _, want := range []string{"bin/grafana", "bin/grafana-server", "conf/defaults.ini", "conf/ldap.toml", "LICENSE", "plugins-bundled/", "public/"} {
		if _, ok := files["grafana-v10.3.1/"+want]; !ok {
			t.Errorf("the archive has no %s", want)
		}
	}
	if _, ok := files["grafana-v10.3.1/"+faults.File]; ok {
		t.Error("a healthy release has faults")
	}
	chunks := 0
	for name := range files {
		if strings.Contains(name, "chunk-") {
			chunks++
		}
	}
	if chunks != 100 {
		t.Errorf("%d extra files, want 100", chunks)
	}
}

func TestOldReleasesHaveOnlyTheServer(t *testing.T) {
	_, files := pack(t, Options{Version: "6.5.0"})
	if _, ok := files["grafana-6.5.0/bin/grafana"]; ok || files["grafana-6.5.0/bin/grafana-server"] != "server" {
		t.Error("6.5.0 is not laid out like 6.5.0")
	}
}

func TestFaultsAreReadBack(t *testing.T) {
	want := faults.Faults{Host: "h2", SlowMigration: 20 * time.Second, FailMigration: true}
	_, files := pack(t, Options{Version: "10.4.0", Faults: want})
	home := t.TempDir()
	if err := os.MkdirAll(filepath.Join(home, "conf"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(home, faults.File), []byte(files["grafana-v10.4.0/"+faults.File]), 0o600); err != nil {
		t.Fatal(err)
	}
	got, err := faults.Load(home)
	if err != nil || got != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	if got.On("h2") != want || got.On("h1") != (faults.Faults{}) {
		t.Error("the faults of h2 are not h2's alone")
	}
}
