package inventory

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Whatever a grafana.ini of somebody else's holds, its names become no paths, and what was
// made of it is an inventory.
func FuzzFromINI(f *testing.F) {
	for _, s := range []string{serverINI, "[a/../../b]\nx_token=1", "[smtp]\n../password = x", "=x", "[x", "a = \"\"\"\nb", "[database]\nurl = postgres://u:p@h/d\n", "[security]\nadmin_password = `a", "\xef\xbb\xbf[a]\nb=%(c)s", "[remote_cache]\ntype=redis\nconnstr=addr=x,password=y"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		_, secrets, err := FromINI("p", []string{"g1"}, []byte(src))
		if err != nil {
			return
		}
		for name := range secrets {
			if name != fileName(name) || strings.ContainsAny(name, "/\\\x00") || strings.HasPrefix(name, ".") || !filepath.IsLocal(name) {
				t.Errorf("a secret goes to the file %q", name)
			}
		}
	})
}

// The same for an Ansible inventory.
func FuzzFromAnsible(f *testing.F) {
	for _, s := range []string{"all:\n  hosts: {g1: }\n  vars: {ghadeploy: {grafana: {config: {\"../x\": {\"a/b_password\": x}}}}}\n", "all: {hosts: {\"g[1:3]\": {ansible_host: x}}}", "all: {children: {all: {}}}", "all: &a {children: *a}", "all: {vars: {ansible_password: x}}"} {
		f.Add(s)
	}
	dir := f.TempDir()
	f.Fuzz(func(t *testing.T, src string) {
		file := filepath.Join(dir, "a.yaml")
		if err := os.WriteFile(file, []byte(src), 0o600); err != nil {
			t.Fatal(err)
		}
		_, secrets, err := FromAnsible(file)
		if err != nil {
			return
		}
		for name := range secrets {
			if name != fileName(name) || !filepath.IsLocal(name) {
				t.Errorf("a secret goes to the file %q", name)
			}
		}
	})
}

func FuzzReferences(f *testing.F) {
	for _, s := range []string{"${env:A}", "$${x", "${cmd:awk '{print}'}", "${file:}", "a${age:b}c", "${", "$__file{x}", "${env:A}${env:B}"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parts, err := splitReferences(s)
		if err == nil && len(parts) == 0 {
			t.Errorf("%q has no parts", s)
		}
	})
}

func FuzzSetVersion(f *testing.F) {
	f.Add("grafana: {version: \"1.2.3\"} # kept\n", "12.3.1")
	f.Add("grafana:\n  version: &v 1.2.3\nx: *v\n", "12.3.1")
	f.Fuzz(func(_ *testing.T, src, version string) {
		_, _ = SetVersion([]byte(src), version)
		_, _ = PinnedChecksum([]byte(src))
		_, _ = SetChecksum([]byte(src), "amd64", strings.Repeat("a", 64))
	})
}
