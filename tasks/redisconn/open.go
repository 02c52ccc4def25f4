package redisconn

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/logging"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
)

// Timeout bounds one dial, read or write.
const Timeout = 3 * time.Second

// Open gives a client whose every connection goes out from h; its dials, which
// it makes in the background on contexts of its own, end with life. Close it.
func Open(life context.Context, h fleet.Host, cfg inventory.Redis) (redis.UniversalClient, error) {
	// It prints failed dials on standard error by itself; they come back as errors.
	logging.Disable()
	var secure *tls.Config
	if cfg.TLS != nil {
		var err error
		if secure, err = tlsConfig(cfg.TLS); err != nil {
			return nil, err
		}
	}
	var dials atomic.Int32
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if dials.Add(1) > maxDials {
			return nil, errManyNodes
		}
		ctx, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(life, cancel)()
		c, err := h.Dial(ctx, network, address)
		if err == nil && givesPassword(h, cfg, address) {
			err = listener.Service(ctx, h, address)
		}
		if err != nil {
			if c != nil {
				_ = c.Close()
			}
			return nil, err
		}
		if secure == nil {
			return &bounded{Conn: c}, nil
		}
		own := secure.Clone()
		if own.ServerName == "" {
			own.ServerName, _, _ = net.SplitHostPort(address)
		}
		t := tls.Client(c, own)
		if err := t.HandshakeContext(ctx); err != nil {
			_ = c.Close()
			return nil, fmt.Errorf("TLS with %s: %w", address, err)
		}
		return &bounded{Conn: t}, nil
	}
	opts := &redis.UniversalOptions{
		Addrs: strings.Split(strings.ReplaceAll(cfg.Address, " ", ""), ","), Dialer: dial,
		Username: cfg.Username, Password: cfg.Password.Reveal(), DB: cfg.DB,
		Protocol: 2, DisableIdentity: true, ContextTimeoutEnabled: true,
		MaxRetries: -1, DialerRetries: 1, DialTimeout: Timeout, ReadTimeout: Timeout, WriteTimeout: Timeout,
		MaxRedirects: 3, PoolSize: 3, ReadBufferSize: 4096, WriteBufferSize: 4096, IsClusterMode: cfg.Cluster,
		MaintNotificationsConfig: &maintnotifications.Config{Mode: maintnotifications.ModeDisabled},
	}
	if s := cfg.Sentinel; s != nil {
		opts.MasterName, opts.SentinelUsername, opts.SentinelPassword = s.Master, s.Username, s.Password.Reveal()
	}
	return redis.NewUniversalClient(opts), nil
}

// givesPassword tells whether a login at address shows the password to whichever process
// of the host itself listens there. Elsewhere nobody can be asked (check warns).
func givesPassword(h fleet.Host, cfg inventory.Redis, address string) bool {
	host, _, err := net.SplitHostPort(address)
	secret := cfg.Password.IsSet() || cfg.Sentinel != nil && cfg.Sentinel.Password.IsSet()
	verified := cfg.TLS != nil && !cfg.TLS.InsecureSkipVerify
	return err == nil && secret && !verified && (database.Loopback(address) || host == h.Address)
}

func tlsConfig(t *inventory.RedisTLS) (*tls.Config, error) {
	cfg := &tls.Config{ServerName: t.ServerName, InsecureSkipVerify: t.InsecureSkipVerify, MinVersion: tls.VersionTLS12}
	if t.CACert != "" {
		text, err := localfile.Read(context.Background(), t.CACert, localfile.Small)
		if err != nil {
			return nil, fmt.Errorf("read tls.ca_cert: %w", err)
		}
		cfg.RootCAs = x509.NewCertPool()
		if !cfg.RootCAs.AppendCertsFromPEM(text) {
			return nil, fmt.Errorf("read tls.ca_cert: %s holds no PEM certificate", t.CACert)
		}
	}
	if t.Cert != "" {
		pair, err := localfile.KeyPair(context.Background(), t.Cert, t.Key)
		if err != nil {
			return nil, fmt.Errorf("read tls.cert: %w", err)
		}
		cfg.Certificates = []tls.Certificate{pair}
	}
	return cfg, nil
}
