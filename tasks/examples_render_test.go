package tasks

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

var update = flag.Bool("update", false, "rewrite the golden files")

// exampleVersions are those that each example is rendered for. Where one makes no
// sense the golden file holds what the operator is told.
var exampleVersions = []string{"6.5.0", "7.5.17", "9.4.17", "10.3.1", "11.6.0", "12.3.1"}

func TestExamplesRender(t *testing.T) {
	dir := exampleDir(t)
	files, err := filepath.Glob(filepath.Join(dir, "*.yaml"))
	if err != nil || len(files) < 8 {
		t.Fatalf("%d examples, %v", len(files), err)
	}
	for _, file := range files {
		c, err := inventory.Load(t.Context(), file, inventory.Options{Resolve: true})
		if err != nil {
			t.Fatal(err)
		}
		if text, ok := renderExample(t, c, c.Grafana.Version); !ok {
			t.Errorf("%s: %s", filepath.Base(file), text)
		}
		for _, version := range exampleVersions {
			name := strings.TrimSuffix(filepath.Base(file), ".yaml") + "-" + version
			t.Run(name, func(t *testing.T) {
				text, _ := renderExample(t, c, version)
				compareGolden(t, filepath.Join("testdata", "examples", name+".txt"), text)
			})
		}
	}
}

// exampleDir is a copy of examples/ with the secrets that its inventories name.
func exampleDir(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../examples")); err != nil {
		t.Fatal(err)
	}
	put := func(name, text string, mode os.FileMode) {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), mode); err != nil {
			t.Fatal(err)
		}
	}
	put("secrets/secret_key", "not-the-public-default\n", 0o600)
	put("secrets/admin_password", "admin-password\n", 0o600)
	put("bin/op", "#!/bin/sh\necho \"from-$2\"\n", 0o700) // a password manager
	t.Setenv("PATH", filepath.Join(dir, "bin")+":"+os.Getenv("PATH"))
	for _, name := range []string{"SUDO_PASSWORD", "GRAFANA_DB_PASSWORD", "PGPASSWORD", "REDIS_PASSWORD", "SENTINEL_PASSWORD"} {
		t.Setenv(name, "value-of-"+strings.ToLower(name))
	}
	t.Setenv("SLACK_WEBHOOK", "https://hooks.example.com/x")
	return dir
}

// renderExample is the first host's generation as text; the others' may differ
// from it in nothing but their own keys. It is false when the version cannot.
func renderExample(t *testing.T, c *inventory.Cluster, version string) (text []byte, ok bool) {
	t.Helper()
	files, tree, err := readLocal(c)
	if err != nil {
		t.Fatal(err)
	}
	in := desired.Inputs{Version: version, Releases: map[string]desired.Release{"amd64": {Version: version, SHA256: strings.Repeat("0", 64), Binary: binaryOf(version)}},
		Arch: map[string]string{}, IPs: map[string]string{}, Systemd: map[string]int{}, Files: files, Provisioning: tree}
	for i, h := range c.Hosts {
		in.Arch[h.Name], in.IPs[h.Name], in.Systemd[h.Name] = "amd64", fmt.Sprintf("10.0.0.%d", 11+i), 252
	}
	var first *desired.Generation
	for _, h := range c.Hosts {
		s, err := desired.Of(c, h, in)
		if err != nil {
			return []byte("refused: " + err.Error() + "\n"), false
		}
		if first == nil {
			first = s.Generation
			continue
		}
		sameButOwnKeys(t, h, first, s.Generation)
	}
	var b bytes.Buffer
	for _, name := range []string{desired.INIFile, desired.UnitFile} {
		fmt.Fprintf(&b, "==> %s\n%s", name, first.File(name).Content)
	}
	return b.Bytes(), true
}

func binaryOf(version string) string {
	if strings.HasPrefix(version, "6.") || strings.HasPrefix(version, "7.") || strings.HasPrefix(version, "9.") {
		return "grafana-server"
	}
	return "grafana"
}

func sameButOwnKeys(t *testing.T, h *inventory.Host, first, other *desired.Generation) {
	t.Helper()
	// http_port is what two examples give the hosts of one rack
	own := []string{"instance_name", "ha_advertise_address", "ha_listen_address", "ha_redis_peer_name", "http_port"}
	keep := func(g *desired.Generation) string {
		var kept []string
	lines:
		for line := range strings.Lines(string(g.File(desired.INIFile).Content)) {
			for _, k := range own {
				if strings.HasPrefix(line, k+" = ") {
					continue lines
				}
			}
			kept = append(kept, line)
		}
		return strings.Join(kept, "")
	}
	if a, b := keep(first), keep(other); a != b {
		t.Errorf("%s differs from the first host in more than its own keys:\n%s\n---\n%s", h.Name, a, b)
	}
}

func compareGolden(t *testing.T, path string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v; make it with: go test ./tasks -run TestExamplesRender -update", err)
	}
	if !bytes.Equal(got, want) {
		t.Errorf("%s is out of date (-update writes it); got:\n%s", path, got)
	}
}
