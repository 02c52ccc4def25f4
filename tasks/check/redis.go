package check

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/listener"
	"github.com/ghadeploy/ghadeploy/tasks/redisconn"
)

func redisChecks() []unit {
	return []unit{
		redisCheck("redis-alerting", "alerting", func(c *inventory.Cluster) (inventory.Redis, bool) {
			return c.Alerting.Redis, c.Alerting.HA == "redis"
		}),
		redisCheck("redis-live", "Live", func(c *inventory.Cluster) (inventory.Redis, bool) {
			return c.Live.Redis, c.Live.Redis.Address != ""
		}),
		redisCheck("redis-cache", "the remote cache", func(c *inventory.Cluster) (inventory.Redis, bool) {
			return c.RemoteCache.Redis, c.RemoteCache.Type == "redis"
		}),
	}
}

func redisCheck(name, user string, of func(*inventory.Cluster) (inventory.Redis, bool)) unit {
	return unit{
		name: name, about: "Redis of " + user + ": login, role, publish and subscribe from every host",
		skip: func(r *run) string {
			if _, used := of(r.Cluster); !used {
				return user + " does not use Redis"
			}
			return ""
		},
		run: func(ctx context.Context, r *run) []Finding {
			cfg, _ := of(r.Cluster)
			return r.eachHost(ctx, func(ctx context.Context, h fleet.Host) []Finding {
				found := tryRedis(ctx, name, h, cfg)
				if h.Name == r.Hosts[0].Name && len(found) == 1 && found[0].Severity == OK {
					found = append(found, r.sharedWith(ctx, name, h, cfg)...)
					found = append(found, openPassword(cfg)...)
				}
				return found
			})
		},
	}
}

// openPassword tells of a password that everybody on the way can read: Redis has no
// login that does not show it, and neither Grafana nor this check can do better.
func openPassword(cfg inventory.Redis) []Finding {
	verified := cfg.TLS != nil && !cfg.TLS.InsecureSkipVerify
	if !cfg.Password.IsSet() || verified || database.Loopback(cfg.Address) {
		return nil
	}
	return []Finding{warn("the password for Redis at "+cfg.Address+" travels in clear, and goes to whoever answers there",
		"AUTH is no challenge: who listens between a host and Redis, or answers in its place, learns it",
		"give tls: with ca_cert (alerting from Grafana 11.1 on, Live from 13.3 on), or a password that is good for this Redis alone, on a network of your own")}
}

const redisWhy = "Grafana starts all the same and each host goes on alone without a word (#74144, #77467)"

// tryRedis logs in, looks at the role and sends itself a message.
func tryRedis(ctx context.Context, name string, h fleet.Host, cfg inventory.Redis) []Finding {
	client, err := redisconn.Open(ctx, h, cfg)
	if err != nil {
		return []Finding{fail(err.Error(), redisWhy, "correct the paths under tls:")}
	}
	defer client.Close()
	if err := client.Ping(ctx).Err(); err != nil {
		return []Finding{pingFailure(cfg, err)}
	}
	if cfg.Password.IsSet() && cfg.Username == "" && !cfg.Cluster {
		// Grafana's client says AUTH, ours HELLO, which a server without a password
		// answers to any password.
		if err := client.Do(ctx, "AUTH", cfg.Password.Reveal()).Err(); err != nil {
			return []Finding{redisFailure(cfg, err)}
		}
	}
	if !cfg.Cluster && isCluster(ctx, client) {
		return []Finding{fail("Redis at "+cfg.Address+" is a node of a Redis Cluster", "it refuses keys that other nodes have (MOVED)",
			notACluster(name))}
	}
	if role, err := client.Do(ctx, "ROLE").Slice(); err == nil && len(role) > 0 && !cfg.Cluster && fmt.Sprint(role[0]) != "master" {
		return []Finding{fail(fmt.Sprintf("Redis at %s is a %v", cfg.Address, role[0]), "nothing can be written there",
			"give the master's address")}
	}
	if err := roundTrip(ctx, client); err != nil {
		return []Finding{fail(fmt.Sprintf("PUBLISH and SUBSCRIBE on %s: %v", cfg.Address, err), redisWhy,
			"allow it: ACL SETUSER "+or(cfg.Username, "default")+" +@pubsub allchannels")}
	}
	return ok("%s: login, master, a message published came back", cfg.Address)
}

func or(text, other string) string {
	if text == "" {
		return other
	}
	return text
}

// pingFailure is redisFailure of a first command, at which it shows who listens.
func pingFailure(cfg inventory.Redis, err error) Finding {
	if stranger, ok := errors.AsType[*listener.OrdinaryError](err); ok {
		return fail(stranger.Error(), "whoever listens there learns the password", "end that process and start Redis under an account of its own")
	}
	return redisFailure(cfg, err)
}

// redisFailure says what a failed PING means.
func redisFailure(cfg inventory.Redis, err error) Finding {
	text := err.Error()
	switch {
	case errors.Is(err, remote.ErrForwardingRefused):
		return skipped("not tried: "+text, redisWhy, "set AllowTcpForwarding local in /etc/ssh/sshd_config, then systemctl reload sshd")
	case strings.Contains(text, "WRONGPASS"), strings.Contains(text, "invalid password"), strings.Contains(text, "invalid username-password"):
		return fail("Redis at "+cfg.Address+" refuses the password ("+or(cfg.Password.Source(), "not set")+")", redisWhy,
			secretFix("the password of Redis at "+cfg.Address, cfg.Password)+": the password that Redis has; or correct username: in INVENTORY")
	case strings.Contains(text, "NOAUTH"):
		return fail("Redis at "+cfg.Address+" wants a password", redisWhy,
			"set password: of Redis at "+cfg.Address+` in INVENTORY, as "${file:secrets/redis_password}"`)
	case strings.Contains(text, "without any password configured"):
		return fail("Redis at "+cfg.Address+" has no password, the inventory has one", redisWhy,
			"remove password: of Redis at "+cfg.Address+" in INVENTORY, or set requirepass there")
	case strings.Contains(text, "NOPERM"):
		return fail("Redis at "+cfg.Address+": "+text, redisWhy, "widen the user's ACL: ACL SETUSER "+or(cfg.Username, "default")+" +@all ~* &*")
	case strings.Contains(text, "DB index is out of range"):
		return fail(fmt.Sprintf("Redis at %s has no database %d", cfg.Address, cfg.DB), redisWhy,
			"set db: to 0, or raise databases in redis.conf")
	case strings.Contains(text, "cluster support disabled"):
		return fail("Redis at "+cfg.Address+" is no Redis Cluster", redisWhy, "remove cluster: true, or give a node of the cluster")
	case cfg.Sentinel != nil && strings.Contains(text, "sentinel"):
		return sentinelFailure(cfg, text)
	case strings.Contains(text, "TLS with"), strings.Contains(text, "tls:"), strings.Contains(text, "x509:"):
		return fail("Redis at "+cfg.Address+": "+text, redisWhy, redisTLSFix(text))
	case strings.HasSuffix(text, "EOF") && cfg.TLS == nil:
		return fail("Redis at "+cfg.Address+" closes the connection at once", redisWhy,
			"when it speaks TLS only, give tls: {ca_cert: ...}; else read its log")
	case errors.Is(err, context.DeadlineExceeded) || strings.Contains(text, "i/o timeout"):
		return fail("Redis at "+cfg.Address+" does not answer", redisWhy, unreachedFix("redis", "the address of Redis", cfg.Address, text))
	}
	return fail("cannot reach Redis at "+cfg.Address+": "+text, redisWhy, unreachedFix("redis", "the address of Redis", cfg.Address, text))
}

// roundTrip subscribes to a channel nobody else uses and publishes to it.
func roundTrip(ctx context.Context, client redis.UniversalClient) error {
	var random [8]byte
	_, _ = rand.Read(random[:])
	channel := "ghadeploy_check_" + hex.EncodeToString(random[:])
	sub := client.Subscribe(ctx, channel)
	defer sub.Close()
	if _, err := sub.Receive(ctx); err != nil { // the confirmation
		return fmt.Errorf("subscribe: %w", err)
	}
	if err := client.Publish(ctx, channel, "hello").Err(); err != nil {
		return fmt.Errorf("publish: %w", err)
	}
	m, err := sub.ReceiveMessage(ctx)
	if err != nil {
		return fmt.Errorf("receive: %w", err)
	}
	if m.Payload != "hello" {
		return fmt.Errorf("receive: %q came back", m.Payload)
	}
	return nil
}
