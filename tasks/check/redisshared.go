package check

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/redisconn"
)

// sharedWith finds other clusters on the Redis of the check of that name.
func (r *run) sharedWith(ctx context.Context, check string, h fleet.Host, cfg inventory.Redis) []Finding {
	client, err := redisconn.Open(ctx, h, cfg)
	if err != nil {
		return nil
	}
	defer client.Close()
	switch check {
	case "redis-alerting":
		return append(clusterFindings(ctx, client, or(cfg.Prefix, r.Cluster.Name)), r.foreignPeers(ctx, client, cfg)...)
	case "redis-live":
		return r.foreignLive(ctx, client, cfg)
	}
	return nil
}

// foreignPeers finds another cluster's heartbeats under our prefix: Grafana takes
// every key there for a peer (redis_peer.go). Our own are named after our hosts.
func (r *run) foreignPeers(ctx context.Context, client redis.UniversalClient, cfg inventory.Redis) []Finding {
	prefix := or(cfg.Prefix, r.Cluster.Name)
	keys, err := allKeys(ctx, client, redisconn.EscapeGlob(prefix)+":*")
	if err != nil {
		return nil
	}
	foreign := slices.DeleteFunc(keys, func(key string) bool {
		return slices.ContainsFunc(r.Cluster.Hosts, func(h *inventory.Host) bool { return key == prefix+":"+r.Cluster.Name+"-"+h.Name })
	})
	if len(foreign) == 0 {
		return nil
	}
	slices.Sort(foreign)
	return []Finding{warn(fmt.Sprintf("prefix %s on %s is used by others: %s", prefix, cfg.Address, strings.Join(foreign[:min(len(foreign), 3)], ", ")),
		"Grafana takes every key under its prefix for a peer: positions shift and notifications come late or twice",
		"set alerting.redis.prefix to a name of its own; keys of a removed host vanish within 5 minutes")}
}

// mostKeys are looked at: more make no better finding.
const mostKeys = 10_000

// allKeys are the keys that match, of every master of a Redis Cluster. It is
// bounded: a cluster has some dozens of peers, and a shared Redis a million keys.
func allKeys(ctx context.Context, client redis.UniversalClient, pattern string) ([]string, error) {
	var mu sync.Mutex
	var keys []string
	scan := func(ctx context.Context, c redis.Cmdable) error {
		for cursor, round := uint64(0), 0; round == 0 || cursor != 0 && round < 20; round++ {
			some, next, err := c.Scan(ctx, cursor, pattern, 1000).Result()
			if err != nil {
				return err
			}
			mu.Lock()
			keys = append(keys, some[:min(len(some), mostKeys-len(keys))]...)
			mu.Unlock()
			cursor = next
		}
		return nil
	}
	if cluster, many := client.(*redis.ClusterClient); many {
		err := cluster.ForEachMaster(ctx, func(ctx context.Context, c *redis.Client) error { return scan(ctx, c) })
		return keys, err
	}
	return keys, scan(ctx, client)
}

// foreignLive finds another cluster's nodes of Live under our prefix: every node
// subscribes to one channel, so Redis knows how many there are.
func (r *run) foreignLive(ctx context.Context, client redis.UniversalClient, cfg inventory.Redis) []Finding {
	channel := grafana.LiveChannel(r.Version, cfg.Prefix)
	nodes, err := client.PubSubNumSub(ctx, channel).Result()
	if err != nil || nodes[channel] <= int64(r.running()) {
		return nil
	}
	cause, fix := grafana.ForeignLive(r.Version, cfg.Address, cfg.Prefix)
	return []Finding{warn(fmt.Sprintf("%d nodes of Live are on %s already, %d of our hosts run Grafana: %s", nodes[channel], cfg.Address, r.running(), cause),
		"their users get each other's Live messages, and the count of nodes, which gates and status look at, is wrong", fix)}
}

// running is how many of the inventory's hosts run Grafana, or may: a host that
// could not be asked counts.
func (r *run) running() int {
	n := 0
	for _, h := range r.Cluster.Hosts {
		f, known := r.facts[h.Name]
		if pid := f.get("unit-pid"); !known || pid != "" && pid != "0" {
			n++
		}
	}
	return n
}

// isCluster tells a node of a Redis Cluster, which answers PING like any other.
func isCluster(ctx context.Context, client redis.UniversalClient) bool {
	info, err := client.Info(ctx, "cluster").Result()
	return err == nil && strings.Contains(info, "cluster_enabled:1")
}

// clusterFindings are of what Grafana does to a Redis Cluster (redis_peer.go): it
// reads the keys of all peers with one MGET, and asks for their names with SCAN,
// which go-redis sends to a node at random.
func clusterFindings(ctx context.Context, client redis.UniversalClient, prefix string) []Finding {
	cluster, is := client.(*redis.ClusterClient)
	if !is {
		return nil
	}
	const why = "a host that does not see its peers has position 0: alerts are notified twice"
	var all []Finding
	if _, tag, ok := strings.Cut(prefix, "{"); !ok || strings.Index(tag, "}") < 1 {
		all = append(all, warn("the keys of prefix "+prefix+" lie in several slots of the Redis Cluster: Grafana cannot read them together (CROSSSLOT)", why,
			"remove alerting.redis.prefix, or put it in braces: {"+prefix+"}"))
	}
	var masters atomic.Int32
	err := cluster.ForEachMaster(ctx, func(context.Context, *redis.Client) error { masters.Add(1); return nil })
	if err == nil && masters.Load() > 1 {
		all = append(all, warn(fmt.Sprintf("the Redis Cluster has %d masters: Grafana looks for its peers on one of them at random, and they are all on one", masters.Load()), why,
			"use one Redis, Sentinel, a Redis Cluster of one master with replicas, or gossip"))
	}
	return all
}

// notACluster is what to do where a Redis Cluster was not expected.
func notACluster(check string) string {
	if check == "redis-alerting" {
		return "set cluster: true and list its nodes in address, separated by commas (Grafana 11.1 and later)"
	}
	return "give a single Redis: Grafana takes no Redis Cluster there"
}

// sentinelFailure is of Sentinels that name no master.
func sentinelFailure(cfg inventory.Redis, text string) Finding {
	if strings.Contains(text, "redis: nil") || strings.Contains(text, "No such master") {
		return fail(fmt.Sprintf("the Sentinels at %s know no master %q", cfg.Address, cfg.Sentinel.Master), redisWhy,
			"put the name from redis-cli -p 26379 sentinel masters into sentinel.master")
	}
	return fail("the Sentinels at "+cfg.Address+": "+text, redisWhy,
		"check that address lists the Sentinels (port 26379), not Redis itself, and the firewall between the hosts and them")
}

// redisTLSFix is what to do about a handshake that failed.
func redisTLSFix(text string) string {
	switch {
	case strings.Contains(text, "unknown authority"):
		return "put the CA that signed the server's certificate into tls.ca_cert"
	case strings.Contains(text, "certificate is valid for"), strings.Contains(text, "SANs"), strings.Contains(text, "not valid for any names"):
		return "put a name that is in the server's certificate into tls.server_name"
	case strings.Contains(text, "certificate required"), strings.Contains(text, "bad certificate"), strings.Contains(text, "unknown certificate"):
		return "give tls.cert and tls.key, signed by a CA that the server trusts"
	case strings.Contains(text, "does not look like a TLS handshake"):
		return "the port speaks no TLS: give the TLS port, or remove tls:"
	}
	return "check tls.ca_cert and tls.server_name, and that the port speaks TLS"
}
