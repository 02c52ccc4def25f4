package grafana

import (
	"crypto/sha256"
	"encoding/hex"
	"flag"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func version(t testing.TB, s string) Version {
	t.Helper()
	v, err := ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// testNode is the first of three nodes of a cluster as a team would have it.
func testNode(v Version) Node {
	return Node{
		Version: v,
		PerNode: PerNode{InstanceName: "g1", Address: "10.0.0.11", RedisPeerName: "prod-g1"},
		HTTP:    HTTP{Port: 3000, RootURL: "https://grafana.example.com/"},
		Security: Security{
			SecretKey: "bm90LXRoZS1kZWZhdWx0", AdminUser: "admin", AdminPassword: "s3cr#t;",
		},
		Database: Database{
			Type: "postgres", Host: "db.example.com:5432", Name: "grafana", User: "grafana", Password: "pa#s;s",
			SSLMode: "verify-full", CACert: "/opt/grafana/current/etc/tls/db-ca.pem", MaxOpenConn: 50,
		},
		Alerting: Alerting{
			Mode: Gossip, Port: 9094, Label: "prod",
			Peers: []string{"10.0.0.11:9094", "10.0.0.12:9094", "10.0.0.13:9094"},
		},
		Paths: Paths{
			Data: "/var/lib/grafana", Logs: "/var/log/grafana",
			Plugins: "/opt/grafana/current/plugins", Provisioning: "/opt/grafana/current/etc/provisioning",
		},
		SecretDir:   "/opt/grafana/current/etc/secrets",
		Fingerprint: testFingerprint,
	}
}

func testFingerprint(secret string) string {
	h := sha256.Sum256([]byte("test" + secret))
	return hex.EncodeToString(h[:4])
}

// golden compares got with a file of testdata, or writes it with -update.
func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v (make it with -update)", err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}
