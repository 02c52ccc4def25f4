package grafana

import (
	"os"
	"path/filepath"
	"testing"
)

// A real release, where one is at hand, must read as what it is.
func TestReadArchiveOfARealRelease(t *testing.T) {
	dir := os.Getenv("GHADEPLOY_GRAFANA_DIR")
	if dir == "" {
		t.Skip("needs GHADEPLOY_GRAFANA_DIR: a folder with grafana-VERSION.linux-ARCH.tar.gz")
	}
	tarballs, err := filepath.Glob(filepath.Join(dir, "grafana-*.linux-*.tar.gz"))
	if err != nil || len(tarballs) == 0 {
		t.Fatalf("no tarballs in %s (%v)", dir, err)
	}
	for _, name := range tarballs {
		t.Run(filepath.Base(name), func(t *testing.T) {
			f, err := os.Open(name)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			a, err := ReadArchive(t.Context(), f)
			if err != nil {
				t.Fatal(err)
			}
			want := "grafana-" + a.Version.String() + ".linux-" + a.Arch + ".tar.gz"
			if filepath.Base(name) != want {
				t.Errorf("read as %s", want)
			}
			if len(a.Defaults) == 0 || a.Files < 1000 || a.Binary == "" {
				t.Errorf("incomplete: %d files, binary %q, %d bytes of defaults", a.Files, a.Binary, len(a.Defaults))
			}
		})
	}
}
