package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

const localHead = `cluster: p
hosts: {g1: {address: 10.0.0.1}}
grafana:
  version: "12.3.1"
  artifact: {source: "./g.tgz"}
`

// What an inventory names and is no regular file is told at its place, at once.
func TestOddLocalFilesAreToldAtTheirPlace(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600), os.Symlink("/dev/zero", filepath.Join(dir, "zero")), os.Mkdir(filepath.Join(dir, "tree"), 0o700),
		os.Symlink("/etc/passwd", filepath.Join(dir, "tree", "out.yaml")), os.WriteFile(filepath.Join(dir, "big"), nil, 0o600), os.Truncate(filepath.Join(dir, "big"), 1<<40)); err != nil {
		t.Fatal(err)
	}
	base := localHead + "  secret_key: \"${env:K}\"\n"
	end := "database: {type: sqlite3}\n"
	for name, c := range map[string]struct{ text, want string }{
		"a secret from a pipe":          {localHead + "  secret_key: \"${file:pipe}\"\n" + end, ":6:15: reading secret: DIR/pipe is a named pipe"},
		"a secret without end":          {localHead + "  secret_key: \"${file:zero}\"\n" + end, ":6:15: reading secret: DIR/zero is a device"},
		"a huge secret":                 {localHead + "  secret_key: \"${file:big}\"\n" + end, ":6:15: reading secret: DIR/big is larger than 1 MiB"},
		"a folder as secret":            {localHead + "  secret_key: \"${file:tree}\"\n" + end, ":6:15: reading secret: DIR/tree is a directory"},
		"an age file from a pipe":       {localHead + "  secret_key: \"${age:pipe}\"\n" + end, "DIR/pipe is a named pipe"},
		"ldap from a device":            {base + "  ldap: ./zero\n" + end, ":7:9: grafana.ldap: DIR/zero is a device"},
		"ldap without end":              {base + "  ldap: ./big\n" + end, ":7:9: grafana.ldap: DIR/big is larger than 64 MiB"},
		"a certificate from a pipe":     {base + "  tls: {cert: ./pipe, key: ./zero}\n" + end, ":7:15: grafana.tls.cert: DIR/pipe is a named pipe"},
		"a further file from a pipe":    {base + "  files: {x.xml: ./pipe}\n" + end, "grafana.files.x.xml: DIR/pipe is a named pipe"},
		"a plugin from a pipe":          {base + "  plugins: [{id: a, source: ./pipe}]\n" + end, "DIR/pipe is a named pipe"},
		"provisioning that leaves":      {base + "  provisioning: ./tree\n" + end, ":7:17: grafana.provisioning: DIR/tree/out.yaml is a link to \"/etc/passwd\", which leaves"},
		"known hosts from a pipe":       {"ssh: {known_hosts: ./pipe}\n" + base + end, ":1:20: ssh.known_hosts: DIR/pipe is a named pipe"},
		"one known_hosts of several":    {"ssh: {known_hosts: [~/none, ./zero]}\n" + base + end, ":1:29: ssh.known_hosts: DIR/zero is a device"},
		"an identity file from a pipe":  {"ssh: {identity_files: [./pipe]}\n" + base + end, ":1:24: ssh.identity_files: DIR/pipe is a named pipe"},
		"a host's own identity file":    {strings.Replace(base, "{address: 10.0.0.1}", "{ssh: {identity_files: [./pipe]}}", 1) + end, "DIR/pipe is a named pipe"},
		"a database's CA from a device": {base + "database: {type: postgres, host: db, ca_cert: ./zero}\n", "database.ca_cert: DIR/zero is a device"},
	} {
		start := time.Now()
		_, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(c.text), Options{Resolve: true, LookupEnv: env(map[string]string{"K": "key-of-24-characters-xx"})})
		var all Diagnostics
		if want := strings.ReplaceAll(c.want, "DIR", dir); !errors.As(err, &all) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", name, err, want)
		}
		if took := time.Since(start); took > 10*time.Second {
			t.Errorf("%s: told after %s", name, took)
		}
	}
}

// A file that was named by mistake is not quoted, and never waited for.
func TestAnInventoryThatIsNoneIsNotShown(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	const canary = "b3BlbnNzaC1rZXktdjEAAAAABG5vbmU"
	write := func(text string) string {
		f, err := os.CreateTemp(dir, "")
		if err == nil {
			_, err = f.WriteString(text)
			err = errors.Join(err, f.Close())
		}
		if err != nil {
			t.Fatal(err)
		}
		return f.Name()
	}
	key := "-----BEGIN OPENSSH PRIVATE KEY-----\n" + canary + "\n-----END OPENSSH PRIVATE KEY-----\n"
	for name, file := range map[string]string{
		"a pipe": pipe, "a device": "/dev/zero", "a folder": dir, "a private key": write(key), "an age key": write("# created: now\nAGE-SECRET-KEY-1" + canary + "\n"),
		"a secret": write(canary + "\n"), "a secret with a colon": write(canary + ":" + canary + "\n"), "a password that reads as an alias": write("cluster: p\nssh: {password: *" + canary + "}\n"),
		"a key within":                       write("cluster: p\nssh:\n  password: |\n    " + strings.ReplaceAll(key, "\n", "\n    ") + "\n x: [\n"),
		"a key whose lines are not indented": write("cluster: p\nssh:\n  password: |\n" + key),
		"a value that goes on":               write("cluster: p\nssh:\n  password: >\n " + canary + "\n\t" + canary + "\n"),
	} {
		for which, read := range map[string]func() error{
			"Load":         func() error { _, err := Load(t.Context(), file, Options{}); return err },
			"FromAnsible":  func() error { _, _, err := FromAnsible(file, ""); return err },
			"ParseAnsible": func() error { _, err := ParseAnsible(file); return err },
			"FromINI": func() error {
				if name == "a pipe" || name == "a device" || name == "a folder" {
					return Diagnostics{} // whoever reads the file for it opens none of these
				}
				src, err := os.ReadFile(file)
				if err == nil {
					_, _, err = FromINI("p", []string{"g"}, append(src, "\n="+canary...))
				}
				return err
			},
		} {
			err := read()
			var all Diagnostics
			if !errors.As(err, &all) {
				t.Errorf("%s of %s: %v", which, name, err)
			}
			if err != nil && strings.Contains(err.Error(), canary) {
				t.Errorf("%s of %s shows it: %v", which, name, err)
			}
		}
	}
}

// Whatever a file of somebody else's calls a secret, its file has a name of its own and
// lies beside the others.
func TestImportedNamesAreNoPaths(t *testing.T) {
	for _, name := range []string{"a/../../../etc/cron.d/x_token", "../x_password", "x\x00_token", `..\x_token`, "a..b_token", ". ._token"} {
		_, secrets, err := FromINI("p", []string{"g1"}, []byte("["+name+"]\nx_token = canary\n"))
		if err == nil {
			t.Errorf("the section %q is taken: %v", name, secrets)
		}
		_, secrets, err = FromINI("p", []string{"g1"}, []byte("[smtp]\n"+name+" = canary\n"))
		if err == nil {
			t.Errorf("the key %q is taken: %v", name, secrets)
		}
		text := fmt.Sprintf("all:\n  hosts: {g1: }\n  vars:\n    ghadeploy:\n      grafana: {version: 12.3.1, artifact: {source: x}, secret_key: k, config: {smtp: {%q: canary}, %q: {x_token: canary}}}\n", name, name)
		file := filepath.Join(t.TempDir(), "a.yaml")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, secrets, err = FromAnsible(file, ""); err == nil {
			t.Errorf("Ansible's %q is taken: %v", name, secrets)
		}
	}
	var files = secretFiles{}
	for name, want := range map[string]string{
		"smtp.password": "smtp.password", "a/b": "a_b", "../../etc/passwd": "_.._etc_passwd", "": "secret", "..": "secret", ".ssh": "ssh", "-rf": "rf", "ü": "_",
		strings.Repeat("x", 1000): strings.Repeat("x", maxFileName),
	} {
		if got := fileName(name); got != want {
			t.Errorf("fileName(%q) is %q, want %q", name, got, want)
		}
	}
	one, two, three := files.add("a/b", "1"), files.add("a_b", "2"), files.add("a:b", "1")
	if one != "a_b" || two != "a_b-2" || three != one {
		t.Errorf("got %s, %s, %s", one, two, three)
	}
}
