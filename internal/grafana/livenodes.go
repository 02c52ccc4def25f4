package grafana

import "fmt"

// ForeignLive says what it means that Live counts more nodes than there are
// hosts, though none was started lately, and what to do about it. redis and prefix
// are Live's; every node subscribes to one channel there.
func ForeignLive(v Version, redis, prefix string) (cause, fix string) {
	if LivePrefix(v) {
		return fmt.Sprintf("another cluster uses the prefix %s on the Redis at %s, or a host that is no longer in the inventory still runs", prefix, redis),
			"give live.redis.prefix a name of its own"
	}
	since, _ := Since("live", "ha_prefix")
	return fmt.Sprintf("another cluster uses the Redis at %s, and Grafana %s has no live.ha_prefix, which keeps clusters apart since %s, whatever the database number; or a host that is no longer in the inventory still runs", redis, v, since),
		fmt.Sprintf("give each cluster a Redis of its own (live.redis.address), or upgrade all of them to %s", since)
}

// LiveChannel is the channel that every node of Live subscribes to
// (centrifuge, broker_redis.go, below the prefix of pkg/services/live).
func LiveChannel(v Version, prefix string) string {
	const channel = "gf_live.control"
	if LivePrefix(v) && prefix != "" {
		return prefix + "." + channel
	}
	return channel
}
