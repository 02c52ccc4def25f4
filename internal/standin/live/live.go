// Package live is Grafana Live: the centrifuge server of the version that
// Grafana 10.3 runs, alone or joined over Redis.
package live

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/centrifugal/centrifuge"
	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/internal/standin/settings"
)

// ErrChannel is returned for a channel that is not scope/namespace/path.
var ErrChannel = errors.New("invalid channel ID")

const (
	org         = "1/"
	pingTimeout = 5 * time.Second
	maxChannel  = 160
)

// Messages keeps the last message of a broadcast channel.
type Messages interface {
	LiveMessage(ctx context.Context, channel string) ([]byte, error)
	SaveLiveMessage(ctx context.Context, channel string, data []byte) error
}

// Live is one node. It is never shut down, like Grafana's: the others count it
// for some seconds after it is gone.
type Live struct {
	node     *centrifuge.Node
	ws       http.Handler
	messages Messages
}

// New starts the node. A Redis that cannot be used is logged and the node stays alone.
func New(s settings.Live, rootURL string, messages Messages, log *slog.Logger) (*Live, error) {
	node, err := centrifuge.New(centrifuge.Config{MetricsNamespace: "grafana_live", HistoryMetaTTL: 7 * 24 * time.Hour})
	if err != nil {
		return nil, fmt.Errorf("making live node: %w", err)
	}
	l := &Live{node: node, messages: messages}
	if s.Engine == "redis" {
		l.joinRedis(s, log)
	}
	node.OnConnect(func(c *centrifuge.Client) { l.connected(c, s.Max, log) })
	if err := node.Run(); err != nil {
		return nil, fmt.Errorf("starting live node: %w", err)
	}
	l.ws = centrifuge.NewWebsocketHandler(node, centrifuge.WebsocketConfig{
		ReadBufferSize: 1024, WriteBufferSize: 1024, CheckOrigin: checkOrigin(rootURL, s.Origins),
	})
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
		channel, ok := strings.CutPrefix(e.Channel, org)
		if !ok {
			reply(centrifuge.PublishReply{}, centrifuge.ErrorPermissionDenied)
			return
		}
		if err := l.Publish(c.Context(), channel, e.Data); err != nil {
			reply(centrifuge.PublishReply{}, centrifuge.ErrorInternal)
			return
		}
		reply(centrifuge.PublishReply{Result: &centrifuge.PublishResult{}}, nil)
	})
}

// subscribe takes "<org id>/scope/namespace/path", as Grafana's clients send it.
func (l *Live) subscribe(ctx context.Context, full string) (centrifuge.SubscribeReply, error) {
	channel, ok := strings.CutPrefix(full, org)
	if !ok {
		return centrifuge.SubscribeReply{}, centrifuge.ErrorPermissionDenied
	}
	if err := check(channel); err != nil {
		return centrifuge.SubscribeReply{}, &centrifuge.Error{Code: http.StatusBadRequest, Message: err.Error()}
	}
	data, err := l.messages.LiveMessage(ctx, channel)
	if err != nil {
		return centrifuge.SubscribeReply{}, centrifuge.ErrorInternal
	}
	return centrifuge.SubscribeReply{Options: centrifuge.SubscribeOptions{EmitPresence: true, EmitJoinLeave: true, PushJoinLeave: true, Data: data}}, nil
}

func check(channel string) error {
	parts := strings.SplitN(channel, "/", 3)
	if len(channel) > maxChannel || len(parts) < 3 || parts[0] == "" || parts[1] == "" || parts[2] == "" {
		return ErrChannel
	}
	return nil
}

// Publish sends data to all subscribers of the channel, on every node, and
// keeps it for later ones when the channel is a broadcast.
func (l *Live) Publish(ctx context.Context, channel string, data json.RawMessage) error {
	if err := check(channel); err != nil {
		return err
	}
	if strings.HasPrefix(channel, "grafana/broadcast/") {
		if err := l.messages.SaveLiveMessage(ctx, channel, data); err != nil {
			return fmt.Errorf("saving live message: %w", err)
		}
	}
	_, err := l.node.Publish(org+channel, data)
	return err
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
