package main_test

import (
	"encoding/base64"
	"encoding/json"
	"testing"
)

// readGeneration reads a manifest; without a valid one a generation is half.
func readGeneration(t *testing.T, host, release, manifest string) *onDisk {
	t.Helper()
	g := &onDisk{release: release, files: map[string]string{}}
	b, err := base64.StdEncoding.DecodeString(manifest)
	if err == nil {
		err = json.Unmarshal(b, &g.manifest)
	}
	if err != nil {
		t.Errorf("%s: a generation's manifest: %v", host, err)
	}
	return g
}

// complete compares a generation with its own manifest.
func (g *onDisk) complete(t *testing.T, what string, releases map[string]int) {
	t.Helper()
	if g.release != g.manifest.Release || releases[g.release] == 0 {
		t.Errorf("%s: its release is %s, its manifest says %s, there are %v", what, g.release, g.manifest.Release, releases)
	}
	if len(g.files) != len(g.manifest.Files) || len(g.files) == 0 {
		t.Errorf("%s has %d files, its manifest %d", what, len(g.files), len(g.manifest.Files))
	}
	for path, f := range g.manifest.Files {
		if g.files[path] != f.SHA256 {
			t.Errorf("%s: %s has the SHA-256 %s, its manifest says %s", what, path, g.files[path], f.SHA256)
		}
	}
}
