package main_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// A canary for every secret that an inventory can hold: none is in any output,
// journal, command line or environment, nor in a file that others may read, while a
// cluster is made, changed, looked at and fails.
func TestLabSecretsStayWhereTheyBelong(t *testing.T) {
	c := newTrial(t, labtest.Options{Hosts: []string{"h1", "h2"}, User: "opspw", Alerting: "redis"})
	s := c.plant(t)
	labtest.Tool(t) // built with Go's cache where it is
	cache := t.TempDir()
	t.Setenv("XDG_CACHE_HOME", cache)
	state := os.Getenv("XDG_STATE_HOME")
	report := filepath.Join(t.TempDir(), "report.html")
	end := c.watchProcesses(t, s)

	said := map[string]string{}
	do := func(ok bool, args ...string) {
		t.Helper()
		text, code := c.textOf(t, args...)
		said[strings.Join(args, " ")] += text
		if (code == 0) != ok {
			t.Errorf("ghadeploy %v: exit %d\n%s", args, code, text)
		}
	}
	do(true, "validate")
	do(true, "plan", "-v")
	do(true, "apply", "--yes", "-v", "--report", report)
	s.renew(t, "smtp")
	do(true, "plan", "-v")
	do(true, "plan", "-o", "json")
	do(true, "apply", "--yes", "-v", "-o", "json")
	for _, args := range [][]string{{"status", "-v"}, {"status", "-o", "json"}, {"check", "-v"}, {"check", "-o", "json"}, {"verify", "-v"}, {"verify", "-o", "json"},
		{"diff"}, {"history"}, {"history", "-o", "json"}, {"releases"}, {"logs"}} {
		do(true, args...)
	}
	c.fails(t, s, do)
	found, looks := end()

	for _, f := range found {
		t.Errorf("seen in a process: %s", f)
	}
	for place, n := range looks {
		if n < 20 {
			t.Errorf("the processes of %s were looked at %d times only", place, n)
		}
	}
	if len(looks) != len(c.hosts)+1 {
		t.Errorf("looked at the processes of %v", looks)
	}
	for command, text := range said {
		if names := s.seenIn(text); len(names) > 0 || len(text) == 0 {
			t.Errorf("the output of %s (%d bytes) shows %v", command, len(text), names)
		}
	}
	for _, dir := range []string{state, cache, filepath.Dir(report)} {
		s.notIn(t, dir)
	}
	open, files := c.onHosts(t, s)
	for _, o := range open {
		t.Errorf("on a host: %s", o)
	}
	if files < 2*5 {
		t.Errorf("only %d files on the hosts hold a canary: the search is worth nothing", files)
	}
}

// fails makes runs that fail because a secret is wrong: neither it nor any other
// may be in what they say.
func (c *trial) fails(t *testing.T, s *canaries, do func(ok bool, args ...string)) {
	t.Helper()
	right := map[string]string{}
	wrong := func(name string) {
		right[name] = s.now(t, name)
		s.renew(t, name)
	}
	back := func(name string) {
		if err := os.WriteFile(filepath.Join(s.dir, name), []byte(right[name]+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"db", "live", "alerting"} {
		wrong(name)
		do(false, "apply", "--yes", "-v")
		do(false, "check", "-o", "json")
		back(name)
	}
	wrong("ssh")
	do(false, "apply", "--yes", "-v", "-o", "json")
	do(false, "status", "-v")
	back("ssh")
}

// plant writes a canary for every secret into the inventory, and makes the
// services and logins ask for them.
func (c *trial) plant(t *testing.T) *canaries {
	t.Helper()
	s := &canaries{dir: c.inv.Dir, values: map[string]string{"secret_key": c.inv.SecretKey, "admin password": c.inv.AdminPassword}}
	c.inv.Edit(t, func(doc map[string]any) {
		ssh := doc["ssh"].(map[string]any)
		ssh["password"], ssh["become"] = s.ref(t, "ssh"), map[string]any{"method": "sudo", "password": "${cmd:cat ssh}"}
		grafana := doc["grafana"].(map[string]any)
		grafana["root_url"] = c.url("h1") + "/" // behind the lab's balancer are also hosts of other tests
		grafana["renderer"] = map[string]any{"server_url": "http://127.0.0.1:8081/render", "token": s.ref(t, "renderer")}
		grafana["env"] = map[string]any{"CANARY": s.ref(t, "env")}
		config := grafana["config"].(map[string]any)
		config["smtp"] = map[string]any{"enabled": true, "host": "127.0.0.1:25", "password": s.ref(t, "smtp")}
		config["auth.generic_oauth"] = map[string]any{"client_secret": s.ref(t, "oauth")}
		database := doc["database"].(map[string]any)
		database["user"], database["name"] = c.inv.Database+"_u", c.inv.Database+"_n"
		database["password"] = s.ref(t, "db")
		database["create"] = map[string]any{"user": c.inv.Database + "_a", "password": s.ref(t, "db_admin")}
		doc["live"] = map[string]any{"redis": map[string]any{"password": s.ref(t, "live"), "address": c.secretRedis(t, s.now(t, "live"))}}
		doc["alerting"] = map[string]any{"ha": "redis", "redis": map[string]any{"password": s.ref(t, "alerting"), "address": c.secretRedis(t, s.now(t, "alerting"))}}
		doc["notify"] = []any{map[string]any{"type": "webhook", "url": s.ref(t, "webhook")}}
		if err := os.WriteFile(filepath.Join(s.dir, "webhook"), []byte("http://127.0.0.1:9/"+s.now(t, "webhook")+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		h1 := doc["hosts"].(map[string]any)["h1"].(map[string]any)
		h1["config"] = map[string]any{"auth.google": map[string]any{"client_secret": s.ref(t, "one host")}}
		doc["rollout"] = map[string]any{"settle": "0s"}
	})
	for _, h := range c.hosts {
		c.Sh(t, h, "chpasswd <<'END'\nopspw:"+s.now(t, "ssh")+"\nEND")
	}
	admin := c.inv.Database + "_a"
	c.Sh(t, "svc", "su postgres -c psql <<'END'\nCREATE ROLE "+admin+" SUPERUSER LOGIN PASSWORD '"+s.now(t, "db_admin")+"';\nEND")
	t.Cleanup(func() {
		c.Sh(t, "svc", "su postgres -c psql <<'END'\nDROP DATABASE IF EXISTS "+c.inv.Database+"_n WITH (FORCE);\nDROP ROLE IF EXISTS "+c.inv.Database+"_u;\nDROP ROLE IF EXISTS "+admin+";\nEND")
	})
	return s
}

// notIn asserts that no file below a folder of the operator's machine holds one.
func (s *canaries) notIn(t *testing.T, dir string) {
	t.Helper()
	n := 0
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		n++
		b, err := os.ReadFile(path)
		if names := s.seenIn(string(b)); len(names) > 0 {
			t.Errorf("%s holds %v", path, names)
		}
		return err
	})
	if err != nil || n == 0 {
		t.Errorf("%s: %d files, %v", dir, n, err)
	}
}
