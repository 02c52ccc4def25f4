package check

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestCertificates(t *testing.T) {
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	end := start.Add(90 * 24 * time.Hour)
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: start, NotAfter: end}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "cert.pem")
	if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600); err != nil {
		t.Fatal(err)
	}
	if found := certificateFile("grafana.tls", file, "", start.Add(time.Hour)); len(found) > 0 {
		t.Errorf("a good one is called:\n%s", list(found))
	}
	want(t, certificateFile("grafana.tls", file, "", end.Add(-10*24*time.Hour)), Warning, "", "expires in 10 days")
	want(t, certificateFile("grafana.tls", file, "", end.Add(time.Hour)), Fail, "", "expired on 2026-04-01")
	want(t, certificateFile("grafana.tls", file, "", start.Add(-time.Hour)), Fail, "", "not valid before")
	want(t, certificateFile("grafana.tls", file+".missing", "", start), Fail, "", "correct the path")
	want(t, certificateFile("grafana.tls", file, file, start), Fail, "", "do not go together")
}
