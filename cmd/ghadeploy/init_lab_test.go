package main_test

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// desk is an operator's folder and home: a ~/.ssh/config that knows the lab's key
// and host keys, the release beside the inventory, and nothing else.
type desk struct {
	*labtest.Lab
	dir, database string
}

func newDesk(t *testing.T, hosts ...string) *desk {
	t.Helper()
	lab := labtest.Need(t, append(hosts, "svc")...)
	lab.Lock(t, hosts...)
	lab.Wipe(t, hosts...)
	labtest.Tool(t) // before go's caches are another home's
	release := lab.Release(t, labtest.V1031)
	d := &desk{Lab: lab, dir: t.TempDir(), database: "t_" + strings.ToLower(rand.Text()[:10])}
	lab.Do(t, "db", d.database)
	home := t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SSH_AUTH_SOCK", "")
	d.write(t, filepath.Join(home, ".ssh", "config"), "Host *\n  IdentityFile "+lab.Key+"\n  UserKnownHostsFile "+lab.KnownHosts+"\n")
	if err := os.Symlink(release, d.path("grafana-"+labtest.V1031+".linux-"+runtime.GOARCH+".tar.gz")); err != nil {
		t.Fatal(err)
	}
	return d
}

func (d *desk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *desk) write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// look is what the operator changes in the inventory that a command wrote.
func (d *desk) look(t *testing.T, changes ...string) {
	t.Helper()
	text, err := os.ReadFile(d.path("inventory.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(changes); i += 2 {
		if !strings.Contains(string(text), changes[i]) {
			t.Errorf("no %q in\n%s", changes[i], text)
		}
	}
	d.write(t, d.path("inventory.yaml"), strings.NewReplacer(changes...).Replace(string(text)))
}

// deploys: the inventory is valid, nothing is wrong on the hosts, and apply makes
// one cluster of them.
func (d *desk) deploys(t *testing.T, hosts int) {
	t.Helper()
	file := d.path("inventory.yaml")
	must(t, "validate", file)
	must(t, "check", file)
	must(t, "apply", file, "--yes")
	whole(t, &labtest.Inventory{Path: file}, "apply", hosts)
}

// What init writes deploys, once the database's password is where it says.
func TestLabInitThenApply(t *testing.T) {
	d := newDesk(t, "h1", "h2")
	file := d.path("inventory.yaml")
	r := must(t, "init", "h1="+d.Host("h1"), "h2="+d.Host("h2"), "--user", "ops", "--cluster", "first", "--grafana-version", labtest.V1031,
		"--root-url", "http://"+d.Host("h1")+":3000/", "--database-host", d.Host("svc"), "--redis", d.Redis(t), "-O", file)
	if want := "secrets/database_password"; !strings.Contains(r.Stdout, want) {
		t.Errorf("it does not speak of %s:\n%s", want, r.Stdout)
	}
	d.write(t, d.path("secrets/database_password"), "grafana\n")
	// A database of the test's own, and no wait for alerting between the turns.
	d.look(t, "  name: grafana\n", "  name: "+d.database+"\n", "rollout:\n", "rollout:\n  settle: 0s\n")
	d.deploys(t, 2)
	must(t, "verify", file)
}

// An Ansible inventory becomes a native one that deploys.
func TestLabImportAnsibleThenApply(t *testing.T) {
	d := newDesk(t, "h1", "h2")
	d.write(t, d.path("hosts.yml"), `all:
  vars:
    ansible_user: opspw
    ansible_password: lab
    ansible_become: true
    ansible_become_password: lab
    ghadeploy:
      cluster: from-ansible
      hosts: grafana
      grafana:
        version: "`+labtest.V1031+`"
        artifact: {source: "./grafana-{version}.linux-{arch}.tar.gz"}
        root_url: http://`+d.Host("h1")+`:3000/
        secret_key: `+rand.Text()+`
        admin: {password: `+rand.Text()+`}
      database: {type: postgres, host: `+d.Host("svc")+`, name: `+d.database+`, password: grafana}
      live: {redis: {address: "`+d.Redis(t)+`"}}
      rollout: {settle: 0s}
  children:
    grafana:
      children:
        rack_a: {hosts: {h1: {ansible_host: `+d.Host("h1")+`}}}
        rack_b: {hosts: {h2: {ansible_host: `+d.Host("h2")+`}}}
    databases: {hosts: {svc: {ansible_host: `+d.Host("svc")+`}}}
`)
	must(t, "import", d.path("hosts.yml"), "-O", d.path("inventory.yaml"))
	d.look(t) // as it is
	d.deploys(t, 2)
}

// What a package's grafana.ini says goes on under ghadeploy: the same database, key,
// Redis and settings, read over SSH as root's own file by a user with sudo.
func TestLabImportFromHostThenApply(t *testing.T) {
	d := newDesk(t, "h1", "h2")
	key := rand.Text()
	d.Sh(t, "h1", `mkdir -p /etc/grafana && cat >/etc/grafana/grafana.ini <<'INI'
[server]
root_url = http://`+d.Host("h1")+`:3000/
[database]
type = postgres
host = `+d.Host("svc")+`:5432
name = `+d.database+`
user = grafana
password = """grafana"""
[security]
secret_key = `+key+`
admin_user = boss
admin_password = `+rand.Text()+`
[users]
default_theme = light
[unified_alerting]
ha_peers = h1:9094,h2:9094
[live]
ha_engine = redis
ha_engine_address = `+d.Redis(t)+`
INI
		chmod 600 /etc/grafana/grafana.ini`)
	file := d.path("inventory.yaml")
	must(t, "import", "--from-host", "ops@"+d.Host("h1"), "--host", "h1="+d.Host("h1"), "--host", "h2="+d.Host("h2"),
		"--grafana-version", labtest.V1031, "--cluster", "taken-over", "-O", file)
	d.look(t, "hosts:\n", "ssh: {user: ops}\nrollout: {settle: 0s}\nhosts:\n")
	r := labtest.Ghadeploy(t, "check", file)
	if r.Code != 7 || !strings.Contains(r.Stdout+r.Stderr, "mv /etc/grafana") {
		t.Errorf("the folder that is in the way is not spoken of: exit %d\n%s\n%s", r.Code, r.Stdout, r.Stderr)
	}
	d.Sh(t, "h1", "mv /etc/grafana /etc/grafana.packaged")
	d.deploys(t, 2)
	if got := d.Sh(t, "h2", "grep -c '^default_theme *= *light' /etc/grafana/grafana.ini; cat /etc/grafana/secrets/security.secret_key"); got != "1\n"+key {
		t.Errorf("settings and key on h2: %q", got)
	}
}
