package inventory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"text/template"
)

// ScaffoldInput is what `ghadeploy init` knows.
type ScaffoldInput struct {
	Cluster string   // default "grafana"
	Hosts   []string // "name", "name=address" or "user@name=address"; ranges are fine
	User    string   // login user; empty: as ~/.ssh/config says
	Version string   // of Grafana
	// Source of the release; default ./grafana-{version}.linux-{arch}.tar.gz.
	Source  string
	RootURL string // may be empty
	// Database is "postgres" (default) or "mysql"; DatabaseHost its host:port.
	Database, DatabaseHost string
	// LiveRedis is host:port of a Redis for Grafana Live; may be empty.
	LiveRedis string
	// Balancer is the host that runs HAProxy; may be empty.
	Balancer string
	// Extends is a file with shared values, relative to File; may be empty. With it only what
	// is said here is written, and Cluster has to be.
	Extends string
	// File is where the inventory will be; only with Extends.
	File string
	// References to secrets; the defaults are files below secrets/ for what is
	// made once, and environment variables for passwords of other systems.
	SecretKey, AdminPassword, DatabasePassword, RedisPassword string
}

// Scaffold writes a commented inventory that loads.
func Scaffold(in ScaffoldInput) ([]byte, error) {
	if len(in.Hosts) == 0 {
		return nil, errors.New("writing an inventory: name at least one host")
	}
	data := scaffoldData{ScaffoldInput: in}
	for _, h := range in.Hosts {
		data.Lines = append(data.Lines, scaffoldHost(h))
	}
	if in.Extends != "" {
		return data.extending()
	}
	if in.Version == "" {
		return nil, errors.New("writing an inventory: name the version of Grafana")
	}
	data.defaults()
	return data.text()
}

func (data *scaffoldData) defaults() {
	fill(&data.Cluster, "grafana")
	fill(&data.Source, "./grafana-{version}.linux-{arch}.tar.gz")
	fill(&data.Database, "postgres")
	fill(&data.DatabaseHost, "db.example.com:"+map[string]string{"postgres": "5432", "mysql": "3306"}[data.Database])
	data.secrets()
}

// fill sets what is empty.
func fill(s *string, def string) {
	if *s == "" {
		*s = def
	}
}

func (data *scaffoldData) secrets() {
	fill(&data.SecretKey, "${file:secrets/secret_key}")
	fill(&data.AdminPassword, "${file:secrets/admin_password}")
	fill(&data.DatabasePassword, "${env:GRAFANA_DB_PASSWORD}")
}

func (data scaffoldData) text() ([]byte, error) {
	return data.fillIn(scaffoldTemplate, "inventory.yaml")
}

// fillIn makes the text of an inventory, and makes sure that it loads as that file.
func (data scaffoldData) fillIn(text, file string) ([]byte, error) {
	tmpl, err := template.New("inventory").Funcs(template.FuncMap{"q": strconv.Quote}).Parse(text)
	if err != nil {
		return nil, fmt.Errorf("writing an inventory: %w", err)
	}
	var b bytes.Buffer
	if err := tmpl.Execute(&b, data); err != nil {
		return nil, fmt.Errorf("writing an inventory: %w", err)
	}
	if _, err := Parse(context.Background(), file, b.Bytes(), Options{SkipFiles: true}); err != nil {
		return nil, fmt.Errorf("writing an inventory: %w", err)
	}
	return b.Bytes(), nil
}

type scaffoldData struct {
	ScaffoldInput
	Lines  []string
	Groups []string // lines too
	Head   string   // more comments, each line with its #
}

// scaffoldHost is one line below hosts:.
func scaffoldHost(arg string) string {
	name, address, _ := strings.Cut(arg, "=")
	user, host, found := strings.Cut(name, "@")
	if found {
		name = host
	} else {
		user = ""
	}
	var keys []string
	if address != "" {
		keys = append(keys, "address: "+strconv.Quote(address))
	}
	if user != "" {
		keys = append(keys, "ssh: {user: "+strconv.Quote(user)+"}")
	}
	if strings.ContainsAny(name, "[:") {
		name = strconv.Quote(name)
	}
	return name + ": {" + strings.Join(keys, ", ") + "}"
}

const scaffoldTemplate = `# Inventory of one highly available Grafana. Every key is explained by
#   ghadeploy docs             (all of it)
#   ghadeploy docs rollout     (one section)
{{.Head -}}
# Next: ghadeploy check inventory.yaml, then ghadeploy plan inventory.yaml
cluster: {{.Cluster}}

# How the hosts are reached; ~/.ssh/config and the agent are honoured.
ssh:
{{- if .User}}
  user: {{q .User}}
{{- else}}
  # user: ops
{{- end}}
  # become: {method: sudo, password: "${env:SUDO_PASSWORD}"}

# Each of these runs Grafana. Ranges are fine: g[01:12].example.com
hosts:
{{- range .Lines}}
  {{.}}
{{- end}}
{{- if .Groups}}

# Groups for --limit; each may have config:, env:, labels: and ssh: of its own.
groups:
{{- range .Groups}}
  {{.}}
{{- end}}
{{- end}}

grafana:
  version: {{q .Version}}
  artifact:
    # A path or URL; the archive is verified against sha256 when it is given.
    source: {{q .Source}}
    # sha256: {amd64: ..., arm64: ...}
{{- if .RootURL}}
  root_url: {{q .RootURL}}
{{- else}}
  # What users type; needed for links in notifications and for logins behind a balancer.
  # root_url: https://grafana.example.com/
{{- end}}
  # Signs sessions and encrypts data source secrets. Make it once and keep it:
  #   openssl rand -hex 32 > secrets/secret_key
  secret_key: {{q .SecretKey}}
  admin:
    user: admin
    password: {{q .AdminPassword}}
  # Anything else that belongs in grafana.ini.
  # config:
  #   smtp: {enabled: true, host: "mx.example.com:25"}

# All hosts share one database, behind one writable address.
database:
  type: {{.Database}}
  host: {{q .DatabaseHost}}
  name: grafana
  user: grafana
  password: {{q .DatabasePassword}}
  # Connections per host; all hosts together must fit the server's max_connections (PostgreSQL: 100).
  # max_open_conn: 25
  # create: {user: postgres, password: "${env:PGPASSWORD}"}   # makes role and database when absent
{{- if eq .Database "postgres"}}
  # ssl_mode: verify-full
  # ca_cert: ./tls/db-ca.crt
{{- end}}

# Alerts are notified once by the hosts together: TCP and UDP 9094 between all of them.
{{- if gt (len .Lines) 1}}
alerting:
  ha: gossip
{{- else}}
# alerting: {ha: gossip}
{{- end}}
{{if .LiveRedis}}
# Live messages reach users on every host.
live:
  redis:
    address: {{q .LiveRedis}}
{{- if .RedisPassword}}
    password: {{q .RedisPassword}}
{{- end}}
{{else}}
# Live messages reach users on every host only with a Redis.
# live: {redis: {address: "redis.example.com:6379", password: "${env:REDIS_PASSWORD}"}}
{{end}}
{{- if .Balancer}}
# Drained before a host stops, so that no request fails.
load_balancer:
  type: haproxy
  hosts:
    {{.Balancer}}: {}
  backend: grafana
{{else}}
# Drained before a host stops, so that no request fails.
# load_balancer: {type: haproxy, hosts: {lb1: {address: 10.0.0.5}}, backend: grafana}
{{end}}
# One host at a time; a host that fails its gates is put back.
rollout:
  batch: 1
  max_unavailable: 1
  on_failure: rollback
`
