package verify

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// front is Grafana as its users reach it.
type front struct {
	url    string // without a slash at the end
	client *http.Client
}

// directTimeout is how long the operator's machine tries by itself before the
// hosts are asked to.
const directTimeout = 3 * time.Second

// front finds the balancer's URL; a *skip when there is none.
func (p *proof) front() (*front, error) {
	raw := p.in.Cluster.LoadBalancer.URL
	if raw == "" {
		raw = p.in.Cluster.Grafana.RootURL
	}
	u, err := url.Parse(raw)
	if err != nil || u.Host == "" || u.Hostname() == "localhost" {
		return nil, &skip{"neither load_balancer.url nor grafana.root_url says where users go"}
	}
	if len(p.nodes) == 0 {
		return nil, &skip{"no node that one can log in to"}
	}
	return &front{url: strings.TrimSuffix(u.String(), "/"), client: &http.Client{Timeout: callTimeout, CheckRedirect: noRedirect,
		Transport: &http.Transport{DialContext: p.dialFront, DisableKeepAlives: true}}}, nil
}

// frontPatience is how long a balancer may take to find hosts that serve already: it looks
// every few seconds and wants more than one good answer, and right after a first deployment
// it has none yet.
const frontPatience = 15 * time.Second

// frontHasHosts waits until the balancer has a host to send requests to. What it says
// after that, or does not, is for the proofs to judge.
func (p *proof) frontHasHosts(ctx context.Context, f *front) {
	_ = until(ctx, frontPatience, 250*time.Millisecond, func(ctx context.Context) error {
		req, err := request(ctx, http.MethodGet, f.url+"/api/health", "", nil)
		if err != nil {
			return nil
		}
		resp, _, err := do(f.client, req)
		if err != nil {
			return nil
		}
		switch resp.StatusCode {
		case http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
			return fmt.Errorf("%s answers status %d", f.url, resp.StatusCode)
		}
		return nil
	})
}

// dialFront tries from here, then through each host.
func (p *proof) dialFront(ctx context.Context, network, address string) (net.Conn, error) {
	d := net.Dialer{Timeout: directTimeout}
	c, err := d.DialContext(ctx, network, address)
	if err == nil {
		return c, nil
	}
	errs := []error{fmt.Errorf("from here: %w", err)}
	for _, n := range p.nodes {
		if c, err = n.host.Dial(ctx, network, address); err == nil {
			return c, nil
		}
		errs = append(errs, fmt.Errorf("through %s: %w", n.name(), err))
	}
	return nil, errors.Join(errs...)
}

// explain adds what to do about a failed request.
func (f *front) explain(err error) error {
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return &failure{fmt.Sprintf("%s: %v", f.url, err), "trust its CA on this machine: SSL_CERT_FILE=ca.pem"}
	}
	return &failure{fmt.Sprintf("%s does not answer: %v", f.url, err),
		"correct grafana.root_url (or set load_balancer.url to where users go), or look at the balancer"}
}
