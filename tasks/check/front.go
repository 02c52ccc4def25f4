package check

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"
)

func frontChecks() []unit {
	return []unit{{name: "front", about: "what users type (grafana.root_url) answers as it is written", skip: func(r *run) string {
		if r.Front == nil || r.Cluster.Grafana.RootURL == "" {
			return "there is no grafana.root_url to ask"
		}
		return ""
	}, run: frontFindings}}
}

// frontFindings asks root_url as a browser would. That nobody answers is a warning: the
// operator's machine may not be where users are, and before a first deploy nobody does.
func frontFindings(ctx context.Context, r *run) []Finding {
	ctx, cancel := context.WithTimeout(ctx, Probe)
	defer cancel()
	root := r.Cluster.Grafana.RootURL
	err := r.Front(ctx, root)
	if err == nil {
		return []Finding{{Severity: OK, What: root + " answers"}}
	}
	u, parseErr := url.Parse(root)
	if parseErr != nil {
		return nil // another check says so
	}
	other := map[string]string{"https": "http", "http": "https"}[u.Scheme]
	if otherScheme(err) {
		return []Finding{fail(fmt.Sprintf("grafana.root_url is %s, but %s there speaks %s", root, u.Host, other),
			"users get an error instead of a login, cookies and redirects are for a scheme that nobody speaks",
			fmt.Sprintf("set grafana.root_url to %s://..., or let the load balancer speak %s", other, u.Scheme))}
	}
	if _, unknown := errors.AsType[x509.UnknownAuthorityError](err); unknown {
		return []Finding{warn(root+" has a certificate that this machine does not trust", "users' browsers may not either",
			"trust its CA on this machine (SSL_CERT_FILE=ca.pem), or give the load balancer another certificate; grafana.root_url is what was asked")}
	}
	return []Finding{warn(fmt.Sprintf("grafana.root_url %s does not answer from this machine: %v", root, shortCause(err)),
		"users type it, and links in notifications lead there",
		"correct grafana.root_url, the name's DNS entry or the load balancer; nothing to do when only users' machines reach it")}
}

// otherScheme tells whether http was spoken where https is expected, or the other way round.
func otherScheme(err error) bool {
	text := err.Error()
	return strings.Contains(text, "server gave HTTP response to HTTPS client") ||
		strings.Contains(text, "first record does not look like a TLS handshake") ||
		strings.Contains(text, "malformed HTTP response") || errors.Is(err, ErrOtherScheme)
}

// ErrOtherScheme is what [Input].Front gives for an https server that was asked in http.
var ErrOtherScheme = errors.New("an HTTP request was sent to an HTTPS server")

// shortCause is the innermost error, without the URL that stands there already.
func shortCause(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}
