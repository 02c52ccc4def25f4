package tasks

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNodesAreApartWhenTheyCannotMeet(t *testing.T) {
	const gossip = "[unified_alerting]\nha_listen_address = 0.0.0.0:9094\nha_advertise_address = 10.0.0.1:9094\nha_peers = 10.0.0.1:9094,10.0.0.2:9094\n"
	const live = "[live]\nha_engine = redis\nha_engine_address = r:6379\n"
	for _, tt := range []struct {
		name, old, now string
		want           []string
	}{
		{"nothing changes", gossip + live, gossip + live, nil},
		{"another theme", gossip, gossip + "[users]\ndefault_theme = light\n", nil},
		{"a peer more", gossip, "[unified_alerting]\nha_listen_address = 0.0.0.0:9094\nha_peers = 10.0.0.1:9094,10.0.0.2:9094,10.0.0.3:9094\n", nil},
		{"Live switched on", gossip, gossip + live, []string{gateLive}},
		{"another Redis for Live", live, "[live]\nha_engine = redis\nha_engine_address = s:6379\n", []string{gateLive}},
		{"the first version with a prefix", live, live + "ha_prefix = prod\n", []string{gateLive}},
		{"another gossip port", gossip, "[unified_alerting]\nha_listen_address = 0.0.0.0:9095\nha_peers = 10.0.0.1:9095\n", []string{gateMembers}},
		{"gossip to Redis", gossip + live, live + "[unified_alerting]\nha_redis_address = r:6379\n", []string{gateMembers}},
		{"none to gossip", "", gossip, []string{gateMembers}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if diff := cmp.Diff(tt.want, apartBy([]byte(tt.old), []byte(tt.now))); diff != "" {
				t.Errorf("apart (-want +got):\n%s", diff)
			}
		})
	}
}
