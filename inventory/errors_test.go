package inventory

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files")

// What an operator reads for each mistake is in a golden file beside it.
func TestErrorsAreGolden(t *testing.T) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	checked := 0
	for _, path := range files {
		dir := filepath.Base(filepath.Dir(path))
		if dir != "invalid" && dir != "semantic" && dir != "errors" {
			continue
		}
		checked++
		t.Run(dir+"/"+filepath.Base(path), func(t *testing.T) {
			_, err := Load(t.Context(), path, Options{SkipFiles: true})
			if err == nil {
				t.Fatal("it loads")
			}
			got, golden := err.Error()+"\n", strings.TrimSuffix(path, ".yaml")+".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
	if checked < 60 {
		t.Errorf("only %d fixtures", checked)
	}
}
