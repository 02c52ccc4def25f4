package main

import (
	"encoding/json"
	"fmt"
	"net"
	"strings"
)

// defaultVersion is what init writes when nobody says otherwise.
const defaultVersion = "12.3.1"

func (o *initOptions) defaults() {
	set := func(s *string, otherwise string) {
		if *s == "" {
			*s = otherwise
		}
	}
	set(&o.cluster, "grafana")
	set(&o.version, defaultVersion)
	set(&o.database, "postgres")
	set(&o.balancer, "none")
	port := map[string]string{"mysql": "3306"}[o.database]
	set(&port, "5432")
	set(&o.databaseHost, "db.example.com:"+port)
	if len(o.hosts) > 0 {
		if h, err := parseInitHost(o.hosts[0]); err == nil {
			set(&o.rootURL, "http://"+h.reach()+":3000/")
		}
	}
}

// initHost is one host argument taken apart.
type initHost struct{ name, address, user, port string }

func (h initHost) reach() string {
	if h.address != "" {
		return h.address
	}
	return h.name
}

// parseInitHost reads [user@]name[=address][:port].
func parseInitHost(arg string) (initHost, error) {
	var h initHost
	rest := arg
	if user, after, ok := strings.Cut(rest, "@"); ok {
		h.user, rest = user, after
	}
	h.name = rest
	if name, address, ok := strings.Cut(rest, "="); ok {
		h.name, h.address = name, address
	}
	target := &h.name
	if h.address != "" {
		target = &h.address
	}
	if strings.Count(*target, ":") == 1 {
		host, port, err := net.SplitHostPort(*target)
		if err != nil {
			return h, usage("%s is not [user@]name[=address][:port]: %v", arg, err)
		}
		*target, h.port = host, port
	}
	if h.name == "" {
		return h, usage("%q names no host", arg)
	}
	return h, nil
}

func (h initHost) yaml() string {
	var parts, ssh []string
	if h.address != "" {
		parts = append(parts, "address: "+quoted(h.address))
	}
	if h.user != "" {
		ssh = append(ssh, "user: "+quoted(h.user))
	}
	if h.port != "" {
		ssh = append(ssh, "port: "+h.port)
	}
	if len(ssh) > 0 {
		parts = append(parts, "ssh: {"+strings.Join(ssh, ", ")+"}")
	}
	return "  " + quoted(h.name) + ": {" + strings.Join(parts, ", ") + "}\n"
}

// quoted is text as YAML that cannot be read as anything else; plain words stay plain.
func quoted(text string) string {
	plain := text != "" && strings.IndexFunc(text, func(r rune) bool {
		return !(r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r == '_')
	}) < 0
	for _, word := range []string{"true", "false", "yes", "no", "on", "off", "null", "y", "n"} {
		plain = plain && !strings.EqualFold(text, word)
	}
	if plain {
		return text
	}
	b, err := json.Marshal(text) // every JSON string is a YAML string
	if err != nil {
		return "\"\""
	}
	return string(b)
}

// inventoryText is a commented inventory of what o says.
func inventoryText(o initOptions) (string, error) {
	var b strings.Builder
	fmt.Fprintf(&b, "# A cluster of Grafana hosts. Every key: ghadeploy docs; next: ghadeploy check %s\ncluster: %s\n\n", o.file, quoted(o.cluster))
	if o.user != "" {
		fmt.Fprintf(&b, "ssh: # ~/.ssh/config is honoured\n  user: %s\n\n", quoted(o.user))
	}
	b.WriteString("hosts: # every one runs Grafana\n")
	for _, arg := range o.hosts {
		h, err := parseInitHost(arg)
		if err != nil {
			return "", err
		}
		b.WriteString(h.yaml())
	}
	fmt.Fprintf(&b, initGrafana, quoted(o.version), quoted(o.rootURL))
	fmt.Fprintf(&b, initDatabase, o.database, quoted(o.databaseHost))
	b.WriteString(initAlerting(len(o.hosts)))
	if o.redis != "" {
		fmt.Fprintf(&b, "\nlive: # what one host publishes reaches the browsers on all\n  redis: {address: %s}\n", quoted(o.redis))
	}
	if err := initBalancer(&b, o); err != nil {
		return "", err
	}
	if len(o.hosts) > 1 {
		b.WriteString(initRollout)
	}
	return b.String(), nil
}

const initGrafana = `
grafana:
  version: %s
  artifact:
    source: ./grafana-{version}.linux-{arch}.tar.gz # a file or a URL
    # sha256: the checksum that is published beside the download
  root_url: %s # what users type
  secret_key: "${file:secrets/secret_key}" # signs sessions, the same on all hosts; keep it safe
  admin: {user: admin, password: "${file:secrets/admin_password}"}
  # config: {smtp: {enabled: true, host: "mail.example.com:25"}} # anything else of grafana.ini
`

const initDatabase = `
database: # shared by all hosts
  type: %s
  host: %s
  name: grafana
  user: grafana
  password: "${file:secrets/database_password}"
  # create: {user: postgres, password: "${env:PGPASSWORD}"} # makes role and database when absent
`

func initAlerting(hosts int) string {
	if hosts < 2 {
		return "\nalerting:\n  ha: none # a single host has nobody to share with; gossip from two on\n"
	}
	return "\nalerting: # hosts tell each other what was notified; TCP and UDP between all of them\n  ha: gossip\n  port: 9094\n"
}

const initRollout = `
rollout:
  max_unavailable: 1
  on_failure: rollback
`

func initBalancer(b *strings.Builder, o initOptions) error {
	if o.balancer == "none" {
		return nil
	}
	if len(o.balancers) == 0 {
		return usage("--load-balancer %s needs --load-balancer-host", o.balancer)
	}
	fmt.Fprintf(b, "\nload_balancer: # hosts are drained there before they are stopped\n  type: %s\n  backend: grafana\n  hosts:\n", quoted(o.balancer))
	for _, arg := range o.balancers {
		h, err := parseInitHost(arg)
		if err != nil {
			return err
		}
		b.WriteString("  " + h.yaml())
	}
	return nil
}
