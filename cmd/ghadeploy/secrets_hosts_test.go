package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/remote/remotetest"
)

// planted are secrets that appear nowhere by chance, by the name of the place they are at.
type planted struct {
	dir    string
	mu     sync.Mutex
	values map[string]string // also old ones
}

// ref plants a secret and gives a reference to it.
func (p *planted) ref(t *testing.T, name string) string { return "${file:" + p.file(t, name) + "}" }

func (p *planted) file(t *testing.T, name string) string {
	p.put(t, name, "canary"+strings.ReplaceAll(name, "_", "")+rand.Text())
	return name
}

func (p *planted) put(t *testing.T, name, value string) {
	t.Helper()
	p.mu.Lock()
	p.values[fmt.Sprintf("%s %d", name, len(p.values))] = value
	p.mu.Unlock()
	remotetest.WriteFile(t, filepath.Join(p.dir, name), value+"\n", 0o600)
}

// is plants a secret inside a file of the operator's.
func (p *planted) is(name string) string {
	value := "canary" + name + rand.Text()
	p.mu.Lock()
	defer p.mu.Unlock()
	p.values[name] = value
	return value
}

// forms of a secret in a text: as it is, and as programs write it.
func (p *planted) in(text string) (names []string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for name, v := range p.values {
		quoted, _ := json.Marshal(v)
		forms := []string{v, url.QueryEscape(v), url.PathEscape(v), string(quoted[1 : len(quoted)-1]), remote.Quote(v), strings.Trim(remote.Quote(v), "'"),
			base64.StdEncoding.EncodeToString([]byte(v)), base64.RawURLEncoding.EncodeToString([]byte(v)), base64.StdEncoding.EncodeToString([]byte("admin:" + v)), fmt.Sprintf("%x", v)}
		if lines := strings.Fields(v); len(lines) > 1 {
			forms = append(forms, slices.DeleteFunc(lines, func(l string) bool { return len(l) < 10 || strings.Contains(l, "---") })...)
		}
		if slices.ContainsFunc(forms, func(f string) bool { return strings.Contains(text, f) }) {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// watch looks for secrets in the command line of every process of this machine, which
// those of the hosts are too, and gives how often it looked.
func (p *planted) watch(t *testing.T) (stop func() int) {
	t.Helper()
	done := make(chan struct{})
	var wg sync.WaitGroup
	looks := 0
	wg.Go(func() {
		for {
			files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
			for _, f := range files {
				b, err := os.ReadFile(f)
				if err != nil {
					continue
				}
				if names := p.in(string(b)); len(names) > 0 {
					t.Errorf("%v in %q", names, bytes.ReplaceAll(b, []byte{0}, []byte(" ")))
				}
			}
			looks++
			select {
			case <-done:
				return
			case <-time.After(20 * time.Millisecond):
			}
		}
	})
	return func() int { close(done); wg.Wait(); return looks }
}

const fakeSudoOfHosts = `#!/bin/sh
while [ $# -gt 0 ]; do case $1 in -p) p=$2; shift ;; --) shift; break ;; esac; shift; done
printf %s "$p" >&2
IFS= read -r w
[ "$w" = "$SUDO_WANTS" ] && exec "$@"
echo "Sorry, try again." >&2
exit 1
`

// plantEverywhere writes an inventory with a secret at every place that can have one.
func plantEverywhere(t *testing.T, g *grounds, dir string, hosts []*hostileHost, hook string) (*planted, string) {
	t.Helper()
	p := &planted{dir: dir, values: map[string]string{}}
	write := func(name, text string) { remotetest.WriteFile(t, filepath.Join(dir, name), text, 0o600) }
	for _, d := range []string{"provisioning", "provisioning/datasources"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	pem := "-----BEGIN PRIVATE KEY-----\n" + rand.Text() + rand.Text() + "\n" + rand.Text() + rand.Text() + "\n-----END PRIVATE KEY-----"
	p.values["a key of many lines"] = pem
	write("provisioning/datasources/all.yaml", fmt.Sprintf(`apiVersion: 1
datasources:
  - name: one
    type: prometheus
    url: https://scraper:%s@prometheus.example.com/?x=1&token=%s
    basicAuth: true
    secureJsonData: {basicAuthPassword: %s, httpHeaderValue1: "Bearer %s"}
  - name: two
    type: github
    secureJsonData:
      odd: |
        %s
      privateKey: |
        %s
`, p.is("urlpassword"), p.is("urltoken"), p.is("inline"), p.is("bearer"), p.is("block"), strings.ReplaceAll(pem, "\n", "\n        ")))
	write("ldap.toml", fmt.Sprintf("[[servers]]\nhost = \"ldap\"\nbind_password = '''\n%s'''\n", p.is("ldap")))
	write("saml.key", "opaque "+p.is("shippedfile")+"\n")
	remotetest.WriteFile(t, filepath.Join(dir, "hook.sh"), "#!/bin/sh\nenv >>\"$0.env\"; cat >>\"$0.in\"\n", 0o700)
	p.put(t, "six", "q7Zx9w")
	p.put(t, "odd", `canary"o'dd$&<>`+"\\ %"+rand.Text())
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("cluster: prod")
	line("ssh: {user: ops, password: %q, known_hosts: ./known_hosts, connect_timeout: 5s, become: {method: sudo, password: %q}}", p.ref(t, "ssh"), "${cmd:cat "+p.file(t, "sudo")+"}")
	line("hosts:")
	for _, h := range hosts {
		line("  %s: {address: %s, ssh: {port: %d}, config: {server: {http_port: %d}, auth.google: {client_secret: %q}}}", h.name, h.address, h.port, h.grafana, p.ref(t, "oauth_"+h.name))
	}
	line("grafana:")
	line("  version: \"10.3.1\"\n  artifact: {source: %q}\n  root_url: http://127.0.0.1:1/\n  secret_key: %q\n  admin: {password: %q}", filepath.Join(g.dir, g.file), p.ref(t, "secret_key"), p.ref(t, "admin"))
	line("  renderer: {server_url: \"http://127.0.0.1:1/render\", token: %q}\n  env: {CANARY: %q}", p.ref(t, "renderer"), p.ref(t, "env"))
	line("  provisioning: ./provisioning\n  ldap: ./ldap.toml\n  files: {saml.key: ./saml.key}")
	line("  config:\n    smtp: {enabled: true, host: \"127.0.0.1:25\", password: %q}\n    metrics: {basic_auth_username: m, basic_auth_password: %q}", p.ref(t, "smtp"), p.ref(t, "metrics"))
	line("    auth.github: {client_secret: \"${file:six}\"}\n    auth.gitlab: {client_secret: \"${file:odd}\"}")
	line("database: {type: postgres, host: \"127.0.0.1:1\", name: grafana, user: grafana, password: %q, create: {user: root, password: %q}, backup: {dir: %s/state/backups}}", p.ref(t, "db"), p.ref(t, "db_admin"), g.here())
	line("alerting: {ha: redis, redis: {address: \"127.0.0.1:1\", password: %q}}", p.ref(t, "redis"))
	line("live: {redis: {address: \"127.0.0.1:1\", password: %q}}", p.ref(t, "live"))
	line("remote_cache: {type: redis, redis: {address: \"127.0.0.1:1\", password: %q}}", p.ref(t, "cache"))
	line("hooks: {before_run: ./hook.sh, after_run: ./hook.sh, before_host: ./hook.sh, on_failure: ./hook.sh, on_rollback: ./hook.sh}")
	line("rollout: {gate_timeout: 2s, start_timeout: 3s, drain: 0s, settle: 0s}")
	line("paths: {root: %[1]s/opt, data: %[1]s/data, logs: %[1]s/logs, etc: %[1]s/etc, state: %[1]s/state, service: hostile-test-grafana}", g.here())
	p.put(t, "hook", hook+"/canaryhook"+rand.Text())
	line("notify: [{type: webhook, url: \"${file:hook}\"}]")
	return p, b.String()
}

// Of the secrets of an inventory none is in any output, document, report, plan, hook, web
// hook, journal or command line, in no form, while a cluster is made, changed and fails.
func TestNoSecretIsShownInAnyForm(t *testing.T) {
	onDemand(t)
	hook, bodies := hookReceiver(t)
	g := newGrounds(t)
	remotetest.WriteFile(t, filepath.Join(g.dir, "bin", "sudo"), fakeSudoOfHosts, 0o755)
	dir := t.TempDir()
	hosts := []*hostileHost{g.host("h1", honestGrafana(t)), g.host("h2", honestGrafana(t))}
	s := &siege{g: g, good: hosts[0], evil: hosts[1:], dbType: "postgres", dbPort: 1, redis: 1}
	for _, h := range hosts {
		h.ssh.Password = "set below"
		h.start(t)
	}
	p, text := plantEverywhere(t, g, dir, hosts, strings.TrimSuffix(hook, "/canaryHookToken6Yp"))
	read := func(name string) string {
		b, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(b))
	}
	for _, h := range hosts {
		h.ssh.Password, h.ssh.Env = read("ssh"), append(h.ssh.Env, "SUDO_WANTS="+read("sudo"))
	}
	if len(p.values) < 19 {
		t.Errorf("only %d secrets", len(p.values))
	}
	said := map[string]string{}
	run := func(ok bool, args ...string) {
		t.Helper()
		cmd := s.command(t, t.TempDir(), hook, args)
		cmd.Dir = dir
		var out bytes.Buffer
		cmd.Stdout, cmd.Stderr = &out, &out
		err := cmd.Run()
		said[strings.Join(args, " ")] += out.String()
		if (err == nil) != ok {
			t.Errorf("ghadeploy %v: %v\n%s", args, err, &out)
		}
	}
	known := ""
	for _, h := range hosts {
		known += hostLine(h)
	}
	remotetest.WriteFile(t, filepath.Join(dir, "known_hosts"), known, 0o600)
	remotetest.WriteFile(t, filepath.Join(dir, "inventory.yaml"), text, 0o600)
	stop := p.watch(t)
	run(true, "validate", "inventory.yaml", "--resolve-secrets")
	run(true, "plan", "inventory.yaml", "-v")
	run(false, "apply", "inventory.yaml", "--yes", "-v", "--skip-check", "all", "--report", "report.html", "--allow-database", "--allow-secret-key") // its turn does not start: there is no systemd
	for _, h := range hosts {                                                                                                                        // as if it had
		id := generationMade(h)
		if id == "" {
			t.Fatalf("%s has no new generation: %v", h.name, said)
		}
		_ = os.Remove(filepath.Join(h.dir, "opt/current"))
		if err := os.Symlink("generations/"+id, filepath.Join(h.dir, "opt/current")); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"smtp", "env", "metrics"} {
		p.file(t, name)
	}
	remotetest.WriteFile(t, filepath.Join(dir, "ldap.toml"), "[[servers]]\nhost = \"other\"\nbind_password = '''\n"+p.is("ldap2")+"'''\n", 0o600)
	run(true, "plan", "inventory.yaml", "-v")
	run(true, "plan", "inventory.yaml", "-o", "json")
	run(true, "plan", "inventory.yaml", "-o", "saved.json")
	run(false, "apply", "inventory.yaml", "--yes", "-o", "json", "--skip-check", "all", "--allow-database", "--allow-secret-key")
	run(true, "diff", "inventory.yaml", "-v")
	for _, args := range [][]string{{"check"}, {"verify"}, {"status"}, {"rollback", "--yes"}} {
		run(false, append([]string{args[0], "inventory.yaml", "-v"}, args[1:]...)...)
		run(false, append([]string{args[0], "inventory.yaml", "-o", "json"}, args[1:]...)...)
	}
	run(true, "history", "inventory.yaml", "-v")
	run(true, "logs", "inventory.yaml")
	for _, wrong := range []string{"sudo", "ssh"} {
		p.file(t, wrong)
		run(false, "apply", "inventory.yaml", "--yes", "-v")
	}
	if looks := stop(); looks < 20 {
		t.Errorf("only %d looks at the processes", looks)
	}
	for _, command := range slices.Sorted(maps.Keys(said)) {
		if names := p.in(said[command]); len(names) > 0 || said[command] == "" {
			t.Errorf("the output of %s (%d bytes) shows %v", command, len(said[command]), names)
		}
	}
	bodyText := bodies.take()
	for name, text := range map[string]string{"a web hook": bodyText, "a hook": read("hook.sh.in"), "a hook's environment": read("hook.sh.env"), "the report": read("report.html"), "the plan": read("saved.json")} {
		if names := p.in(text); len(names) > 0 || len(text) == 0 {
			t.Errorf("%s (%d bytes) holds %v", name, len(text), names)
		}
	}
	p.onHost(t, hosts)
}

// onHost wants secrets in the files of generations only, which others may not read.
func (p *planted) onHost(t *testing.T, hosts []*hostileHost) {
	files := 0
	for _, h := range hosts {
		err := filepath.WalkDir(h.dir, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			b, err := os.ReadFile(path)
			if err != nil {
				return err
			}
			names := p.in(string(b))
			if len(names) == 0 {
				return nil
			}
			files++
			info, err := d.Info()
			if err == nil && (info.Mode().Perm()&0o027 != 0 || !strings.HasPrefix(path, filepath.Join(h.dir, "opt/generations"))) {
				t.Errorf("%s (%s) holds %v", path, info.Mode(), names)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if files < 8 {
		t.Errorf("only %d files on the hosts hold a secret: the search is worth nothing", files)
	}
}

// generationMade is the one that this run has staged.
func generationMade(h *hostileHost) string {
	all, _ := os.ReadDir(filepath.Join(h.dir, "opt/generations"))
	for _, d := range all {
		if len(d.Name()) == 12 && !strings.HasPrefix(d.Name(), "aaaa") && !strings.HasPrefix(d.Name(), "bbbb") {
			return d.Name()
		}
	}
	return ""
}
