// Package live is Grafana Live: the centrifuge server of the version that
// Grafana 10.3 runs, alone or joined over Redis, with the channels and the
// protocol of the version at hand.
package live

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/internal/standin/profile"
	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

const pingTimeout = 5 * time.Second

// Messages keeps the last message of a broadcast channel.
type Messages interface {
	LiveMessage(ctx context.Context, channel string) ([]byte, error)
	SaveLiveMessage(ctx context.Context, channel string, data []byte) error
	// HasDashboard reports whether there is a dashboard with this uid.
	HasDashboard(ctx context.Context, uid string) (bool, error)
}

// Options are what a node stands on.
type Options struct {
	Settings settings.Live
	RootURL  string
	Messages Messages
	Profile  profile.Live
	Log      *slog.Logger
}

// Live is one node. It is never shut down, like Grafana's: the others count it
// for some seconds after it is gone.
type Live struct {
	node     *centrifuge.Node
	ws       http.Handler
	messages Messages
	profile  profile.Live
	// org is what stands before a channel of the one organisation.
	org     string
	streams streams
	// broadcasts times what is sent; nil on versions that do not.
	broadcasts *prometheus.HistogramVec
}

// New starts the node. A Redis that cannot be used is logged and the node stays alone.
func New(o Options) (*Live, error) {
	s, log := o.Settings, o.Log
	node, err := centrifuge.New(centrifuge.Config{MetricsNamespace: "grafana_live", HistoryMetaTTL: 7 * 24 * time.Hour})
	if err != nil {
		return nil, fmt.Errorf("making live node: %w", err)
	}
	l := &Live{node: node, messages: o.Messages, profile: o.Profile, org: "1/"}
	if o.Profile.Namespaces {
		l.org = "default/"
	}
	if o.Profile.Times {
		l.measure(prometheus.DefaultRegisterer)
	}
	if s.Engine == "redis" {
		l.joinRedis(s, log)
	}
	node.OnConnect(func(c *centrifuge.Client) { l.connected(c, s.Max, log) })
	if err := node.Run(); err != nil {
		return nil, fmt.Errorf("starting live node: %w", err)
	}
	own := checkOrigin(o.RootURL, s.Origins)
	l.ws = centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{ReadBufferSize: 1024, WriteBufferSize: 1024, CheckOrigin: own})
	if o.Profile.Replies {
		l.ws = newReplies(node, own)
	}
	return l, nil
}

func (l *Live) joinRedis(s settings.Live, log *slog.Logger) {
	if err := l.setupRedis(s); err != nil {
		log.Error(fmt.Sprintf("failed to setup redis live engine: %v", err))
		return
	}
	client := redis.NewClient(&redis.Options{Addr: s.Address, Password: s.Password})
	defer client.Close()
	ctx, cancel := context.WithTimeout(context.Background(), pingTimeout)
	defer cancel()
	if err := client.Ping(ctx).Err(); err != nil {
		log.Error(fmt.Sprintf("live engine failed to ping redis, proceeding without live ha, error: %v", err))
	}
}

func (l *Live) setupRedis(s settings.Live) error {
	prefix := "gf_live"
	if s.Prefix != "" {
		prefix = s.Prefix + ".gf_live"
	}
	shard, err := centrifuge.NewRedisShard(l.node, centrifuge.RedisShardConfig{Address: s.Address, Password: s.Password})
	if err != nil {
		return fmt.Errorf("error connecting to Live Redis: %w", err)
	}
	shards := []*centrifuge.RedisShard{shard}
	broker, err := centrifuge.NewRedisBroker(l.node, centrifuge.RedisBrokerConfig{Prefix: prefix, Shards: shards})
	if err != nil {
		return fmt.Errorf("error creating Live Redis broker: %w", err)
	}
	l.node.SetBroker(broker)
	presence, err := centrifuge.NewRedisPresenceManager(l.node, centrifuge.RedisPresenceManagerConfig{Prefix: prefix, Shards: shards})
	if err != nil {
		return fmt.Errorf("error creating Live Redis presence manager: %w", err)
	}
	l.node.SetPresenceManager(presence)
	return nil
}

func (l *Live) connected(c *centrifuge.Client, limit int, log *slog.Logger) {
	if limit >= 0 && l.node.Hub().NumClients() > limit {
		log.Warn("Max number of Live connections reached, increase max_connections in [live] configuration section", "user", c.UserID(), "client", c.ID(), "limit", limit)
		c.Disconnect(centrifuge.DisconnectConnectionLimit)
		return
	}
	c.OnSubscribe(func(e centrifuge.SubscribeEvent, reply centrifuge.SubscribeCallback) {
		reply(l.subscribe(c.Context(), e.Channel))
	})
	c.OnPublish(func(e centrifuge.PublishEvent, reply centrifuge.PublishCallback) {
		reply(l.published(c.Context(), e))
	})
}

// ServeHTTP is /api/live/ws for the user in the request's context.
func (l *Live) ServeHTTP(w http.ResponseWriter, r *http.Request, user string) {
	ctx := centrifuge.SetCredentials(r.Context(), &centrifuge.Credentials{UserID: user})
	l.ws.ServeHTTP(w, r.WithContext(ctx))
}

// checkOrigin lets requests pass that have no Origin, that of root_url, or one
// that matches allowed_origins.
func checkOrigin(rootURL string, patterns []string) func(*http.Request) bool {
	own, err := url.Parse(rootURL)
	return func(r *http.Request) bool {
		origin := r.Header.Get("Origin")
		if origin == "" {
			return true
		}
		o, perr := url.Parse(strings.ToLower(origin))
		if perr != nil {
			return false
		}
		if err == nil && strings.EqualFold(o.Scheme, own.Scheme) && strings.EqualFold(o.Host, own.Host) {
			return true
		}
		for _, p := range patterns {
			if ok, merr := path.Match(strings.ToLower(p), o.Scheme+"://"+o.Host); p == "*" || merr == nil && ok {
				return true
			}
		}
		return false
	}
}
