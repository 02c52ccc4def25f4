package redisconn

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"

	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
)

// maxNodes is how many nodes are taken for those of one cluster; a shared Redis may hold
// many clusters, but not under one prefix.
const maxNodes = 2000

// LiveNodes are the ids of the nodes of Live that are connected to Redis, as it is seen
// from a host: each subscribes to a channel that begins with channels and ends with its
// id ([github.com/ghadeploy/ghadeploy/internal/grafana.LiveNodeChannels]). The error is a
// [SilentError] where Redis does not tell.
func LiveNodes(ctx context.Context, h fleet.Host, cfg inventory.Redis, channels string) (ids []string, err error) {
	ctx, cancel := context.WithTimeout(ctx, 2*Timeout)
	defer cancel()
	client, err := Open(ctx, h, cfg)
	if err != nil {
		return nil, &SilentError{err}
	}
	defer client.Close()
	subscribed, err := subscriptions(ctx, client, EscapeGlob(channels)+"*")
	if err != nil {
		return nil, &SilentError{err}
	}
	for _, channel := range subscribed {
		if id, ok := strings.CutPrefix(channel, channels); ok && id != "" {
			ids = append(ids, id)
		}
	}
	if len(ids) > maxNodes {
		return nil, &SilentError{fmt.Errorf("%d nodes of Live are there, more than any cluster has", len(ids))}
	}
	return ids, nil
}

// subscriptions are the channels that match; every node of a Redis Cluster knows its own.
func subscriptions(ctx context.Context, client redis.UniversalClient, pattern string) (all []string, err error) {
	cluster, many := client.(*redis.ClusterClient)
	if !many {
		return client.PubSubChannels(ctx, pattern).Result()
	}
	var mu sync.Mutex
	err = cluster.ForEachShard(ctx, func(ctx context.Context, c *redis.Client) error {
		some, err := c.PubSubChannels(ctx, pattern).Result()
		mu.Lock()
		defer mu.Unlock()
		if all = append(all, some...); len(all) > 2*maxNodes { // each of many may name as many
			return fmt.Errorf("%d channels of Live are there, more than any cluster has", len(all))
		}
		return err
	})
	return all, err
}

// SilentError is a Redis that does not tell what it is asked: it forbids the question, does
// not know it, or does not answer.
type SilentError struct{ Cause error }

// Error says why in few words. Of what Redis itself answers it has the kind only: the rest
// is a stranger's text, which may repeat what was sent.
func (e *SilentError) Error() string {
	if reply, ok := errors.AsType[redis.Error](e.Cause); ok {
		kind, rest, _ := strings.Cut(reply.Error(), " ")
		switch {
		case strings.HasPrefix(rest, "unknown command"), strings.HasPrefix(rest, "unknown subcommand"):
			return "Redis does not know PUBSUB"
		case kind == "NOPERM":
			return "Redis forbids PUBSUB (NOPERM)"
		case kind == strings.ToUpper(kind) && len(kind) < 20:
			return "Redis answers " + remote.Clean(kind)
		}
		return "Redis answers with an error"
	}
	text := remote.Clean(e.Cause.Error())
	return strings.ToValidUTF8(text[:min(len(text), 200)], "")
}

// Unwrap is the cause.
func (e *SilentError) Unwrap() error { return e.Cause }

// EscapeGlob is a pattern of Redis that matches text and nothing else.
func EscapeGlob(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}
