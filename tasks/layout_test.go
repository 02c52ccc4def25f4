package tasks

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

// An old binary meets a host that a newer one has laid out: it says so, and does nothing.
func TestAHostThatANewerGhadeployLaidOutIsRefused(t *testing.T) {
	for text, want := range map[string]string{
		"": "", "1\n": "", "0\n": "",
		"2\n": "h1: observe: a newer ghadeploy has laid out its files (layout 2, this one knows 1); nothing was touched; next: update ghadeploy", "2": "layout 2,",
		"99999999999999999999\n": "layout of another kind", "-1\n": "layout -1,", "two\n": "layout of another kind", "\x1b[31m2\n": "layout of another kind",
		"2\tlast\nmore\n": "layout 2,",
	} {
		state := t.TempDir()
		if text != "" {
			if err := os.WriteFile(filepath.Join(state, "layout"), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		paths := inventory.Paths{Root: filepath.Join(state, "root"), Etc: filepath.Join(state, "etc"), State: state, Service: "no-such-unit", User: "nobody"}
		_, err := Observe(t.Context(), &fleettest.Local{Name: "h1"}, "h1", paths)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("layout %q: %v", text, err)
		}
	}
}
