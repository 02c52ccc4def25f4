package inventory

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestSetVersionChangesNothingElse(t *testing.T) {
	for name, test := range map[string]struct{ src, want string }{
		"plain":         {"# top\ngrafana:\n  version: 12.3.1   # keep me\n  x: 1\n", "# top\ngrafana:\n  version: 12.4.0   # keep me\n  x: 1\n"},
		"double quotes": {"grafana: {version: \"12.3.1\", a: 'b'}\n", "grafana: {version: \"12.4.0\", a: 'b'}\n"},
		"single quotes": {"grafana:\n    version:   '12.3.1'\r\n", "grafana:\n    version:   '12.4.0'\r\n"},
		"leading v":     {"grafana: {version: v12.3.1}", "grafana: {version: v12.4.0}"},
		"anchor":        {"x-v: &v 12.3.1 # pinned\ngrafana:\n  version: *v\n", "x-v: &v 12.4.0 # pinned\ngrafana:\n  version: *v\n"},
		"own anchor":    {"grafana:\n  version: &v !!str \"12.3.1\"\nx-b: *v\n", "grafana:\n  version: &v !!str \"12.4.0\"\nx-b: *v\n"},
		"merge":         {"x-g: &g {version: 12.3.1}\ngrafana:\n  <<: *g\n  root_url: x\n", "x-g: &g {version: 12.4.0}\ngrafana:\n  <<: *g\n  root_url: x\n"},
		"next line":     {"grafana:\n  version:\n    \"12.3.1\"\n", "grafana:\n  version:\n    \"12.4.0\"\n"},
		"after accents": {"x-ü: {ä: é, b: &v 12.3.1}\ngrafana: {version: *v}\n", "x-ü: {ä: é, b: &v 12.4.0}\ngrafana: {version: *v}\n"},
		"byte order":    {"\uFEFFgrafana: {version: 12.3.1}\n", "\uFEFFgrafana: {version: 12.4.0}\n"},
		"ansible":       {"all:\n  vars:\n    ghadeploy:\n      grafana: {version: \"12.3.1\"}\n    grafana: {version: \"1.1.1\"}\n", "all:\n  vars:\n    ghadeploy:\n      grafana: {version: \"12.4.0\"}\n    grafana: {version: \"1.1.1\"}\n"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := SetVersion([]byte(test.src), "12.4.0")
			if err != nil || string(got) != test.want {
				t.Errorf("got %q, %v\nwant %q", got, err, test.want)
			}
		})
	}
}

func TestSetVersionRefuses(t *testing.T) {
	for name, test := range map[string]struct{ src, version, want string }{
		"missing":      {"grafana: {}\n", "12.4.0", "no such key"},
		"no version":   {"grafana: {version: 12.3.1}\n", "latest", "not a full version"},
		"block":        {"grafana:\n  version: |-\n    12.3.1\n", "12.4.0", "by hand"},
		"escape":       {"grafana: {version: \"12\\x2e3.1\"}\n", "12.4.0", "by hand"},
		"not yaml":     {"grafana: {version: \n", "12.4.0", "yaml"},
		"a list":       {"grafana: {version: [1]}\n", "12.4.0", "no such key"},
		"empty":        {"", "12.4.0", "no sections"},
		"recursive":    {"grafana: &a\n  <<: *a\n", "12.4.0", "no such key"},
		"only ansible": {"all: {vars: {x: 1}}\n", "12.4.0", "no sections"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := SetVersion([]byte(test.src), test.version)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("error = %v, want %q in it", err, test.want)
			}
		})
	}
}

func TestSetChecksum(t *testing.T) {
	old, next := strings.Repeat("a", 64), strings.Repeat("b", 64)
	src := []byte("grafana:\n  version: 12.3.1\n  artifact: {source: x, sha256: {amd64: " + old + ", arm64: \"" + old + "\"}} # c\n")
	archs, err := PinnedChecksum(src)
	if err != nil || !slices.Equal(archs, []string{"amd64", "arm64"}) {
		t.Fatalf("pinned = %v, %v", archs, err)
	}
	got, err := SetChecksum(src, "arm64", next)
	if want := strings.Replace(string(src), "\""+old, "\""+next, 1); err != nil || string(got) != want {
		t.Errorf("got %q, %v", got, err)
	}
	if archs, _ := PinnedChecksum([]byte("grafana: {artifact: {source: x}}")); archs != nil {
		t.Errorf("nothing is pinned, got %v", archs)
	}
}

func TestWriteFileKeepsModeAndLink(t *testing.T) {
	dir := t.TempDir()
	file, link := filepath.Join(dir, "inv.yaml"), filepath.Join(dir, "link.yaml")
	if err := os.WriteFile(file, []byte("old"), 0o640); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("inv.yaml", link); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(link, []byte("new"), 0o600); err != nil {
		t.Fatal(err)
	}
	data, _ := os.ReadFile(file)
	info, _ := os.Stat(file)
	if string(data) != "new" || info.Mode().Perm() != 0o640 {
		t.Errorf("file is %q with mode %v", data, info.Mode())
	}
	if at, err := os.Readlink(link); err != nil || at != "inv.yaml" {
		t.Errorf("the link is gone: %v", err)
	}
	entries, _ := os.ReadDir(dir)
	if len(entries) != 2 {
		t.Errorf("left behind: %v", entries)
	}
	if err := WriteFile(filepath.Join(dir, "missing", "x"), nil, 0o600); err == nil {
		t.Error("a missing folder is no error")
	}
}
