package inventory

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func load(t *testing.T, src string) *Cluster {
	t.Helper()
	c, err := Parse(t.Context(), "/srv/inv/i.yaml", []byte(src), Options{SkipFiles: true, Home: "/home/op"})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestLoadDesignExample(t *testing.T) {
	c, err := Load(t.Context(), "testdata/valid/design.yaml", Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := hostNames(c.Hosts); len(got) != 3 || got[2] != "g3.example.com" {
		t.Errorf("hosts = %v", got)
	}
	if v, _ := c.Hosts[1].Config.Get("server", "http_port"); v.Reveal() != "3001" {
		t.Errorf("the group's http_port is %q on g2", v)
	}
}

const precedence = `cluster: p
ssh: {user: cluster, port: 1, connect_timeout: 5s, become: {method: doas}}
hosts:
  g1: {config: {a: {d: host}}, env: {D: host}, ssh: {port: 4}, labels: {d: host}}
  g2: {config: {a: {c: ~}}}
groups:
  zoo: {hosts: [g1, g2], config: {a: {b: zoo, c: zoo, d: zoo}}, env: {B: zoo, C: zoo, D: zoo}, ssh: {user: zoo, port: 2}, labels: {b: zoo, c: zoo, d: zoo}}
  ant: {hosts: [g1], config: {a: {c: ant, d: ant}}, env: {C: ant, D: ant}, ssh: {port: 3}, labels: {c: ant, d: ant}}
grafana:
  version: v12.3.1
  artifact: {source: g.tgz}
  secret_key: "${env:K}"
  config: {a: {a: cluster, b: cluster, c: cluster, d: cluster}, top: level}
  env: {A: cluster, B: cluster, C: cluster, D: cluster}
database: {type: postgres, host: db}
`

func TestPrecedenceIsClusterGroupsHost(t *testing.T) {
	c := load(t, precedence)
	g1, g2 := c.Host("g1"), c.Host("g2")
	for key, want := range map[string]string{"a": "cluster", "b": "zoo", "c": "ant", "d": "host"} {
		if v, _ := g1.Config.Get("a", key); v.Reveal() != want {
			t.Errorf("config a.%s = %s, want %s", key, v, want)
		}
		if v := g1.Env[strings.ToUpper(key)]; v.Reveal() != want {
			t.Errorf("env %s = %s, want %s", key, v, want)
		}
		if key != "a" && g1.Labels[key] != want {
			t.Errorf("label %s = %s, want %s", key, g1.Labels[key], want)
		}
	}
	if s := g1.SSH; s.User != "zoo" || s.Port != 4 || s.ConnectTimeout != 5*time.Second || s.Become.Method != "doas" {
		t.Errorf("ssh = %+v", s)
	}
	if _, ok := g2.Config.Get("a", "c"); ok {
		t.Error("null does not take a key out")
	}
	if v, _ := g2.Config.Get("", "top"); v.Reveal() != "level" || g2.Config[0].Name != "" {
		t.Errorf("keys without section must come first: %v", g2.Config)
	}
	if v, _ := c.Grafana.Config.Get("a", "d"); v.Reveal() != "cluster" {
		t.Errorf("a host changed the cluster's config: %v", v)
	}
	if !slices.Equal(g1.Groups, []string{"zoo", "ant"}) || !slices.Equal(c.Groups[0].Hosts, []string{"g1", "g2"}) || c.Grafana.Version != "12.3.1" {
		t.Errorf("groups %v, %v, version %s", g1.Groups, c.Groups[0], c.Grafana.Version)
	}
	if k := g1.Config[1].Keys[3]; k.Pos.Line != 4 || k.Pos.Column != 21 {
		t.Errorf("the host's own value stands at %v", k.Pos)
	}
}

func TestPathsAndDefaults(t *testing.T) {
	c := load(t, precedence+"hooks: {before_run: ./h.sh --x y, after_run: plain}\nalerting: {redis: }\nlive: {redis: {address: \"r:1\"}}\n")
	for _, want := range [][2]string{
		{c.Grafana.Artifact.Source, "/srv/inv/g.tgz"}, {c.Hooks.BeforeRun, "/srv/inv/h.sh --x y"}, {c.Hooks.AfterRun, "plain"},
		{c.Database.Host, "db:5432"}, {c.Database.Name, "grafana"}, {c.Alerting.HA, "gossip"}, {c.Alerting.Label, "p"}, {c.Live.Redis.Prefix, "p"},
		{c.Paths.Root, "/opt/grafana"}, {c.Paths.Service, "grafana-server"}, {fmt.Sprint(c.Rollout.Batch, c.Rollout.MaxUnavailable, c.Rollout.SettleAuto, c.KeepReleases), "[1]1true 3"},
		{c.Grafana.Artifact.Delivery, "push"}, {c.LoadBalancer.Type, "none"}, {c.Dir, "/srv/inv"},
	} {
		if want[0] != want[1] {
			t.Errorf("got %q, want %q", want[0], want[1])
		}
	}
	one := load(t, strings.ReplaceAll(strings.ReplaceAll(precedence, "  g2: {config: {a: {c: ~}}}\n", "  g3: {address: 1.1.1.1, ssh: {identity_files: [~/k, k, /k], host_keys: \"SHA256:abcdefghijklmnopqrstuvwxyz0123456789ABCDEFG\", proxy_jump: \"u@a:1, b\"}}\n"), "hosts: [g1, g2]", "hosts: [g1]"))
	if s := one.Host("g3").SSH; !slices.Equal(s.IdentityFiles, []string{"/home/op/k", "/srv/inv/k", "/k"}) || s.Fingerprint == "" || !slices.Equal(s.ProxyJump, []string{"u@a:1", "b"}) {
		t.Errorf("ssh = %+v", s)
	}
}

// Grafana's own defaults, no limit and two kept connections, are for one small server.
func TestTheConnectionPool(t *testing.T) {
	for keys, want := range map[string][2]int{
		"":                                       {25, 10},
		", max_open_conn: 50":                    {50, 10},
		", max_open_conn: 0":                     {0, 10},
		", max_idle_conn: 0":                     {25, 0},
		", max_open_conn: 50, max_idle_conn: 40": {50, 40},
	} {
		for kind, want := range map[string][2]int{"postgres, host: db": want, "mysql, host: db": want} {
			c := load(t, "cluster: p\nhosts: {g1: }\ngrafana: {version: 12.3.1, artifact: {source: g}, secret_key: \"${env:K}\"}\ndatabase: {type: "+kind+keys+"}\n")
			if got := [2]int{c.Database.MaxOpenConn, c.Database.MaxIdleConn}; got != want {
				t.Errorf("%s%s: open and idle %v, want %v", kind, keys, got, want)
			}
		}
	}
	c := load(t, "cluster: p\nhosts: {g1: }\ngrafana: {version: 12.3.1, artifact: {source: g}, secret_key: \"${env:K}\"}\ndatabase: {type: sqlite3}\n")
	if c.Database.MaxOpenConn != 0 || c.Database.MaxIdleConn != 0 {
		t.Errorf("sqlite3: %d, %d", c.Database.MaxOpenConn, c.Database.MaxIdleConn)
	}
}

func TestOneHostNeedsNoAlertingCluster(t *testing.T) {
	c := load(t, "cluster: p\nhosts: {g1: }\ngrafana: {version: 12.3.1, artifact: {source: g}, secret_key: \"${env:K}\"}\ndatabase: {type: sqlite3}\n")
	if c.Alerting.HA != "none" || c.Hosts[0].Address != "g1" {
		t.Errorf("alerting %+v", c.Alerting)
	}
}

func TestMissingLocalFilesAreDiagnostics(t *testing.T) {
	dir := t.TempDir()
	write(t, filepath.Join(dir, "there"), "x")
	src := strings.Replace(precedence, "secret_key:", "ldap: ./no-ldap\n  provisioning: ./there\n  tls: {cert: ./there, key: .}\n  plugins: [{id: a, source: ./no.zip}, {id: b, source: \"https://x/b.zip\", sha256: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}]\n  secret_key:", 1) + "hooks: {on_failure: ./no-hook.sh now, after_run: echo}\n"
	_, err := Parse(t.Context(), filepath.Join(dir, "i.yaml"), []byte(src), Options{})
	var ds Diagnostics
	if !errors.As(err, &ds) || len(ds) != 5 {
		t.Fatalf("want 5 diagnostics, got %v", err)
	}
	for i, want := range []string{"no-ldap", "there is not a directory", "is a directory", "no.zip", "no-hook.sh"} {
		if !strings.Contains(ds[i].Message, want) || ds[i].Pos.Line == 0 {
			t.Errorf("%d: %v, want %q", i, ds[i], want)
		}
	}
}

func TestUnreadableFiles(t *testing.T) {
	dir := t.TempDir()
	if _, err := Load(t.Context(), filepath.Join(dir, "none.yaml"), Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("error = %v", err)
	}
	if _, err := Load(t.Context(), dir, Options{}); err == nil || !strings.Contains(err.Error(), "is a directory") {
		t.Errorf("error = %v", err)
	}
	// Ten gigabytes of nothing: only the first megabyte is ever read.
	big := filepath.Join(dir, "big.yaml")
	write(t, big, "")
	if err := os.Truncate(big, 10<<30); err != nil {
		t.Fatal(err)
	}
	var ds Diagnostics
	if _, err := Load(t.Context(), big, Options{}); !errors.As(err, &ds) || !strings.Contains(err.Error(), "larger than 1 MiB") {
		t.Errorf("error = %v", err)
	}
}

func TestManyMistakesAreCut(t *testing.T) {
	var b strings.Builder
	for i := range 5000 {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	_, err := Parse(t.Context(), "i.yaml", []byte(b.String()), Options{})
	var ds Diagnostics
	if !errors.As(err, &ds) || len(ds) != maxDiagnostics+1 || !strings.Contains(ds[maxDiagnostics].Message, "more mistakes") {
		t.Errorf("%d diagnostics, the last is %v", len(ds), ds[len(ds)-1])
	}
}

func TestAThousandHosts(t *testing.T) {
	c := load(t, strings.Replace(precedence, "hosts:\n  g1", "hosts:\n  n[0001:1000].example.com: {labels: {x: y}}\n  g1", 1))
	if len(c.Hosts) != 1002 || c.Hosts[999].Name != "n1000.example.com" {
		t.Errorf("%d hosts", len(c.Hosts))
	}
	c.Hosts[0].Labels["x"] = "changed"
	if c.Hosts[1].Labels["x"] != "y" {
		t.Error("hosts of a range share their labels")
	}
}

func TestAnchorsKeepTheirPlace(t *testing.T) {
	_, err := Parse(t.Context(), "i.yaml", []byte("x-ssh: &ssh\n  port: no\nssh: *ssh\nhosts:\n  g1: {ssh: {<<: *ssh}}\n"), Options{})
	if err == nil || strings.Count(err.Error(), "i.yaml:2:9: ") != 2 {
		t.Errorf("a mistake in an anchor must point at the anchor, for both keys that use it:\n%v", err)
	}
}

func FuzzParse(f *testing.F) {
	files, _ := filepath.Glob("testdata/*/*.yaml")
	for _, path := range files {
		src, err := os.ReadFile(path)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(src)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		c, err := Parse(t.Context(), "i.yaml", src, Options{SkipFiles: true})
		if (c == nil) == (err == nil) {
			t.Fatalf("cluster %v with error %v", c, err)
		}
		if err == nil && (len(c.Hosts) == 0 || c.Name == "") {
			t.Errorf("half a cluster: %+v", c)
		}
		if out, err := SetVersion(src, "99.88.77"); err == nil {
			if _, err := parseYAML(out); err != nil {
				t.Errorf("SetVersion broke the file: %v", err)
			}
		}
	})
}

func ExampleParse() {
	_, err := Parse(context.Background(), "prod.yaml", []byte("cluster: prod\nhosts: {g1: {adress: 10.0.0.1}}\n"+
		"grafana: {version: 12.3.1, artifact: {source: g.tgz}, secret_key: \"${env:KEY}\"}\n"+
		"database: {type: postgres, host: db}\n"), Options{})
	fmt.Println(err)
	// Output:
	// prod.yaml:2:14: unknown key "adress" in hosts.g1 (did you mean "address"?)
	//     hosts: {g1: {adress: 10.0.0.1}}
	//                  ^
}

// The keys of a Redis Cluster that belong together share what is in braces.
func TestPrefixInARedisCluster(t *testing.T) {
	for redis, want := range map[string]string{
		`{address: "r:6379"}`: "p", `{address: "r:6379", cluster: true}`: "{p}", `{address: "r:6379", cluster: true, prefix: own}`: "own",
	} {
		src := `cluster: p
hosts: {g1: , g2: }
grafana: {version: "11.6.0", artifact: {source: g.tgz}, secret_key: "${env:K}", admin: {password: "${env:A}"}}
database: {type: postgres, host: db, password: "${env:DB}"}
alerting: {ha: redis, redis: ` + redis + `}
`
		c, err := Parse(t.Context(), "inventory.yaml", []byte(src), Options{SkipFiles: true})
		if err != nil || c.Alerting.Redis.Prefix != want {
			t.Errorf("%s: prefix of %+v, %v", redis, c, err)
		}
	}
}

// A checksum of digits, or with one e among them, is a number to YAML and text to us.
func TestChecksumsAreTakenAsWritten(t *testing.T) {
	src, err := os.ReadFile("testdata/valid/checksum-of-digits.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c, err := Parse(t.Context(), "i.yaml", src, Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	for arch, want := range map[string]string{
		"amd64": "1234567890123456789012345678901234567890123456789012345678901234",
		"arm64": "123456789012345678901234567890123456789012345678901234567890e123",
	} {
		if got := c.Grafana.Artifact.SHA256[arch]; got != want {
			t.Errorf("%s: %s", arch, got)
		}
	}
	if got := c.Grafana.Plugins[0].SHA256; got != "0000000000000000000000000000000000000000000000000000000000000001" {
		t.Error(got)
	}
}
