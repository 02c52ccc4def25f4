package tasks

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/internal/guard"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

// readTimeout bounds one reading of health and metrics. A node that is busy
// migrating answers late or not at all, which is a reading too.
const readTimeout = 5 * time.Second

// Vitals are what a node says of itself at one moment.
type Vitals struct {
	Health  grafana.Health
	Metrics grafana.Metrics
	// Latency of /api/health.
	Latency time.Duration
	// HealthErr and MetricsErr say why there is no reading.
	HealthErr, MetricsErr error
}

// Probe reads a node's vitals over HTTP through its SSH connection, from the
// node's own port: no tool on the host and no open firewall is needed.
type Probe struct {
	client  *http.Client
	base    string
	metrics bool // [metrics] enabled
}

// newProbe makes the probe of one host, whose Grafana answers at listen. With
// a login for /metrics it speaks to the own listener of Grafana's unit only.
func newProbe(paths inventory.Paths, h fleet.Host, listen grafana.Listen) *Probe {
	login := &listener.MetricsTransport{Next: listener.Unchecked(h), Host: h, Root: paths.Root, Service: paths.Service}
	p := &Probe{
		client:  &http.Client{Transport: login, Timeout: readTimeout, CheckRedirect: sameNode},
		base:    listen.LocalURL(),
		metrics: true,
	}
	if v, ok := h.Config.Get("metrics", "enabled"); ok && v.Reveal() == "false" {
		p.metrics = false
	}
	user, hasUser := h.Config.Get("metrics", "basic_auth_username")
	password, _ := h.Config.Get("metrics", "basic_auth_password")
	if hasUser {
		login.Next, login.User, login.Password = listener.Transport(paths.Service, h), user.Reveal(), password.Reveal()
	}
	return p
}

// sameNode follows redirects on the node itself. One that is served from a sub path
// sends /metrics to root_url, behind which the balancer may choose another node.
func sameNode(req *http.Request, via []*http.Request) error {
	if len(via) > 3 {
		return http.ErrUseLastResponse
	}
	req.URL.Scheme, req.URL.Host, req.Host = via[0].URL.Scheme, via[0].URL.Host, via[0].Host
	return nil
}

// Read takes one reading.
func (p *Probe) Read(ctx context.Context) Vitals {
	var v Vitals
	start := time.Now()
	v.Health, v.HealthErr = grafana.GetHealth(ctx, p.client, p.base)
	v.Latency = time.Since(start)
	if v.HealthErr != nil {
		v.MetricsErr = v.HealthErr
		return v
	}
	if !p.metrics {
		v.MetricsErr = errMetricsOff
		return v
	}
	v.Metrics, v.MetricsErr = grafana.GetMetrics(ctx, p.client, p.base)
	return v
}

// guarded is Read; a panic in it is why there is no reading.
func (p *Probe) guarded(ctx context.Context) (v Vitals) {
	if err := guard.Do(func() error { v = p.Read(ctx); return nil }); err != nil {
		return Vitals{HealthErr: err, MetricsErr: err}
	}
	return v
}

var errMetricsOff = fmt.Errorf("[metrics] enabled is false: alerting, Live and the version cannot be gated on")

// Version that runs; zero when the node hides it everywhere.
func (v Vitals) Version() grafana.Version {
	if !v.Metrics.Version.IsZero() {
		return v.Metrics.Version
	}
	return v.Health.Version
}
