package main_test

import (
	"archive/zip"
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/labtest"
)

// oddPassword has what ini files, connection strings, SQL and shells stumble over.
const oddPassword = "a#b;c`d\"e%f&g=h?i:j@k/l!m$n\\o'p~q|r*s{t}ü€"

// All that a node can be given, at once: plugins, provisioning, LDAP, TLS,
// environment, files, settings of one host; role and database made by create:
// with a password that is odd. What is not the host's own is the same on both.
func TestLabWholeNode(t *testing.T) {
	lab := labtest.Need(t, "h1", "h2", "svc")
	lab.Lock(t, "h1", "h2")
	lab.Wipe(t, "h1", "h2")
	inv := lab.Inventory(t, labtest.Options{Hosts: []string{"h1", "h2"}})
	nodeFiles(t, inv, lab.Host("h1"), lab.Host("h2"))
	inv.Edit(t, func(doc map[string]any) {
		unsettled(doc)
		g := doc["grafana"].(map[string]any)
		g["plugins"] = []any{map[string]any{"id": "lab-panel", "version": "1.2.3", "source": "./lab-panel.zip", "sha256": sumOf(t, inv, "lab-panel.zip"), "unsigned": true}}
		g["root_url"] = "https://" + lab.Host("h1") + ":3000/" // the lab's balancer speaks http to the hosts
		g["provisioning"], g["ldap"] = "./provisioning", "./ldap.toml"
		g["tls"] = map[string]any{"cert": "./node.crt", "key": "./node.key"}
		g["env"] = map[string]any{"LAB_MARK": `it's "odd" $HOME %n`}
		g["files"] = map[string]any{"saml/idp.xml": "./idp.xml"}
		doc["hosts"].(map[string]any)["h2"].(map[string]any)["config"] = map[string]any{"server": map[string]any{"http_port": 3001}}
		created(t, lab, inv, doc, "postgres")
	})
	apply(t, inv)
	whole(t, inv, "the deploy", 2)
	twinTrees(t, lab)
	modes(t, lab, "h1")
	if got := lab.Sh(t, "h1", `tr '\0' '\n' </proc/$(systemctl show -p MainPID --value grafana-server)/environ | grep ^LAB_MARK=`); got != `LAB_MARK=it's "odd" $HOME %n` {
		t.Errorf("the environment has %s", got)
	}
	if got := lab.Sh(t, "h2", "ss -Hltn sport = :3001 | wc -l; grep -c '^protocol = https' /etc/grafana/grafana.ini"); got != "1\n1" {
		t.Errorf("h2 does not serve https on 3001: %q", got)
	}
	t.Setenv("SSL_CERT_FILE", filepath.Join(inv.Dir, "node.crt")) // the front door is checked as a browser would
	must(t, "verify", inv.Path)
	if r := must(t, "apply", inv.Path, "--yes"); !strings.Contains(r.Stdout+r.Stderr, "is up to date") {
		t.Errorf("a second apply has something to do:\n%s\n%s", r.Stdout, r.Stderr)
	}
}

func TestLabOddPasswordOnMariaDB(t *testing.T) {
	lab := labtest.Need(t, "h1", "svc")
	lab.Lock(t, "h1")
	lab.Wipe(t, "h1")
	inv := lab.Inventory(t, labtest.Options{Hosts: []string{"h1"}, Database: "mysql", Alerting: "none", NoLive: true})
	inv.Edit(t, func(doc map[string]any) { created(t, lab, inv, doc, "mysql") })
	apply(t, inv)
	if s := status(t, inv); !s.Healthy {
		t.Errorf("not healthy: %s %v", s.Verdict, s.Hosts)
	}
}

// created has role and database made by an administrator, under names that are
// not there yet.
func created(t *testing.T, lab *labtest.Lab, inv *labtest.Inventory, doc map[string]any, kind string) {
	t.Helper()
	name := "c_" + strings.TrimPrefix(inv.Database, "t_")
	secretFile(t, inv, "odd_password", oddPassword)
	secretFile(t, inv, "admin_db_password", "labadmin")
	db := doc["database"].(map[string]any)
	db["name"], db["user"], db["password"] = name, name, "${file:odd_password}"
	db["create"] = map[string]any{"user": "labadmin", "password": "${file:admin_db_password}"}
	drop := `su postgres -c "psql -q -c 'DROP DATABASE IF EXISTS ` + name + ` WITH (FORCE)' -c 'DROP ROLE IF EXISTS ` + name + `'"`
	if kind == "mysql" {
		drop = `mariadb -e "DROP DATABASE IF EXISTS ` + name + `; DROP USER IF EXISTS ` + name + `@'%'"`
	}
	t.Cleanup(func() { lab.Sh(t, "svc", "cd /; "+drop) })
}

// twinTrees: only grafana.ini may differ, and there only in the host's own keys.
func twinTrees(t *testing.T, lab *labtest.Lab) {
	t.Helper()
	const script = `cd /opt/grafana/current && find etc plugins ! -name grafana.ini -printf '%p %m %u:%g\n' -type f -exec sha256sum {} + | sort`
	a, b := lab.Sh(t, "h1", script), lab.Sh(t, "h2", script)
	if a != b {
		t.Errorf("the trees differ:\n%s\n---\n%s", a, b)
	}
	for _, want := range []string{"plugins/lab-panel/plugin.json", "etc/provisioning/datasources/lab.yaml", "etc/ldap.toml", "etc/saml/idp.xml"} {
		if !strings.Contains(a, want) {
			t.Errorf("no %s in\n%s", want, a)
		}
	}
	for key, want := range map[string]string{"http_port": "3001", "instance_name": "h2", "ha_advertise_address": lab.Host("h2")} {
		if line := lab.Sh(t, "h2", "grep '^"+key+" = ' /etc/grafana/grafana.ini"); !strings.Contains(line, want) {
			t.Errorf("h2 has %s, want %s", line, want)
		}
	}
	other := lab.Sh(t, "h1", "grep -v -E '^(http_port|instance_name|ha_advertise_address|ha_listen_address) = ' /etc/grafana/grafana.ini")
	if same := lab.Sh(t, "h2", "grep -v -E '^(http_port|instance_name|ha_advertise_address|ha_listen_address) = ' /etc/grafana/grafana.ini"); same != other {
		t.Errorf("grafana.ini differs in more than the hosts' own keys:\n%s\n---\n%s", other, same)
	}
}

// modes: no secret is readable by others, and no file holds one that need not.
func modes(t *testing.T, lab *labtest.Lab, host string) {
	t.Helper()
	if open := lab.Sh(t, host, `find /opt/grafana/generations/ \( -path '*/etc/secrets/*' -o -name '*.key' -o -name grafana.ini -o -name environment \) -type f \( -perm /0137 -o ! -group grafana \) -printf '%p %m %u:%g\n'`); open != "" {
		t.Errorf("more open than 0640 for the group grafana:\n%s", open)
	}
	if got := lab.Sh(t, host, `find /opt/grafana/generations/*/etc/secrets -type f | wc -l`); got == "0" {
		t.Error("no secret is in a file")
	}
	if got := lab.Sh(t, host, `su -s /bin/sh nobody -c 'cat /etc/grafana/secrets/* /etc/grafana/grafana.ini' 2>/dev/null | wc -c`); got != "0" {
		t.Errorf("nobody reads %s bytes of secrets", got)
	}
}

// nodeFiles makes what the inventory names.
func nodeFiles(t *testing.T, inv *labtest.Inventory, addresses ...string) {
	t.Helper()
	put := func(name, text string) {
		path := filepath.Join(inv.Dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	put("ldap.toml", "[[servers]]\nhost = \"ldap.example.com\"\nport = 389\nsearch_filter = \"(cn=%s)\"\nsearch_base_dns = [\"dc=example,dc=com\"]\n")
	put("idp.xml", "<idp/>\n")
	put("provisioning/datasources/lab.yaml", "apiVersion: 1\ndatasources: [{name: Lab, uid: lab, type: prometheus, access: proxy, url: \"http://127.0.0.1:9090\"}]\n")
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, text := range map[string]string{
		"lab-panel/plugin.json": `{"id":"lab-panel","type":"panel","name":"Lab","info":{"version":"1.2.3"},"dependencies":{"grafanaDependency":">=9.0.0"}}`,
		"lab-panel/module.js":   "define([],function(){return {}})\n",
	} {
		w, err := z.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write([]byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	put("lab-panel.zip", b.String())
	cert, key := certificate(t, addresses)
	put("node.crt", cert)
	put("node.key", key)
}

func certificate(t *testing.T, addresses []string) (cert, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(365 * 24 * time.Hour)}
	for _, a := range addresses {
		template.IPAddresses = append(template.IPAddresses, net.ParseIP(a))
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &private.PublicKey, private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})), string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8}))
}

func sumOf(t *testing.T, inv *labtest.Inventory, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(inv.Dir, name))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
