package inventory

import (
	"errors"
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
		_, secrets, err := FromAnsible(file, "")
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

// A static INI inventory, whatever it holds, ends soon and is read as something or refused;
// a text that Python would not take for a literal stays what it is.
func FuzzINI(f *testing.F) {
	for _, s := range []string{"[g]\nh[01:10:2] x=1 y='a b' # c\n[g:vars]\na = [1, {'b': None}]\n[all:children]\ng\n", "[::1]:22\n", "h:1 =\n", "[a:children]\nb\n[b:children]\na\n",
		"h[1:99999999]", "h x=\"[[[[((({{{\"\n", "h[a:c][1:3] x='\\u12'", "\xef\xbb\xbf[g]\r\nh\r\n", "[g]\nh x=-0x1_f y=0_0 z=1e9\n", "a b='\\", "#!x", "[g:vars]\nx=b'\\xff'\n", "h ansible_password=!vault"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		inv := parseINI(newReporter("x.ini", []byte(src)), []byte(src))
		if inv == nil {
			return
		}
		for _, h := range inv.Hosts {
			for name, v := range inv.vars[h] {
				if v.value == nil {
					t.Errorf("%s of %s is nothing", name, h)
					continue
				}
				v.value.native()
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

// Whatever two files say, one extends the other or both are refused, soon; nothing of a file
// that has nothing to do with inventories is shown.
func FuzzExtends(f *testing.F) {
	for _, s := range [][2]string{
		{"extends: d\ncluster: a\nhosts: {g1: {}}\n", sharedDefaults}, {"extends: d\n", "extends: i\n"}, {"extends: [d]", "extends: {a: b}\nssh: 1"},
		{"extends: d\nssh: {user: }\ngrafana: &a {config: *a}\n", "grafana: {config: {a: {b: c}}}\nssh: {user: x, port: 1}\n"}, {"extends: d", "SENTINEL: [x"},
		{"extends: d\nload_balancer: {hosts: {}}\n", "load_balancer: {hosts: }\nx-a: 1\n<<: {ssh: {}}\n"}, {"all: {vars: {ghadeploy: {extends: d}}}", "all: {}\nssh: {}"},
	} {
		f.Add(s[0], s[1])
	}
	dir := f.TempDir()
	own, defaults := filepath.Join(dir, "i"), filepath.Join(dir, "d")
	f.Fuzz(func(t *testing.T, a, b string) {
		if err := errors.Join(os.WriteFile(own, []byte(a), 0o600), os.WriteFile(defaults, []byte(b), 0o600)); err != nil {
			t.Fatal(err)
		}
		c, err := Load(t.Context(), own, Options{SkipFiles: true})
		if err == nil && len(c.Extends) > 0 && c.Name == "" {
			t.Error("an inventory without a name")
		}
		ours := newReporter(defaults, []byte(b)).speaksOfUs()
		if err != nil && !ours && strings.Contains(b, "SENTINEL") && strings.Contains(err.Error(), "SENTINEL") && !strings.Contains(a, "SENTINEL") {
			t.Errorf("it shows what is no inventory: %v", err)
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
