package inventory

import (
	"bytes"
	"encoding/json"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// Every place of an inventory that can hold a secret holds a sesame here.
const canaries = `cluster: p
ssh: {password: sesame-1, become: {password: sesame-2}}
hosts:
  g1: {config: {smtp: {password: sesame-3}}, env: {API_TOKEN: sesame-4}, ssh: {password: sesame-5}}
  g2: {}
groups: {a: {hosts: [g1], config: {auth.github: {client_secret: sesame-6}}}}
grafana:
  version: "12.3.1"
  artifact: {source: g.tgz}
  secret_key: sesame-7
  admin: {password: sesame-8}
  config: {smtp: {password: sesame-9}, auth.x: {note: "${env:CANARY}"}}
  env: {GF_DATABASE_PASSWORD: sesame-10}
  renderer: {server_url: "http://r/render", token: sesame-11}
database: {type: postgres, host: db, password: sesame-12, create: {user: postgres, password: sesame-13}}
remote_cache: {type: redis, redis: {address: "r:1", password: sesame-14}}
alerting: {ha: redis, redis: {address: "r:1,q:1", password: sesame-15, sentinel: {master: m, password: sesame-16}}}
live: {redis: {address: "r:1", password: sesame-17}}
load_balancer: {type: haproxy, hosts: {lb: {ssh: {password: sesame-18}}}}
notify: [{type: webhook, url: "https://hooks.example.com/sesame-19"}]
`

func TestSecretsAreNeverPrinted(t *testing.T) {
	c, err := Parse(t.Context(), "i.yaml", []byte(canaries), Options{Resolve: true, LookupEnv: env(map[string]string{"CANARY": "sesame-20"})})
	if err != nil {
		t.Fatal(err)
	}
	if c.Database.Password.Reveal() != "sesame-12" || c.Hosts[0].Env["API_TOKEN"].Reveal() != "sesame-4" {
		t.Fatal("the canaries are not where they should be")
	}
	values := []any{c, *c, c.Warnings, c.Grafana, c.Database, c.Alerting, c.Notify, c.LoadBalancer}
	for _, h := range append(c.Hosts, c.LoadBalancer.Hosts...) {
		values = append(values, h, *h, h.Config, h.Env)
	}
	for _, v := range values {
		for name, text := range everyPrint(t, v) {
			if strings.Contains(text, "sesame") || strings.Contains(text, fmt.Sprintf("%x", "sesame")) {
				t.Errorf("%s of %T shows a secret: %s", name, v, text)
			}
		}
	}
	if len(c.Warnings) < 19 {
		t.Errorf("only %d of 19 literal secrets are warned about:\n%v", len(c.Warnings), c.Warnings)
	}
}

func everyPrint(t *testing.T, v any) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, verb := range []string{"%v", "%+v", "%#v", "%q", "%s", "%x", "%d"} {
		out[verb] = fmt.Sprintf(verb, v)
	}
	j, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out["json"] = string(j)
	y, err := yaml.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	out["yaml"] = string(y)
	var text, js bytes.Buffer
	slog.New(slog.NewTextHandler(&text, nil)).Info("x", "v", v)
	slog.New(slog.NewJSONHandler(&js, nil)).Info("x", "v", v)
	out["slog text"], out["slog json"] = text.String(), js.String()
	return out
}

// Mistakes on the same line as a secret must not show it either.
func TestDiagnosticsShowNoSecret(t *testing.T) {
	for _, src := range []string{
		"database: {password: sesame, foo: 1}\n",
		"database: {foo: 1, password: 'sesame ', x: 2}\n",
		"database:\n  password: [sesame]\n",
		"grafana: {secret_key: 12sesame, version: 1}\n",
		"grafana: {config: {smtp: {password: {a: sesame}}}}\n",
		"grafana: {config: {smtp: {password: [sesame]}}}\n",
		"ssh: {become: {password: sesame, metod: x}}\n",
		"database: {password: \"sesame\n",
		"all: {hosts: {h: {ansible_ssh_pass: sesame, ansible_connection: local, ansible_become_user: x}}, vars: {ghadeploy: {}}}\n",
	} {
		_, err := Parse(t.Context(), "i.yaml", []byte(src), Options{})
		if err == nil {
			t.Errorf("%q loads", src)
		} else if strings.Contains(err.Error(), "sesame") {
			t.Errorf("%q shows the secret:\n%v", src, err)
		}
	}
}

func TestFingerprint(t *testing.T) {
	a, b := NewSecret("one", "env:A"), NewSecret("two", "env:B")
	if a.Fingerprint() == b.Fingerprint() || a.Fingerprint() != NewSecret("one", "file:x").Fingerprint() || len(a.Fingerprint()) != 6 {
		t.Errorf("fingerprints %q and %q", a.Fingerprint(), b.Fingerprint())
	}
}
