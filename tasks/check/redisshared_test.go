package check

import (
	"context"
	"testing"

	"github.com/redis/go-redis/v9"

	"github.com/ghadeploy/ghadeploy/inventory"
)

// Another cluster on the same Redis is found by what it keeps there: heartbeats
// under our prefix, subscriptions of Live under our prefix.
func TestLabAnotherClusterOnTheRedis(t *testing.T) {
	l, hosts := lab(t, "root", "h1", "h2")
	address := l.Redis(t)
	other := redis.NewClient(&redis.Options{Addr: address})
	defer other.Close()
	c := labCluster(l, hosts...)
	c.Alerting.HA, c.Alerting.Redis = "redis", inventory.Redis{Address: address, Prefix: "chk"}
	c.Live.Redis = inventory.Redis{Address: address, Prefix: "chk"}
	look := func(version string) []Finding {
		c.Grafana.Version = version
		in := input(t, c, hosts)
		return append(only(t, in, "redis-alerting"), only(t, in, "redis-live")...)
	}

	// Our own, of before, and another cluster's under another prefix.
	beats(t, other, "chk:chk-h1", "chk:chk-h2", "other:other-h1", "chkx:chkx-h1")
	defer subscribed(t, other, "other.gf_live.control")()
	if found := look("11.6.0"); len(found) != 4 {
		t.Errorf("something is found that is not there:\n%s", list(found))
	}

	// The name of a host is the same, the cluster is not.
	beats(t, other, "chk:other-h1")
	defer subscribed(t, other, "chk.gf_live.control")()
	found := look("11.6.0")
	want(t, found, Warning, "h1", "prefix chk on "+address+" is used by others: chk:other-h1", "alerting.redis.prefix")
	want(t, found, Warning, "h1", "1 nodes of Live are on "+address, "0 of our hosts", "another cluster uses the prefix chk", "live.redis.prefix")

	// Before 11.3 there is one name for all.
	defer subscribed(t, other, "gf_live.control")()
	want(t, look("10.3.1"), Warning, "h1", "1 nodes of Live", "another cluster uses the Redis at "+address, "11.3.0", "a Redis of its own")
}

func beats(t *testing.T, client *redis.Client, keys ...string) {
	t.Helper()
	for _, key := range keys {
		if err := client.Set(t.Context(), key, 1800000000, 0).Err(); err != nil {
			t.Fatal(err)
		}
	}
}

// subscribed is a node of Live, for Redis.
func subscribed(t *testing.T, client *redis.Client, channel string) (leave func()) {
	t.Helper()
	sub := client.Subscribe(t.Context(), channel)
	if _, err := sub.Receive(t.Context()); err != nil {
		t.Fatal(err)
	}
	return func() { _ = sub.Close() }
}

// A host that runs Grafana accounts for one node of Live; one that could not be
// asked is taken to run it.
func TestHostsThatRunGrafanaAreNoOtherCluster(t *testing.T) {
	hosts := fakeHosts(goodFacts("unit-pid\t77"), goodFacts())
	silent := fakeHosts(goodFacts(), goodFacts(), goodFacts())[2]
	r := &run{Input: input(t, cluster(hosts[0], hosts[1], silent), hosts)}
	r.gatherFacts(context.WithoutCancel(t.Context()))
	if n := r.running(); n != 2 {
		t.Errorf("%d run, want 2", n)
	}
}
