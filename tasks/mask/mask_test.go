package mask

import (
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strconv"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
)

// Whatever a file calls and wraps a secret in, it is not shown; what is none stays readable.
func TestFilesAreShownWithoutTheirSecrets(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		kept []string
	}{
		"datasources/a.yaml": {`apiVersion: 1
# old: password: canaryAAAA
datasources:
  - name: prom
    url: https://user:canaryBBBB@prom.example.com/x?access=canaryCCCC&sslmode=require
    basicAuthPassword: "canaryDDDD"
    secureJsonData: {tlsClientKey: canaryEEEE, httpHeaderValue1: 'Bearer canaryFFFF', z: [canaryGGGG]}
    jsonData: {timeInterval: 15s, tokenUrl: /login, note: "canaryEEEE again"}
  - name: two
    password: $__file{/etc/pw}
    secureJsonData:
      privateKey: |
        -----BEGIN PRIVATE KEY-----
        canaryHHHH
        ab
        -----END PRIVATE KEY-----
      folded: >-
        canaryIIII
        canaryJJJJ
      plain: canaryKKKK
        canaryLLLL
      quoted: "canary\u004dMMM"
      short: q7
    type: loki
`, []string{"name: prom", "user:[secret", "prom.example.com", "sslmode=require", "timeInterval: 15s", "$__file{/etc/pw}", "type: loki", "tokenUrl: /login"}},
		"alerting/c.yaml": {`contactPoints:
  - name: team
    receivers:
      - {uid: a, type: slack, settings: {url: "https://hooks.slack.com/services/T000/B000/canaryAAAA", recipient: ops}}
      - {uid: b, type: pagerduty, settings: {integrationKey: canaryBBBB}}
      - {uid: c, type: telegram, settings: {url: "https://api.telegram.org/bot12:canaryCCCC/send", bottoken: canaryDDDD}}
      - {uid: d, type: teams, settings: {url: "https://x.webhook.office.com/webhookb2/canaryEEEE-canaryEEEE"}}
x: &shared canaryFFFF
y: {apiToken: *shared}
`, []string{"name: team", "recipient: ops", "https://hooks.slack.com/services/"}},
		"dashboards/d.json": {"{\n  \"title\": \"kept\",\n  \"secureSettings\": {\"url\": \"canaryAAAA\", \"n\": 1234567},\n\t\"password\": \"canary\\u0042BBB\\\"x\", \"uid\": \"canaryAAAA\",\n  \"list\": [{\"token\": [\"canaryCCCC\"]}], \"apiKey\": \"\"\n}\n",
			[]string{`"title": "kept"`, `"apiKey": ""`}},
		"ldap.toml": {`[[servers]]
host = "ldap.example.com"
bind_dn = "cn=admin"
bind_password = '''canaryAAAA'''
root_ca_cert = "/etc/ca.crt"
client_secret = """
canaryBBBB
cc
canaryDDDD"""
# bind_password = "canaryEEEE"
search_base_dns = [
  "dc=example",
]
[servers.attributes]
member_of = "memberOf"
`, []string{`host = "ldap.example.com"`, "/etc/ca.crt", "memberOf", "dc=example"}},
		"x.ini":    {"[smtp]\npassword = `canaryAAAA`\nhost = mx:25\n;token = canaryBBBB\n[database]\nurl = postgres://u:canaryCCCC@db/x\n", []string{"host = mx:25", "postgres://u:"}},
		"ca.crt":   {"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n-----BEGIN RSA PRIVATE KEY-----\ncanaryAAAA\n", []string{"MIIB"}},
		"saml":     {"canaryAAAA", []string{"[not shown: 10 bytes, sha256 "}},
		"bad.yml":  {"a: [canaryAAAA\n", []string{"[not shown: "}},
		"bad.json": {"{\"a\": canaryAAAA", []string{"[not shown: "}},
		"bad.toml": {"canaryAAAA\n", []string{"[not shown: "}},
		"nul.yaml": {"a: canaryAAAA\x00", []string{"[not shown: "}},
	} {
		m := newMasker(nil)
		got := string(m.Text(name, []byte(c.text)))
		for _, bad := range []string{"canary", "cc\n", "ab\n", "q7", "1234567", `u004dMMM`, `u0042BBB`} {
			if strings.Contains(got, bad) {
				t.Errorf("%s shows %q:\n%s", name, bad, got)
			}
		}
		for _, kept := range c.kept {
			if !strings.Contains(got, kept) {
				t.Errorf("%s: %q is gone:\n%s", name, kept, got)
			}
		}
		if !strings.HasPrefix(got, notShown) && strings.Count(got, "\n") != strings.Count(c.text, "\n") {
			t.Errorf("%s: lines were lost:\n%s", name, got)
		}
		if again := string(m.Again(name, []byte(got))); again != got {
			t.Errorf("%s: what is hidden once changes:\n%s\n%s", name, got, again)
		}
	}
}

// A value of the inventory is found in every form in which programs spell it, also a short one.
func TestKnownSecretsAreFoundInEveryForm(t *testing.T) {
	values := []string{"hunter2-hunter2", `a"b\c'd$e f&g<h>%i` + "`", "six6ch", "five5", "f0ur", "line-one-1\nline-two-2\n\nend", "pässwörd", "with:colon@at/slash"}
	var secrets []inventory.Secret
	for _, v := range values {
		secrets = append(secrets, inventory.NewSecret(v, ""))
	}
	m := newMasker(secrets, "grafana")
	for _, v := range values {
		inJSON, err := json.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		for form, spelled := range map[string]string{
			"itself": v, "query": url.QueryEscape(v), "path": url.PathEscape(v), "user": url.UserPassword("u", v).String(), "JSON": string(inJSON), "quoted": strconv.Quote(v),
			"shell": remote.Quote(v), "base64": base64.StdEncoding.EncodeToString([]byte(v)), "raw base64": base64.RawURLEncoding.EncodeToString([]byte(v)),
			"echo | base64": base64.StdEncoding.EncodeToString([]byte(v + "\n")), "YAML": "'" + strings.ReplaceAll(v, "'", "''") + "'", "pgpass": strings.NewReplacer(`\`, `\\`, ":", `\:`).Replace(v),
		} {
			got := m.Line("before " + spelled + " after")
			if !strings.Contains(got, "[secret ") || !strings.HasPrefix(got, "before ") || !strings.HasSuffix(got, " after") {
				t.Errorf("%q as %s, %s: %s", v, form, spelled, got)
			}
			if strings.Contains(got, v) || strings.Contains(got, "hunter2") || strings.Contains(got, "line-two") {
				t.Errorf("%q as %s is shown: %s", v, form, got)
			}
		}
	}
	for _, same := range []string{"xf0urx is a word of its own", "fa five55 b", "nothing", "/opt/grafana/releases/10.3.1", "basic authentication is off", "token expired", "http://10.0.0.1:3000/api/health"} {
		if got := m.Line(same); got != same {
			t.Errorf("%q became %q", same, got)
		}
	}
}

// Words that patterns find in any case are found in those that only Unicode knows, too.
func TestLoginsAreFoundInAnyCase(t *testing.T) {
	m := newMasker(nil)
	for _, text := range []string{
		"Authorization: BEARER canary1canary", "ba\u017fic canary1=canary", "pa\u017f\u017fword=canary1canary", "api-\u212aey=canary1canary", "X-TO\u212aEN=canary1canary",
		"PWD=canary1canary", "--access_key=canary1canary",
	} {
		if got := m.Line(text); strings.Contains(got, "canary") {
			t.Errorf("%q shows %q", text, got)
		}
	}
}

// A password that is also a name of the cluster's is hidden at its place and not in every path.
func TestAWordThatIsPublicIsNotBlottedOut(t *testing.T) {
	c := &inventory.Cluster{Name: "prod", Paths: inventory.Paths{Root: "/opt/grafana"}}
	c.Database.Name, c.Database.User = "grafana", "grafana"
	c.Database.Password = inventory.NewSecret("grafana", "")
	hide := For(c).Line
	if got := hide("/opt/grafana/current"); got != "/opt/grafana/current" {
		t.Errorf("got %q", got)
	}
	if got := hide("postgres://grafana:grafana@db/grafana and password=grafana;x"); strings.Contains(got, ":grafana@") || strings.Contains(got, "=grafana") {
		t.Errorf("got %q", got)
	}
}

func FuzzMaskedTextHoldsNoSecret(f *testing.F) {
	for _, s := range []string{"a: 1\npassword: \"x\"\n", "secureJsonData: {a: b, c: |\n  x\n}", "- &a [*a]", "{\"token\": {\"a\": [1, \"b\"]}}", "k = '''\nx'''", "[a]\nsecret=`\n", "://@?=&", "-----BEGIN PRIVATE KEY-----", "a: !!binary x\n? b\n: c"} {
		f.Add(s, "zq9XK7zq9XK7")
	}
	f.Fuzz(func(t *testing.T, text, secret string) {
		if len(text) > 1<<16 || len(secret) < surelySecret || len(secret) > 100 || strings.Contains("[secret 0123456789abcdef] "+notShown+"bytes, sha256", secret) {
			return
		}
		m := newMasker([]inventory.Secret{inventory.NewSecret(secret, "")})
		for _, name := range []string{"a.yaml", "a.json", "a.toml", "a.ini", "a.crt", "a"} {
			if got := string(m.Text(name, []byte(text+secret+text))); strings.Contains(got, secret) && !strings.Contains(text, secret[:1]) {
				t.Errorf("%s shows %q in %q", name, secret, got)
			}
		}
	})
}
