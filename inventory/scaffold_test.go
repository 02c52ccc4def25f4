package inventory

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestScaffoldLoads(t *testing.T) {
	for name, in := range map[string]ScaffoldInput{
		"one host":  {Hosts: []string{"g1"}, Version: "12.3.1"},
		"mysql":     {Cluster: "prod", Hosts: []string{"g1=10.0.0.1", "ops@g2"}, User: "deploy", Version: "v10.3.1", Database: "mysql"},
		"all of it": {Hosts: []string{"g[1:3]"}, Version: "12.3.1", RootURL: "https://g.example.com/", LiveRedis: "r:6379", RedisPassword: "${env:R}", Balancer: "lb1", DatabaseHost: "db:5433", SecretKey: "${env:SK}"},
		"ipv6":      {Hosts: []string{"g1=fd00::1"}, Version: "12.3.1"},
	} {
		t.Run(name, func(t *testing.T) {
			src, err := Scaffold(in)
			if err != nil {
				t.Fatal(err)
			}
			c, err := Parse(t.Context(), "inventory.yaml", src, Options{})
			if err != nil {
				t.Fatalf("%v\n%s", err, src)
			}
			for _, w := range c.Warnings {
				if strings.Contains(w.Message, "plain text") {
					t.Errorf("the scaffold warns: %v", w)
				}
			}
			if c.Grafana.Version != strings.TrimPrefix(in.Version, "v") || c.Grafana.RootURL != in.RootURL || c.Live.Redis.Address != in.LiveRedis {
				t.Errorf("lost on the way:\n%s", src)
			}
			// What is commented out has to be right too, once it is used.
			for line := range strings.Lines(string(src)) {
				if strings.Contains(line, "\t") || strings.TrimRight(line, " \n") != strings.TrimRight(line, "\n") {
					t.Errorf("untidy line %q", line)
				}
			}
		})
	}
}

func TestScaffoldRefuses(t *testing.T) {
	for _, in := range []ScaffoldInput{{Version: "12.3.1"}, {Hosts: []string{"a"}}, {Hosts: []string{"a", "a"}, Version: "12.3.1"}, {Hosts: []string{"a"}, Version: "latest"}, {Hosts: []string{"a"}, Version: "12.3.1", Database: "oracle"}} {
		if out, err := Scaffold(in); err == nil {
			t.Errorf("%+v gives\n%s", in, out)
		}
	}
}

const serverINI = `
app_mode = production
instance_name = g1
[server]
protocol = https
http_addr = 10.0.0.1
http_port = 3001
root_url = https://grafana.example.com/
cert_file = /etc/ssl/g.crt
cert_key = /etc/ssl/g.key
[database]
url = mysql://graf:p%40ss@db.example.com:3307/gdb
max_open_conn = 50
ca_cert_path = /etc/ssl/ca.crt
log_queries = true
[security]
secret_key = canary-key
admin_user = root
admin_password = canary-admin
cookie_secure = true
[remote_cache]
type = redis
connstr = addr=cache:6379,pool_size=100,db=2,password=canary-cache,ssl=insecure
[unified_alerting]
enabled = true
ha_listen_address = 10.0.0.1:9095
ha_advertise_address = 10.0.0.1:9095
ha_peers = g1:9095,g2:9095
ha_peer_timeout = 20s
[live]
ha_engine = redis
ha_engine_address = redis:6379
ha_engine_password = """canary;live"""
allowed_origins = https://a.example.com, https://b.example.com
[smtp]
enabled = true
host = mx:25
password = canary-smtp
ehlo = ${HOSTNAME}
odd = ${file:/x}
[auth.generic_oauth]
client_secret = $__file{/etc/oauth}
scopes = openid email
empty =
[paths]
data = /srv/data
plugins = /srv/plugins
`

func TestFromINI(t *testing.T) {
	src, secrets, err := FromINI("prod", []string{"g1=10.0.0.1", "g2"}, []byte(serverINI))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(src), "canary") || strings.Contains(string(src), "p@ss") {
		t.Errorf("a secret stayed in the YAML:\n%s", src)
	}
	dir := t.TempDir()
	for name, value := range secrets {
		if err := os.MkdirAll(filepath.Join(dir, "secrets"), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "secrets", name), []byte(value+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := Parse(t.Context(), filepath.Join(dir, "inventory.yaml"), src, Options{Resolve: true, SkipFiles: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	for _, want := range [][2]string{
		{c.Grafana.SecretKey.Reveal(), "canary-key"}, {c.Grafana.Admin.User, "root"}, {c.Grafana.Admin.Password.Reveal(), "canary-admin"},
		{c.Grafana.RootURL, "https://grafana.example.com/"}, {filepath.Base(c.Grafana.TLS.Cert), "g.crt"},
		{c.Database.Type + " " + c.Database.Host + " " + c.Database.Name + " " + c.Database.User, "mysql db.example.com:3307 gdb graf"},
		{c.Database.Password.Reveal(), "p@ss"}, {fmt.Sprint(c.Database.MaxOpenConn), "50"}, {filepath.Base(c.Database.CACert), "ca.crt"},
		{c.RemoteCache.Redis.Address, "cache:6379"}, {c.RemoteCache.Redis.Password.Reveal(), "canary-cache"}, {fmt.Sprint(c.RemoteCache.Redis.DB), "2"}, {fmt.Sprint(c.RemoteCache.Redis.TLS.InsecureSkipVerify), "true"},
		{c.Alerting.HA + fmt.Sprint(c.Alerting.Port) + c.Alerting.PeerTimeout, "gossip909520s"},
		{c.Live.Redis.Address, "redis:6379"}, {c.Live.Redis.Password.Reveal(), "canary;live"}, {fmt.Sprint(c.Live.AllowedOrigins), "[https://a.example.com https://b.example.com]"},
		{c.Paths.Data, "/srv/data"}, {c.Hosts[0].Address, "10.0.0.1"},
	} {
		if want[0] != want[1] {
			t.Errorf("got %q, want %q", want[0], want[1])
		}
	}
	for key, want := range map[[2]string]string{
		{"", "app_mode"}: "production", {"server", "http_port"}: "3001", {"database", "log_queries"}: "true", {"security", "cookie_secure"}: "true",
		{"smtp", "enabled"}: "true", {"smtp", "host"}: "mx:25", {"smtp", "password"}: "canary-smtp", {"smtp", "ehlo"}: "${HOSTNAME}", {"smtp", "odd"}: "${file:/x}",
		{"auth.generic_oauth", "client_secret"}: "$__file{/etc/oauth}", {"auth.generic_oauth", "scopes"}: "openid email",
		{"", "instance_name"}: "", {"unified_alerting", "ha_peers"}: "", {"server", "http_addr"}: "",
	} {
		if v, _ := c.Grafana.Config.Get(key[0], key[1]); v.Reveal() != want {
			t.Errorf("config %v = %q, want %q", key, v.Reveal(), want)
		}
	}
}

// Each kind of Redis that alerting can meet on is taken over, files to be copied.
func TestFromINITakesOverTheAlertingRedis(t *testing.T) {
	const head = "[database]\ntype = postgres\nhost = db\nname = g\nuser = g\n[unified_alerting]\nha_redis_address = r:6379\n"
	for ini, want := range map[string]func(Redis) bool{
		"ha_redis_cluster_mode_enabled = true": func(r Redis) bool { return r.Cluster && r.TLS == nil && r.Sentinel == nil },
		"ha_redis_sentinel_mode_enabled = true\nha_redis_sentinel_master_name = m\nha_redis_sentinel_password = canary": func(r Redis) bool {
			return r.Sentinel != nil && r.Sentinel.Master == "m" && strings.Contains(r.Sentinel.Password.Source(), "alerting_sentinel_password")
		},
		"ha_redis_tls_enabled = true": func(r Redis) bool { return r.TLS != nil && r.TLS.CACert == "" },
		"ha_redis_tls_enabled = true\nha_redis_tls_ca_path = /etc/r/ca.pem\nha_redis_tls_cert_path = /etc/r/c.pem\nha_redis_tls_key_path = /etc/r/k.pem\nha_redis_tls_server_name = redis": func(r Redis) bool {
			return r.TLS != nil && filepath.Base(r.TLS.CACert)+filepath.Base(r.TLS.Cert)+filepath.Base(r.TLS.Key)+r.TLS.ServerName == "ca.pemc.pemk.pemredis"
		},
	} {
		src, _, err := FromINI("prod", []string{"g1", "g2"}, []byte(head+ini+"\n"))
		if err != nil {
			t.Fatal(err)
		}
		c, err := Parse(t.Context(), "inventory.yaml", src, Options{SkipFiles: true})
		if err != nil {
			t.Fatalf("%v\n%s", err, src)
		}
		if c.Alerting.HA != "redis" || !want(c.Alerting.Redis) || len(c.Grafana.Config) > 0 || strings.Contains(string(src), "canary") {
			t.Errorf("%s became\n%s", ini, src)
		}
	}
}

func TestFromINIWithPublicKey(t *testing.T) {
	src, secrets, err := FromINI("prod", []string{"g1"}, []byte("[security]\nsecret_key = "+defaultSecretKey+"\n"))
	if err != nil || len(secrets) != 0 || !strings.Contains(string(src), "public default key") || strings.Contains(string(src), defaultSecretKey) {
		t.Errorf("%v %v\n%s", err, secrets, src)
	}
}

func TestFromAnsible(t *testing.T) {
	src, secrets, err := FromAnsible("testdata/ansible/connection.yaml", "")
	if err != nil || len(secrets) != 0 {
		t.Fatal(err, secrets)
	}
	native, err := Parse(t.Context(), "testdata/ansible/native.yaml", src, Options{SkipFiles: true})
	if err != nil {
		t.Fatalf("%v\n%s", err, src)
	}
	ansible, err := Load(t.Context(), "testdata/ansible/connection.yaml", Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got, want := withoutPositions(*native), withoutPositions(*ansible); got != want {
		t.Errorf("they differ\n%s\n%s", got, want)
	}
}

// withoutPositions prints a cluster, secrets by their fingerprint.
func withoutPositions(c Cluster) string {
	var b strings.Builder
	for _, h := range c.Hosts {
		fmt.Fprintf(&b, "%s %s %v %v %+v %s ", h.Name, h.Address, h.Labels, h.Groups, h.SSH, h.SSH.Become.Password.Fingerprint())
		for _, s := range h.Config {
			for _, k := range s.Keys {
				fmt.Fprintf(&b, "%s.%s=%s ", s.Name, k.Name, k.Value)
			}
		}
	}
	fmt.Fprintf(&b, "%+v %+v %s", c.Database, c.Rollout, c.LoadBalancer.Hosts[0].Address)
	return b.String()
}

func TestFromAnsibleMovesPasswords(t *testing.T) {
	path := filepath.Join(t.TempDir(), "hosts.yaml")
	src := `all:
  vars:
    ansible_password: canary-login
    ghadeploy: {cluster: p, grafana: {version: "12.3.1", artifact: {source: g.tgz}, secret_key: canary-key, config: {smtp: {password: canary-smtp}}}, database: {type: postgres, host: db, password: "${env:DB}"}}
  hosts: {h1: , h2: }
`
	if err := os.WriteFile(path, []byte(src), 0o600); err != nil {
		t.Fatal(err)
	}
	out, secrets, err := FromAnsible(path, "")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "canary") || len(secrets) != 3 || secrets["grafana.secret_key"] != "canary-key" {
		t.Errorf("%v\n%s", secrets, out)
	}
}
