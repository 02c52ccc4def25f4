package check

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"slices"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
)

// Certificates that expire sooner than this are spoken of.
const expiresSoon = 30 * 24 * time.Hour

func certificateFindings(r *run) []Finding {
	var all []Finding
	for _, p := range certificates(r.Cluster) {
		all = append(all, certificateFile(p.what, p.cert, p.key, time.Now())...)
	}
	return all
}

// certificate is a certificate that the inventory names, by its key there, with the
// local files of both; key is empty for those of an authority.
type certificate struct{ what, cert, key string }

// certificates are those of the inventory, in a fixed order.
func certificates(c *inventory.Cluster) []certificate {
	all := []certificate{
		{"grafana.tls", c.Grafana.TLS.Cert, c.Grafana.TLS.Key},
		{"database.client_cert", c.Database.ClientCert, c.Database.ClientKey},
		{"database.ca_cert", c.Database.CACert, ""},
	}
	for _, redis := range []struct {
		name string
		tls  *inventory.RedisTLS
	}{
		{"alerting.redis.tls", c.Alerting.Redis.TLS}, {"live.redis.tls", c.Live.Redis.TLS}, {"remote_cache.redis.tls", c.RemoteCache.Redis.TLS},
	} {
		if t := redis.tls; t != nil {
			all = append(all, certificate{redis.name, t.Cert, t.Key}, certificate{redis.name + ".ca_cert", t.CACert, ""})
		}
	}
	return slices.DeleteFunc(all, func(p certificate) bool { return p.cert == "" })
}

// Expiries are when the certificates that the inventory names expire, by their keys
// there. One that cannot be read is left out: check says why.
func Expiries(ctx context.Context, c *inventory.Cluster) map[string]time.Time {
	all := map[string]time.Time{}
	for _, p := range certificates(c) {
		text, err := localfile.Read(ctx, p.cert, localfile.Small)
		if err != nil {
			continue
		}
		if block, _ := pem.Decode(text); block != nil {
			if parsed, err := x509.ParseCertificate(block.Bytes); err == nil {
				all[p.what] = parsed.NotAfter
			}
		}
	}
	return all
}

func certificateFile(what, cert, key string, now time.Time) []Finding {
	text, err := localfile.Read(context.Background(), cert, localfile.Small)
	if err != nil {
		return []Finding{fail(what+": "+err.Error(), "it cannot be shipped", "correct the path in the inventory")}
	}
	if key != "" {
		if _, err := localfile.KeyPair(context.Background(), cert, key); err != nil {
			return []Finding{fail(what+": certificate and key do not go together: "+err.Error(), "TLS would not start",
				"give the key that the certificate was made for")}
		}
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return []Finding{fail(what+": "+cert+" holds no PEM certificate", "TLS would not start", "convert it: openssl x509 -inform der")}
	}
	parsed, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return []Finding{fail(what+": "+cert+": "+err.Error(), "TLS would not start", "replace the file")}
	}
	left := parsed.NotAfter.Sub(now)
	switch {
	case now.Before(parsed.NotBefore):
		return []Finding{fail(what+": "+cert+" is not valid before "+parsed.NotBefore.Format(time.DateOnly), "clients refuse it",
			"wait, or set the clock")}
	case left < 0:
		return []Finding{fail(what+": "+cert+" expired on "+parsed.NotAfter.Format(time.DateOnly), "clients refuse it", "renew it")}
	case left < expiresSoon:
		return []Finding{warn(fmt.Sprintf("%s: %s expires in %d days", what, cert, int(left.Hours()/24)), "clients will refuse it then",
			"renew it")}
	}
	return nil
}
