package database

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// tlsConfig is what db.SSLMode asks for; nil without TLS. The modes are those of
// Grafana: disable, require, verify-ca and verify-full of PostgreSQL; false,
// skip-verify and true of MySQL.
func tlsConfig(db inventory.Database, serverName string) (*tls.Config, error) {
	if db.ServerName != "" && db.Type == "mysql" { // Grafana gives it to MySQL's driver alone
		serverName = db.ServerName
	}
	cfg := &tls.Config{ServerName: serverName, MinVersion: tls.VersionTLS12}
	if err := addCertificates(cfg, db); err != nil {
		return nil, err
	}
	switch db.SSLMode {
	case "", "disable", "false":
		return nil, nil
	case "require", "skip-verify":
		cfg.InsecureSkipVerify = true
		if db.SSLMode == "require" && cfg.RootCAs != nil {
			// As libpq and lib/pq do: a given CA turns require into verify-ca.
			cfg.VerifyConnection = verifyChain(cfg.RootCAs)
		}
	case "verify-ca":
		cfg.InsecureSkipVerify = true // the name is not checked; the chain is
		cfg.VerifyConnection = verifyChain(cfg.RootCAs)
	case "verify-full", "true":
	default:
		return nil, fmt.Errorf("database.ssl_mode: %q is not known; use disable, require, verify-ca or verify-full", db.SSLMode)
	}
	return cfg, nil
}

func addCertificates(cfg *tls.Config, db inventory.Database) error {
	if db.CACert != "" {
		pem, err := localfile.Read(context.Background(), db.CACert, localfile.Small)
		if err != nil {
			return fmt.Errorf("read database.ca_cert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(pem) {
			return fmt.Errorf("read database.ca_cert: %s holds no PEM certificate", db.CACert)
		}
	}
	if db.ClientCert != "" {
		pair, err := localfile.KeyPair(context.Background(), db.ClientCert, db.ClientKey)
		if err != nil {
			return fmt.Errorf("read database.client_cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return nil
}

// verifyChain checks that the server's certificate comes from roots, whatever
// name it is for.
func verifyChain(roots *x509.CertPool) func(tls.ConnectionState) error {
	return func(state tls.ConnectionState) error {
		if len(state.PeerCertificates) == 0 {
			return errors.New("the server showed no certificate")
		}
		between := x509.NewCertPool()
		for _, c := range state.PeerCertificates[1:] {
			between.AddCert(c)
		}
		_, err := state.PeerCertificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		return err
	}
}
