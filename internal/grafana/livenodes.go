package grafana

import (
	"fmt"
	"strings"
)

// ForeignLive says what it means that Live counts more nodes than there are
// hosts, though none was started lately, and what to do about it. redis and prefix
// are Live's; every node subscribes to one channel there.
func ForeignLive(v Version, redis, prefix string) (cause, fix string) {
	if LivePrefix(v) {
		return fmt.Sprintf("another cluster uses the prefix %s on the Redis at %s, or a host that is no longer in the inventory still runs",
				prefix, redis),
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

// LiveNodeChannels is what the name of the channel begins with that each node of Live
// subscribes to for itself, milliseconds after its start; its id follows. Seen from 8.5.15
// to 12.4.0 (centrifuge 0.19 to 0.38, broker_redis.go, nodeChannelID).
func LiveNodeChannels(v Version, prefix string) string {
	return strings.TrimSuffix(LiveChannel(v, prefix), "control") + "node."
}
