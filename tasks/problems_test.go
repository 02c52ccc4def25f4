package tasks

import (
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/desired"
)

// What rendering would refuse stands in the diagnostics of the file, each at its line.
func TestProblemsNameTheLine(t *testing.T) {
	tests := map[string]struct {
		version, config, more string
		want                  []string // "line: part of the message"
	}{
		"nothing wrong":                     {config: "{}"},
		"a block of one line":               {config: "\n    auth.generic_oauth:\n      role_attribute_path: |\n        contains(groups[*], 'a') && 'Admin'"},
		"a folded block":                    {config: "\n    auth.generic_oauth:\n      role_attribute_path: >\n        contains(groups[*], 'a')\n        && 'Admin'"},
		"a block of two lines":              {config: "\n    auth.generic_oauth:\n      role_attribute_path: |\n        one\n        two", want: []string{"11: line break"}},
		"the database in config":            {config: "{database: {url: postgres}}", want: []string{"9: database.url is what ghadeploy itself depends on"}},
		"gossip peers in config":            {config: "{unified_alerting: {ha_peers: 'a:1'}}", want: []string{"9: unified_alerting.ha_peers"}},
		"another data folder in config":     {config: "{paths: {data: /srv}}", want: []string{"9: paths.data"}},
		"a socket":                          {config: "{server: {protocol: socket}}", want: []string{"9: cannot be gated over TCP"}},
		"a port with a blank":               {config: `{server: {http_port: "3000 "}}`, want: []string{`9: "3000 " is not a port`}},
		"a port with a sign":                {config: `{server: {http_port: "+3000"}}`, want: []string{"9: is not a port"}},
		"port 0":                            {config: `{server: {http_port: 0}}`, want: []string{"9: is not a port"}},
		"an IPv6 address":                   {config: `{server: {http_addr: "2001:db8::11"}}`},
		"an IPv6 address in brackets":       {config: `{server: {http_addr: "[2001:db8::11]"}}`},
		"four numbers that are none":        {config: `{server: {http_addr: "10.0.0.300"}}`, want: []string{"9: is not an IP address"}},
		"a name where names are taken":      {version: "11.0.1", config: "{server: {http_addr: localhost}}"},
		"a name from 11.1 on":               {version: "11.1.0", config: "{server: {http_addr: localhost}}", want: []string{"9: is a name"}},
		"a zone":                            {config: `{server: {http_addr: "fe80::1%eth0"}}`, want: []string{"9: zone"}},
		"a key that came later":             {config: "{unified_alerting: {ha_reconnect_timeout: 1m}}", want: []string{"9: 11.2.0"}},
		"a user that systemd does not take": {config: "{}", more: "paths: {user: svc.grafana}", want: []string{"12: svc.grafana"}},
		"a data folder with a percent sign": {config: "{}", more: "paths: {data: /srv/50%}", want: []string{"12: no spaces"}},
		"Redis alerting before there was":   {version: "9.5.0", config: "{}", more: "alerting: {ha: redis, redis: {address: 'r:6379'}}", want: []string{"12: 10.1.0", "12: 10.1.0", "12: 10.1.0"}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			version := tt.version
			if version == "" {
				version = "10.3.1"
			}
			more := tt.more
			if !strings.HasPrefix(more, "alerting:") {
				more = "alerting: {ha: gossip}\n" + more
			} else {
				more = "x-note: {}\n" + more
			}
			src := "cluster: c\nhosts: {g1: {address: 192.0.2.11}, g2: {address: 192.0.2.12}}\ngrafana:\n  version: " + `"` + version + `"` + `
  artifact: {source: g.tgz}
  root_url: http://grafana.example.com/
  secret_key: "${env:SK}"
  admin: {password: "${env:PW}"}
  config: ` + tt.config + "\n"
			if !strings.Contains(tt.config, "\n") {
				src += "database: {type: postgres, host: db, name: grafana, user: grafana, password: \"${env:PW}\"}\n" + more + "\n"
			} else {
				src += "database: {type: postgres, host: db, name: grafana, user: grafana, password: \"${env:PW}\"}\nalerting: {ha: gossip}\n"
			}
			for _, resolve := range []bool{true, false} {
				env := func(string) (string, bool) { return "abcdefgh12345678", true }
				c, err := inventory.Parse(t.Context(), "i.yaml", []byte(src), inventory.Options{SkipFiles: true, Resolve: resolve, LookupEnv: env})
				if err != nil {
					t.Fatal(err)
				}
				got := desired.Problems(c)
				if len(got) != len(tt.want) {
					t.Fatalf("got %v\nwant %d", got, len(tt.want))
				}
				for i, want := range tt.want {
					line, text, _ := strings.Cut(want, ": ")
					if !strings.Contains(got[i].Error(), "i.yaml:"+line+":") || !strings.Contains(got[i].Message, text) {
						t.Errorf("got %v, want line %s and %q", got[i], line, text)
					}
				}
			}
		})
	}
}

// A reference that was not read is no mistake.
func TestProblemsLeaveUnreadReferencesAlone(t *testing.T) {
	src := `cluster: c
hosts: {g1: {address: 192.0.2.11}, g2: {address: 192.0.2.12}}
grafana:
  version: "10.3.1"
  artifact: {source: g.tgz}
  root_url: http://grafana.example.com/
  secret_key: "${cmd:false}"
  config: {server: {http_port: "${env:PORT}"}}
database: {type: postgres, host: db, name: grafana, user: grafana, password: "${cmd:false}"}
alerting: {ha: gossip}
`
	c, err := inventory.Parse(t.Context(), "i.yaml", []byte(src), inventory.Options{SkipFiles: true})
	if err != nil {
		t.Fatal(err)
	}
	if got := desired.Problems(c); len(got) > 0 {
		t.Error(got)
	}
}
