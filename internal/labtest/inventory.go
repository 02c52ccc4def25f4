package labtest

import (
	"crypto/rand"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Options say which cluster [Lab.Inventory] describes. The zero value is three
// hosts, logged in to as root, on PostgreSQL with gossip and Live on Redis.
type Options struct {
	Hosts    []string // default h1, h2, h3
	Version  string   // default 10.3.1
	Source   string   // default [Lab.Release] of Version
	User     string   // root (default), ops, opspw (password "lab" for login and sudo) or plain
	Database string   // postgres (default) or mysql
	Alerting string   // gossip (default), redis, none, or legacy: of before unified alerting
	NoLive   bool
	Balancer string // haproxy, nginx, or none (default)
	// Edit changes the document before it is written.
	Edit func(doc map[string]any)
}

// Inventory is an inventory file of its own for one test.
type Inventory struct {
	Path, Dir string
	// Cluster and Database are names that no other test has.
	Cluster, Database string
	// Redis is the address of a Redis server of its own; Live in releases
	// without a prefix would see the nodes of other tests.
	Redis string
	// AdminPassword and SecretKey are canaries: no output may hold them.
	AdminPassword, SecretKey string
	doc                      map[string]any
}

// Inventory writes an inventory into the test's folder, with a fresh database
// and a fresh Redis.
func (l *Lab) Inventory(t testing.TB, o Options) *Inventory {
	t.Helper()
	if len(o.Hosts) == 0 {
		o.Hosts = []string{"h1", "h2", "h3"}
	}
	if o.Version == "" {
		o.Version = V1031
	}
	if o.Source == "" {
		o.Source = l.Release(t, o.Version)
	}
	dir := t.TempDir()
	id := strings.ToLower(rand.Text()[:10])
	inv := &Inventory{
		Dir: dir, Path: filepath.Join(dir, "inventory.yaml"),
		Cluster: "t-" + id, Database: "t_" + id,
		AdminPassword: "admin-" + rand.Text(), SecretKey: "secret-" + rand.Text(),
	}
	l.Do(t, "db", inv.Database)
	inv.Redis = l.Redis(t)
	inv.secret(t, "admin_password", inv.AdminPassword)
	inv.secret(t, "secret_key", inv.SecretKey)
	inv.secret(t, "db_password", "grafana")
	inv.secret(t, "ssh_password", "lab")
	inv.doc = l.document(inv, o)
	if o.Edit != nil {
		o.Edit(inv.doc)
	}
	inv.write(t)
	return inv
}

// Edit changes the document and writes it again.
func (inv *Inventory) Edit(t testing.TB, change func(doc map[string]any)) {
	t.Helper()
	change(inv.doc)
	inv.write(t)
}

// Variant writes a changed copy beside the inventory and gives its path.
func (inv *Inventory) Variant(t testing.TB, change func(doc map[string]any)) string {
	t.Helper()
	b, err := yaml.Marshal(inv.doc)
	if err != nil {
		t.Fatal(err)
	}
	var doc map[string]any
	if err := yaml.Unmarshal(b, &doc); err != nil {
		t.Fatal(err)
	}
	change(doc)
	if b, err = yaml.Marshal(doc); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(inv.Dir, "variant-"+rand.Text()[:6]+".yaml")
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func (inv *Inventory) write(t testing.TB) {
	t.Helper()
	b, err := yaml.Marshal(inv.doc)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(inv.Path, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func (inv *Inventory) secret(t testing.TB, name, value string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(inv.Dir, name), []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func (l *Lab) document(inv *Inventory, o Options) map[string]any {
	hosts := map[string]any{}
	for _, h := range o.Hosts {
		hosts[h] = map[string]any{"address": l.Host(h)}
	}
	doc := map[string]any{
		"cluster": inv.Cluster,
		"ssh":     l.ssh(o.User),
		"hosts":   hosts,
		"grafana": map[string]any{
			"version":    o.Version,
			"artifact":   map[string]any{"source": o.Source},
			"root_url":   "http://" + l.Host("svc") + "/",
			"secret_key": "${file:secret_key}",
			"admin":      map[string]any{"user": "admin", "password": "${file:admin_password}"},
			"config":     quiet(o.Version),
		},
		"database": l.database(inv, o.Database),
		"alerting": map[string]any{"ha": "gossip"},
	}
	switch o.Alerting {
	case "redis":
		doc["alerting"] = map[string]any{"ha": "redis", "redis": map[string]any{"address": inv.Redis}}
	case "none":
		doc["alerting"] = map[string]any{"ha": "none"}
	case "legacy":
		doc["alerting"] = map[string]any{"legacy": true}
	}
	if !o.NoLive {
		doc["live"] = map[string]any{"redis": map[string]any{"address": inv.Redis}}
	}
	if o.Balancer != "" && o.Balancer != "none" {
		doc["load_balancer"] = map[string]any{
			"type": o.Balancer, "backend": "lab_grafana", "manage": false,
			"hosts": map[string]any{"svc": map[string]any{"address": l.Host("svc"), "ssh": map[string]any{"user": "root"}}},
		}
	}
	return doc
}

func (l *Lab) ssh(user string) map[string]any {
	m := map[string]any{"user": "root", "known_hosts": l.KnownHosts, "identity_files": []string{l.Key}, "host_keys": "strict"}
	if user != "" {
		m["user"] = user
	}
	if user == "opspw" {
		delete(m, "identity_files")
		m["password"] = "${file:ssh_password}"
		m["become"] = map[string]any{"method": "sudo", "password": "${file:ssh_password}"}
	}
	return m
}

func (l *Lab) database(inv *Inventory, kind string) map[string]any {
	m := map[string]any{
		"type": "postgres", "host": l.Host("svc") + ":5432", "ssl_mode": "disable",
		"name": inv.Database, "user": "grafana", "password": "${file:db_password}",
	}
	if kind == "mysql" {
		maps.Copy(m, map[string]any{"type": "mysql", "host": l.Host("svc") + ":3306"})
		delete(m, "ssl_mode")
	}
	return m
}

// quiet turns off what calls the outside, as far as the version can be told to.
func quiet(version string) map[string]any {
	analytics := map[string]any{"reporting_enabled": false, "check_for_updates": false}
	config := map[string]any{"analytics": analytics}
	if CompareVersions(version, "9.0.0") >= 0 {
		analytics["check_for_plugin_updates"] = false
	}
	if CompareVersions(version, "10.3.0") >= 0 {
		config["news"] = map[string]any{"news_feed_enabled": false}
		config["plugins"] = map[string]any{"public_key_retrieval_disabled": true}
	}
	return config
}
