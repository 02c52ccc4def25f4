package cluster

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/google/uuid"
	amcluster "github.com/prometheus/alertmanager/cluster"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

// Times of Grafana's Redis mode (facts 4).
const (
	beatInterval  = 5 * time.Second
	beatTTL       = 5 * time.Minute
	beatTimeout   = time.Minute
	membersKeptOf = time.Minute
	redisTimeout  = 5 * time.Second
)

type redisPeer struct {
	name, prefix string
	client       redis.UniversalClient
	log          *slog.Logger
	metrics      *redisMetrics
	pushPull     time.Duration

	ctx   context.Context // ends with Leave
	stop  context.CancelFunc
	loops sync.WaitGroup
	ready chan struct{}

	mu        sync.Mutex
	states    map[string]amcluster.State
	members   []string
	fetchedAt time.Time
}

func newRedis(s settings.Alerting, log *slog.Logger, reg prometheus.Registerer) (Peer, error) {
	tlsConf, err := redisTLS(s)
	if err != nil {
		return nil, fmt.Errorf("unable to initialize redis: %w", err)
	}
	prefix := s.RedisPrefix
	if prefix != "" && !strings.HasSuffix(prefix, ":") {
		prefix += ":"
	}
	p := &redisPeer{
		name: s.RedisPeer, prefix: prefix, log: log, pushPull: s.PushPull,
		client: redis.NewUniversalClient(&redis.UniversalOptions{
			Addrs: strings.Split(s.RedisAddress, ","), Username: s.RedisUser, Password: s.RedisPass, DB: s.RedisDB,
			PoolSize: max(s.RedisConns, 0), IsClusterMode: s.RedisCluster, MasterName: s.SentinelMaster,
			SentinelUsername: s.SentinelUser, SentinelPassword: s.SentinelPassword, TLSConfig: tlsConf,
		}),
		ready: make(chan struct{}), states: map[string]amcluster.State{},
	}
	if p.name == "" {
		p.name = "peer-" + uuid.NewString()
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	ctx, cancel := context.WithTimeout(p.ctx, redisTimeout)
	defer cancel()
	if err := p.client.Ping(ctx).Err(); err != nil {
		log.Error("Failed to ping redis - redis-based alertmanager clustering may not be available", "err", err)
	}
	p.metrics = newRedisMetrics(reg, p)
	p.loops.Go(func() { p.every(beatInterval, p.beat) })
	p.loops.Go(func() { p.every(beatInterval, p.sync) })
	p.loops.Go(func() { p.every(p.pushPull, p.publishFull) })
	p.loops.Go(func() { p.receive(fullState, p.mergeFull) })
	p.loops.Go(func() { p.receive(fullStateRequest, p.answerRequest) })
	p.loops.Go(p.settle)
	return p, nil
}

func redisTLS(s settings.Alerting) (*tls.Config, error) {
	if !s.RedisTLS {
		return nil, nil
	}
	conf := &tls.Config{ServerName: s.RedisTLSName, InsecureSkipVerify: s.RedisTLSInsecure} //nolint:gosec // asked for by the setting
	if s.RedisTLSCA != "" {
		pem, err := os.ReadFile(s.RedisTLSCA)
		if err != nil {
			return nil, err
		}
		conf.RootCAs = x509.NewCertPool()
		if !conf.RootCAs.AppendCertsFromPEM(pem) {
			return nil, fmt.Errorf("no certificate in %s", s.RedisTLSCA)
		}
	}
	if s.RedisTLSCert != "" {
		pair, err := tls.LoadX509KeyPair(s.RedisTLSCert, s.RedisTLSKey)
		if err != nil {
			return nil, err
		}
		conf.Certificates = []tls.Certificate{pair}
	}
	return conf, nil
}

// every calls do each interval, not at once: that is why a fresh node has no
// members, and so position 0, for its first five seconds.
func (p *redisPeer) every(interval time.Duration, do func(context.Context)) {
	t := time.NewTicker(interval)
	defer t.Stop()
	for {
		select {
		case <-p.ctx.Done():
			return
		case <-t.C:
			do(p.ctx)
		}
	}
}

func (p *redisPeer) beat(ctx context.Context) {
	start := time.Now()
	if err := p.client.Set(ctx, p.prefix+p.name, start.Unix(), beatTTL).Err(); err != nil {
		p.metrics.pingFailures.Inc()
		p.log.Error("Error setting the heartbeat key", "err", err, "peer", p.prefix+p.name)
		return
	}
	p.metrics.pings.WithLabelValues("redis-server").Observe(time.Since(start).Seconds())
}

func (p *redisPeer) scan(ctx context.Context) ([]string, error) {
	var out []string
	it := p.client.Scan(ctx, 0, p.prefix+"*", 100).Iterator()
	for it.Next(ctx) {
		out = append(out, it.Val())
	}
	if err := it.Err(); err != nil {
		p.log.Error("Error getting keys from redis", "err", err, "pattern", p.prefix+"*")
		return nil, err
	}
	return out, nil
}

func (p *redisPeer) sync(ctx context.Context) {
	keys, err := p.scan(ctx)
	if err != nil {
		p.mu.Lock()
		defer p.mu.Unlock()
		if time.Since(p.fetchedAt) > membersKeptOf {
			p.members = nil
			return
		}
		p.log.Warn("Fetching members from redis failed, falling back to last known members", "last_known", p.members)
		return
	}
	alive := []string{}
	if len(keys) > 0 {
		values, err := p.client.MGet(ctx, keys...).Result()
		if err != nil {
			p.log.Error("Error getting values from redis", "err", err, "keys", keys)
			return
		}
		alive = p.alive(keys, values)
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.members, p.fetchedAt = alive, time.Now()
}

// alive are the keys whose last beat, by the other node's clock, is recent.
func (p *redisPeer) alive(keys []string, values []any) []string {
	out := []string{}
	for i, key := range keys {
		text, ok := values[i].(string)
		if !ok {
			continue
		}
		at, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			p.log.Error("Error parsing timestamp value", "err", err, "peer", key, "val", text)
			continue
		}
		if time.Since(time.Unix(at, 0)) <= beatTimeout {
			out = append(out, key)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func (p *redisPeer) live() []string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.members
}

func (p *redisPeer) Position() int {
	if i := slices.Index(p.live(), p.prefix+p.name); i >= 0 {
		return i
	}
	p.log.Warn("Failed to look up position, falling back to position 0")
	return 0
}

// size counts dead nodes too, until their key expires.
func (p *redisPeer) size() int {
	ctx, cancel := context.WithTimeout(p.ctx, redisTimeout)
	defer cancel()
	keys, err := p.scan(ctx)
	if err != nil {
		return 0
	}
	return len(keys)
}

func (p *redisPeer) Name() string   { return p.name }
func (p *redisPeer) Status() string { return "ready" }
func (p *redisPeer) Peers() []amcluster.ClusterMember {
	return nil
}

func (p *redisPeer) WaitReady(ctx context.Context) error {
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-p.ready:
		return nil
	}
}

func (p *redisPeer) settle() {
	const okayNeeded = 3
	p.log.Info("Waiting for gossip to settle...", "interval", settleInterval)
	defer close(p.ready)
	ctx, cancel := context.WithTimeout(p.ctx, settleTimeout)
	defer cancel()
	start, before, okay := time.Now(), 0, 0
	for polls := 0; ; polls++ {
		select {
		case <-ctx.Done():
			p.log.Info("Gossip not settled but continuing anyway", "polls", polls, "elapsed", time.Since(start))
			return
		case <-time.After(settleInterval):
		}
		n := len(p.live())
		if okay >= okayNeeded {
			p.log.Info("Gossip settled; proceeding", "elapsed", time.Since(start))
			p.requestFull(p.ctx)
			return
		}
		if n == before {
			okay++
		} else {
			okay = 0
			p.log.Info("Gossip not settled", "polls", polls, "before", before, "now", n, "elapsed", time.Since(start))
		}
		before = n
	}
}

func (p *redisPeer) Leave() error {
	p.log.Info("Stopping redis peer...")
	p.stop()
	p.loops.Wait()
	ctx, cancel := context.WithTimeout(context.Background(), redisTimeout)
	defer cancel()
	p.publishFull(ctx)
	err := p.client.Del(ctx, p.prefix+p.name).Err()
	if err != nil {
		p.log.Error("Error deleting the redis key on shutdown", "err", err, "key", p.prefix+p.name)
	}
	return errors.Join(err, p.client.Close())
}
