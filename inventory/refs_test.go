package inventory

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"filippo.io/age"
	"filippo.io/age/armor"
	"gopkg.in/yaml.v3"
)

const refsHead = `cluster: p
hosts: {g1: {}}
database: {type: postgres, host: db}
grafana:
  version: "12.3.1"
  artifact: {source: g.tgz}
  admin: {password: "${env:ADMIN}"}
`

func env(vars map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { v, ok := vars[name]; return v, ok }
}

func TestReferences(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "secrets", "key"), "from file\r\n")
	write(t, filepath.Join(dir, "home", "s"), "from home")
	opts := Options{Resolve: true, Home: filepath.Join(dir, "home"), LookupEnv: env(map[string]string{"ADMIN": "a", "X": "from env", "E": "e"})}
	for ref, want := range map[string]string{
		`"${env:X}"`:                         "from env",
		`"${file:secrets/key}"`:              "from file",
		`"${file:~/s}"`:                      "from home",
		`"${cmd:printf 'a\n\n'}"`:            "a\n",
		`"${cmd:echo x | awk '{print $1}'}"`: "x",
		`"${cmd:cat secrets/key}"`:           "from file",
		`"a-${env:E}-${env:E}z"`:             "a-e-ez",
		`"$${env:X}"`:                        "${env:X}",
		`'$${x} $y'`:                         "${x} $y",
	} {
		c, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(refsHead+"  secret_key: "+ref+"\n"), opts)
		if err != nil {
			t.Errorf("%s: %v", ref, err)
			continue
		}
		if got := c.Grafana.SecretKey.Reveal(); got != want {
			t.Errorf("%s = %q, want %q", ref, got, want)
		}
	}
}

func TestReferenceErrors(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "empty"), "\n")
	for ref, want := range map[string]string{
		"${env:NOPE}":                      "environment variable NOPE is not set",
		"${file:nope}":                     "no such file",
		"${file:.}":                        "is a directory",
		"${file:empty}":                    "file:empty is empty",
		"${env:}":                          "names nothing",
		"${emv:X}":                         `did you mean "env"?`,
		"${env:X":                          "no closing brace",
		"${cmd:echo why >&2; exit 3}":      "exit status 3: why",
		"${cmd:echo canary; exit 1}":       "said nothing",
		"${cmd:true}":                      "cmd is empty",
		"${cmd:head -c 2000000 /dev/zero}": "running a ${cmd:...}",
		"${age:nope}":                      "no such file",
	} {
		_, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(refsHead+"  secret_key: \""+ref+"\"\n"), Options{Resolve: true, LookupEnv: env(map[string]string{"ADMIN": "a"})})
		var ds Diagnostics
		if !errors.As(err, &ds) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: error %v, want %q in it", ref, err, want)
			continue
		}
		for _, d := range ds {
			if strings.Contains(d.Message, "canary") {
				t.Errorf("%s: the output is in the message: %s", ref, d.Message)
			}
		}
	}
}

func TestCommandsRunOnce(t *testing.T) {
	dir := t.TempDir()
	src := refsHead + "  secret_key: \"${cmd:echo x >> count; echo k}\"\n  config: {smtp: {password: \"${cmd:echo x >> count; echo k}\", user: \"u ${cmd:echo x >> count; echo k}\"}}\n"
	c, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(src), Options{Resolve: true, LookupEnv: env(map[string]string{"ADMIN": "a"})})
	if err != nil {
		t.Fatal(err)
	}
	if count, _ := os.ReadFile(filepath.Join(dir, "count")); string(count) != "x\n" {
		t.Errorf("the command ran %d times", strings.Count(string(count), "x"))
	}
	if v, _ := c.Grafana.Config.Get("smtp", "user"); !v.IsSecret() || v.Reveal() != "u k" {
		t.Errorf("a value with a reference in it must be a secret: %#v", v)
	}
}

func TestCommandEndsWithContext(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	// The child keeps the pipe open after the shell is gone.
	_, err := Parse(ctx, filepath.Join(t.TempDir(), "i.yaml"), []byte(refsHead+"  secret_key: \"${cmd:sleep 600 & sleep 600}\"\n"), Options{Resolve: true, LookupEnv: env(map[string]string{"ADMIN": "a"})})
	if err == nil || !strings.Contains(err.Error(), "deadline") {
		t.Errorf("error = %v", err)
	}
}

func TestUnresolvedReferencesArePlaceholders(t *testing.T) {
	c, err := Parse(t.Context(), "i.yaml", []byte(refsHead+"  secret_key: \"${cmd:touch never-run}\"\n"), Options{})
	if err != nil {
		t.Fatal(err)
	}
	if key := c.Grafana.SecretKey; !key.IsSet() || key.Source() != "cmd" || strings.ContainsAny(key.Reveal(), "${}:") {
		t.Errorf("the placeholder is %q from %q", key.Reveal(), key.Source())
	}
	if _, err := os.Stat("never-run"); err == nil {
		t.Error("the command was run")
	}
}

func TestAgeValues(t *testing.T) {
	dir := t.TempDir()
	mine, other := newIdentity(t), newIdentity(t)
	write(t, filepath.Join(dir, "age.key"), mine.String()+"\n")
	write(t, filepath.Join(dir, "admin.age"), encrypt(t, mine, "from age file\n"))
	opts := Options{Resolve: true, LookupEnv: env(map[string]string{AgeIdentityEnv: filepath.Join(dir, "age.key"), "ADMIN": "a"})}
	inline := func(id *age.X25519Identity) string {
		return "  secret_key: !age |\n    " + strings.ReplaceAll(strings.TrimSpace(encrypt(t, id, "canary-age")), "\n", "\n    ") + "\n  config: {smtp: {password: \"${age:admin.age}\"}}\n"
	}
	c, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(refsHead+inline(mine)), opts)
	if err != nil {
		t.Fatal(err)
	}
	if v, _ := c.Grafana.Config.Get("smtp", "password"); c.Grafana.SecretKey.Reveal() != "canary-age" || v.Reveal() != "from age file" || len(c.Warnings) > 1 {
		t.Errorf("age values are %q and %q, warnings %v", c.Grafana.SecretKey.Reveal(), v.Reveal(), c.Warnings)
	}
	if _, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(refsHead+inline(other)), opts); err == nil || !strings.Contains(err.Error(), "for another key than yours") {
		t.Errorf("error = %v", err)
	}
	opts.LookupEnv = env(map[string]string{AgeIdentityEnv: filepath.Join(dir, "missing"), "ADMIN": "a"})
	if _, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(refsHead+inline(mine)), opts); err == nil || !strings.Contains(err.Error(), AgeIdentityEnv) {
		t.Errorf("error = %v", err)
	}
}

func newIdentity(t *testing.T) *age.X25519Identity {
	t.Helper()
	id, err := age.GenerateX25519Identity()
	if err != nil {
		t.Fatal(err)
	}
	return id
}

func encrypt(t *testing.T, to *age.X25519Identity, plain string) string {
	t.Helper()
	var b bytes.Buffer
	a := armor.NewWriter(&b)
	w, err := age.Encrypt(a, to.Recipient())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write([]byte(plain)); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), a.Close()); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// An age value is a string to every other YAML reader.
func TestAgeTagIsHarmlessElsewhere(t *testing.T) {
	var v map[string]any
	if err := yaml.Unmarshal([]byte("a: !age |\n  x\n"), &v); err != nil || v["a"] != "x\n" {
		t.Errorf("%v %v", v, err)
	}
}
