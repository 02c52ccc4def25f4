package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// What the packages install beside the binary is in the tree, or made by .ci/release.
func TestPackagesHoldWhatIsThere(t *testing.T) {
	root := filepath.Join("..", "..")
	text, err := os.ReadFile(filepath.Join(root, ".goreleaser.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var release struct {
		NFPMs []struct {
			Formats  []string
			Contents []struct{ Src, Dst string }
			Scripts  map[string]string
		} `yaml:"nfpms"`
	}
	if err := yaml.Unmarshal(text, &release); err != nil {
		t.Fatal(err)
	}
	if len(release.NFPMs) != 1 || strings.Join(release.NFPMs[0].Formats, " ") != "deb rpm apk" {
		t.Fatalf("packages: %+v", release.NFPMs)
	}
	placed := map[string]bool{}
	sources := []string{release.NFPMs[0].Scripts["postinstall"]}
	for _, c := range release.NFPMs[0].Contents {
		placed[c.Dst] = true
		if c.Src != "" && !strings.HasPrefix(c.Src, ".cache/release/") {
			sources = append(sources, c.Src)
		}
	}
	for _, s := range sources {
		if info, err := os.Stat(filepath.Join(root, s)); err != nil || !info.Mode().IsRegular() {
			t.Errorf("%q: %v", s, err)
		}
	}
	for _, place := range []string{
		"/usr/share/man/man1/", "/usr/share/bash-completion/completions/ghadeploy",
		"/usr/lib/systemd/system/ghadeploy-drift@.service", "/usr/lib/systemd/system/ghadeploy-drift@.timer",
	} {
		if !placed[place] {
			t.Errorf("no package has %s", place)
		}
	}
}

// systemd takes the units, and the tool the command in them.
func TestPackagedUnitsRunAPlan(t *testing.T) {
	folder := filepath.Join("..", "..", ".ci", "package")
	text, err := os.ReadFile(filepath.Join(folder, "ghadeploy-drift@.service"))
	if err != nil {
		t.Fatal(err)
	}
	_, line, found := strings.Cut(string(text), "\nExecStart=/usr/bin/ghadeploy ")
	if !found {
		t.Fatal("no command")
	}
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	cmd, args, err := (&app{}).root().Find(words)
	if err != nil || cmd.Name() != "plan" {
		t.Fatalf("%s, %v", cmd.Name(), err)
	}
	if err := cmd.ParseFlags(args); err != nil {
		t.Error(err)
	}

	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("needs systemd-analyze")
	}
	// It wants the program to be there.
	dir := t.TempDir()
	service := strings.Replace(string(text), "/usr/bin/ghadeploy", "/bin/true", 1)
	timer, err := os.ReadFile(filepath.Join("..", "..", "examples", "fleet", "drift", "ghadeploy-drift@.timer"))
	if err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{"ghadeploy-drift@eu-1.service": service, "ghadeploy-drift@eu-1.timer": string(timer)} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	said, err := exec.CommandContext(t.Context(), analyze, "verify", "--man=no",
		filepath.Join(dir, "ghadeploy-drift@eu-1.service"), filepath.Join(dir, "ghadeploy-drift@eu-1.timer")).CombinedOutput()
	if err != nil || strings.Contains(string(said), dir) {
		t.Errorf("%v\n%s", err, said)
	}
}
