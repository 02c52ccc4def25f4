package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// files writes files below a new folder; names may have folders in them.
func files(t *testing.T, texts map[string]string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

const sharedDefaults = `# for all clusters
x-mail: &mail {enabled: true, host: "mx:25"}
grafana:
  version: 12.3.1
  artifact: {source: ./grafana.tar.gz, sha256: {amd64: ` + exampleSum + `, arm64: ` + exampleSum + `}}
  secret_key: "${file:secrets/key}"
  admin: {password: "${env:ADMIN}"}
  root_url: https://grafana.example.com/
  plugins:
    - {id: a, source: ./plugins/a.zip}
    - {id: b, source: ./plugins/b.zip}
  config:
    smtp: *mail
    users: {allow_sign_up: false, default_theme: dark}
database: {type: postgres, host: db, password: "${file:secrets/db}", ca_cert: ./tls/ca.crt}
load_balancer: {type: haproxy, hosts: {lb1: {address: 10.0.0.1}, lb2: {address: 10.0.0.2}}}
hooks: {before_run: ./hooks/announce.sh now}
`

func TestAnInventoryTakesWhatItDoesNotSayFromTheFileItExtends(t *testing.T) {
	dir := files(t, map[string]string{
		"org/defaults.yaml": sharedDefaults, "org/secrets/key": "org-key\n", "org/secrets/db": "org-db\n",
		"org/eu/defaults.yaml": "extends: ../defaults.yaml\nalerting: {ha: gossip}\ndatabase: {host: db.eu, password: \"${file:secrets/db}\"}\ngrafana: {config: {users: {default_theme: light}}}\n",
		"org/eu/secrets/db":    "eu-db\n",
		"org/eu/prod/inventory.yaml": `extends: ../defaults.yaml
cluster: prod
hosts: {g1: {}, g2: {}}
grafana:
  artifact: {sha256: {amd64: ` + strings.Repeat("ab", 32) + `}}
  plugins: [{id: c, source: ./c.zip}]
  config: {users: {allow_sign_up: }, server: {domain: prod}}
database: {name: prod}
load_balancer: {hosts: {lb9: {}}}
`,
	})
	c, err := Load(t.Context(), filepath.Join(dir, "org/eu/prod/inventory.yaml"), Options{Resolve: true, SkipFiles: true, LookupEnv: func(string) (string, bool) { return "adm", true }})
	if err != nil {
		t.Fatal(err)
	}
	theme, _ := c.Hosts[0].Config.Get("users", "default_theme")
	mail, _ := c.Hosts[0].Config.Get("smtp", "host")
	domain, _ := c.Hosts[0].Config.Get("server", "domain")
	_, signUp := c.Hosts[0].Config.Get("users", "allow_sign_up")
	at := func(name string) string { return filepath.Join(dir, "org", name) }
	for _, tt := range []struct{ what, got, want string }{
		{"a single value", c.Grafana.Version, "12.3.1"},
		{"a path is relative to its own file", c.Grafana.Artifact.Source, at("grafana.tar.gz")},
		{"a map of checksums is replaced", fmt.Sprint(c.Grafana.Artifact.SHA256), fmt.Sprint(map[string]string{"amd64": strings.Repeat("ab", 32)})},
		{"a reference too", c.Grafana.SecretKey.Reveal(), "org-key"},
		{"the same reference in two files is two", c.Database.Password.Reveal(), "eu-db"},
		{"the nearest file wins", c.Database.Host, "db.eu:5432"},
		{"maps merge over three files", c.Database.Name + " " + c.Database.CACert, "prod " + at("tls/ca.crt")},
		{"a list is replaced", fmt.Sprint(len(c.Grafana.Plugins), " ", c.Grafana.Plugins[0].Source), "1 " + at("eu/prod/c.zip")},
		{"the hosts of a balancer are replaced", fmt.Sprint(hostNames(c.LoadBalancer.Hosts)), "[lb9]"},
		{"a program", c.Hooks.BeforeRun, at("hooks/announce.sh") + " now"},
		{"config", theme.Reveal() + mail.Reveal() + domain.Reveal(), "lightmx:25prod"},
		{"an empty key takes one away", fmt.Sprint(signUp), "false"},
		{"what it extends", fmt.Sprint(c.Extends), fmt.Sprint([]string{at("eu/defaults.yaml"), at("defaults.yaml")})},
		{"the place of a value", c.Place("grafana", "version").String(), at("defaults.yaml") + ":4:12"},
		{"whose the place is", fmt.Sprint(c.Extended(c.Place("grafana", "version")), c.Extended(c.Place("database", "name"))), "true false"},
	} {
		if tt.got != tt.want {
			t.Errorf("%s: %s, want %s", tt.what, tt.got, tt.want)
		}
	}
}

// An Ansible inventory extends in its own section.
func TestAnAnsibleInventoryExtendsToo(t *testing.T) {
	dir := files(t, map[string]string{"d.yaml": sharedDefaults,
		"hosts.yaml": "all:\n  hosts: {g1: {ansible_host: 10.0.0.1}, g2: {}}\n  vars:\n    ghadeploy: {extends: d.yaml, cluster: a}\n"})
	c, err := Load(t.Context(), filepath.Join(dir, "hosts.yaml"), Options{SkipFiles: true})
	if err != nil || len(c.Hosts) != 2 || c.Grafana.Version != "12.3.1" {
		t.Errorf("%v %+v", err, c)
	}
}

// What is wrong is said where it stands, also where a nearer file says something else.
func TestMistakesInExtendedFilesAreSaidWhereTheyStand(t *testing.T) {
	const own = "extends: d.yaml\ncluster: a\nhosts: {g1: {}}\n"
	const rest = "grafana: {version: 1.2.3, artifact: {source: x}, secret_key: k, admin: {password: p}}\ndatabase: {type: postgres, host: db}\n"
	for name, tt := range map[string]struct {
		files map[string]string
		want  []string
		never string
	}{
		"an unknown key": {map[string]string{"i": own, "d.yaml": rest + "rolout: {batch: 2}\n"}, []string{`d.yaml:3:1: unknown key "rolout" (did you mean "rollout"?)`, "    rolout: {batch: 2}"}, ""},
		"an unknown key that the nearer file has too": {map[string]string{"i": own + "rollout: {batch: 1}\n", "d.yaml": rest + "rollout: {bach: 2}\n"}, []string{`d.yaml:3:11: unknown key "bach" in rollout`}, ""},
		"a wrong value that a nearer file replaces":   {map[string]string{"i": own + "keep_releases: 4\n", "d.yaml": rest + "keep_releases: many\n"}, []string{"d.yaml:3:16: keep_releases must be a number"}, ""},
		"an element without its key in a list that a nearer file replaces": {map[string]string{"i": own + "grafana: {plugins: []}\n",
			"d.yaml": "grafana: {version: 1.2.3, artifact: {source: x}, secret_key: k, plugins: [{id: a}]}\ndatabase: {type: postgres, host: db}\n"}, []string{`d.yaml:1:75: missing key "source"`}, ""},
		"a value that neither has":     {map[string]string{"i": own, "d.yaml": "grafana: {version: 1.2.3, artifact: {source: x}}\n"}, []string{`d.yaml:1:10: missing key "secret_key" in grafana`, `i:1:1: missing key "database"`}, ""},
		"a rule over two files":        {map[string]string{"i": own + "alerting: {ha: redis}\n", "d.yaml": rest}, []string{"i:4:16: ha: redis needs alerting.redis.address"}, ""},
		"hosts for every cluster":      {map[string]string{"i": own, "d.yaml": rest + "hosts: {h: {}}\n"}, []string{"d.yaml:3:1: hosts makes one cluster of an inventory, it cannot stand in a file that inventories extend"}, ""},
		"another inventory":            {map[string]string{"i": own, "d.yaml": rest + "cluster: b\n"}, []string{"d.yaml:3:1: cluster makes one cluster"}, ""},
		"itself":                       {map[string]string{"i": strings.Replace(own, "d.yaml", "./i", 1)}, []string{"i:1:10: i extends itself: i -> i"}, ""},
		"a circle":                     {map[string]string{"i": own, "d.yaml": "extends: e.yaml\n" + rest, "e.yaml": "extends: ./d.yaml\nkeep_releases: 3\n"}, []string{"e.yaml:1:10: d.yaml extends itself: i -> d.yaml -> e.yaml -> d.yaml"}, ""},
		"nothing there":                {map[string]string{"i": own}, []string{"i:1:10: extends: there is no d.yaml (the path is relative to i)"}, ""},
		"a folder":                     {map[string]string{"i": own, "d.yaml/x": ""}, []string{"i:1:10: extends: d.yaml: this is a directory"}, ""},
		"a URL":                        {map[string]string{"i": strings.Replace(own, "d.yaml", "https://x/d.yaml", 1)}, []string{"i:1:10: extends must be a local file, nothing is fetched"}, ""},
		"a reference":                  {map[string]string{"i": strings.Replace(own, "d.yaml", `"${env:HOME}"`, 1)}, []string{"i:1:10: extends is shown in plans and logs, so it cannot be a reference"}, ""},
		"a list":                       {map[string]string{"i": strings.Replace(own, "d.yaml", `[a, b]`, 1)}, []string{"i:1:10: extends must be text, this is a list"}, ""},
		"another's list":               {map[string]string{"i": own, "d.yaml": "extends: [a]\n" + rest}, []string{"d.yaml:1:10: extends must be text, this is a list"}, ""},
		"too large":                    {map[string]string{"i": own, "d.yaml": rest + strings.Repeat("#", MaxSize)}, []string{"i:1:10: extends: d.yaml: the file is larger than 1 MiB"}, ""},
		"no YAML":                      {map[string]string{"i": own, "d.yaml": rest + "live: {redis: {address: \"a\n"}, []string{"d.yaml:", "not valid YAML"}, ""},
		"an Ansible inventory":         {map[string]string{"i": own, "d.yaml": rest + "all: {}\n"}, []string{"this is an Ansible inventory"}, ""},
		"what another tool keeps":      {map[string]string{"i": own, "d.yaml": `{"auths": {"https://r": {"auth": "SENTINEL"}}}`}, []string{"d.yaml:1:1: this cannot be extended: none of its keys is a section of an inventory"}, "SENTINEL"},
		"what another tool keeps, bad": {map[string]string{"i": own, "d.yaml": "tok: *SENTINEL\n"}, []string{"d.yaml:1:", "this cannot be extended: it is not YAML"}, "SENTINEL"},
		"a literal secret":             {map[string]string{"i": own, "d.yaml": rest + "ssh: {password: SENTINEL, prot: 22}\n"}, []string{`d.yaml:3:27: unknown key "prot" in ssh`}, "SENTINEL"},
		"a private key":                {map[string]string{"i": own, "d.yaml": "-----BEGIN RSA PRIVATE KEY-----\nSENTINEL\n"}, []string{"i:1:10: extends: d.yaml: the file is a private key"}, "SENTINEL"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(files(t, tt.files))
			_, err := Load(t.Context(), "i", Options{SkipFiles: true})
			if _, ok := errors.AsType[Diagnostics](err); !ok {
				t.Fatalf("not a diagnostic: %v", err)
			}
			for _, want := range tt.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("no %q in:\n%v", want, err)
				}
			}
			if tt.never != "" && strings.Contains(err.Error(), tt.never) {
				t.Errorf("it shows %s:\n%v", tt.never, err)
			}
		})
	}
}

// A chain without end, through names that all differ, and a pipe that nobody writes to.
func TestExtendedFilesAreBounded(t *testing.T) {
	dir := files(t, map[string]string{"i": "extends: 0\n"})
	t.Chdir(dir)
	for n := range 20 {
		if err := os.WriteFile(fmt.Sprint(n), fmt.Appendf(nil, "extends: \"%d\"\nkeep_releases: 3\n", n+1), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	load := func() string {
		_, err := Load(t.Context(), "i", Options{SkipFiles: true})
		return fmt.Sprint(err)
	}
	if got := load(); !strings.Contains(got, "extends must be text") {
		t.Errorf("a number as a name: %s", got)
	}
	if err := os.WriteFile("i", []byte("extends: \"0\"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(got, "7:1:10: more than 8 files extend each other") {
		t.Errorf("a long chain: %s", got)
	}
	if err := errors.Join(os.Remove("0"), syscall.Mkfifo("0", 0o600)); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(got, "i:1:10: extends: 0: this is a named pipe") {
		t.Errorf("a pipe: %s", got)
	}
	// A link to itself by another name is the same file.
	if err := errors.Join(os.Remove("0"), os.Symlink("i", "0")); err != nil {
		t.Fatal(err)
	}
	if got := load(); !strings.Contains(got, "0 extends itself: i -> 0") {
		t.Errorf("a link: %s", got)
	}
}

// The schema of inventories that extend, and of what they extend, and the loader agree.
func TestSchemasKnowExtendedFiles(t *testing.T) {
	defaults := compile(t, DefaultsSchema)
	inventories := compiledSchema(t)
	for _, tt := range []struct {
		what, text string
		defaults   bool // taken as defaults
		inventory  bool // taken as an inventory
	}{
		{"defaults", sharedDefaults, true, false},
		{"an inventory that extends", "extends: d.yaml\ncluster: a\nhosts: {g1: {}}\ngrafana: {config: {a: {b: c}}}\n", false, true},
		{"one without hosts", "extends: d.yaml\ncluster: a\n", false, false},
		{"a typo", "extends: d.yaml\ncluster: a\nhosts: {g1: {}}\ngrafna: {}\n", false, false},
		{"an element without its key", "extends: d.yaml\ncluster: a\nhosts: {g1: {}}\ngrafana: {plugins: [{id: a}]}\n", false, false},
		{"an empty extends", "extends:\ncluster: a\nhosts: {g1: {}}\n", false, false},
		{"Ansible", "all:\n  vars:\n    ghadeploy: {extends: d.yaml, cluster: a}\n", false, true},
	} {
		if err := validate(t, defaults, []byte(tt.text)); (err == nil) != tt.defaults {
			t.Errorf("%s as defaults: %v", tt.what, err)
		}
		if err := validate(t, inventories, []byte(tt.text)); (err == nil) != tt.inventory {
			t.Errorf("%s as an inventory: %v", tt.what, err)
		}
	}
}

// Without extends nothing is different, not even where a key is empty.
func TestAnEmptyExtendsExtendsNothing(t *testing.T) {
	src, err := os.ReadFile("testdata/valid/design.yaml")
	if err != nil {
		t.Fatal(err)
	}
	a, b := load(t, string(src)), load(t, "extends:\n"+string(src))
	if diff := cmp.Diff(a.Grafana.Version, b.Grafana.Version); diff != "" || len(b.Extends) != 0 {
		t.Errorf("%s %v", diff, b.Extends)
	}
}
