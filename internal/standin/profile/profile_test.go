package profile

import (
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/standin/defaults"
)

func of(t *testing.T, version string) (defaults.Version, Profile) {
	t.Helper()
	v, err := defaults.Parse(version)
	if err != nil {
		t.Fatal(err)
	}
	return v, Of(v)
}

func TestWhatAVersionHas(t *testing.T) {
	for _, tt := range []struct {
		version                              string
		gossip, prefixed, older, broadcast   bool
		pools                                int
		sorted, plainAddress, configPost, ip bool
	}{
		{"6.7.6", false, false, true, true, 0, true, true, true, false},
		{"7.5.17", false, false, true, true, 0, true, false, true, false},
		{"8.5.15", true, false, true, true, 0, true, false, true, false},
		{"9.1.3", true, false, true, true, 1, true, false, true, false},
		{"9.3.2", true, false, false, true, 1, true, false, true, false},
		{"10.3.1", true, false, false, true, 1, true, false, true, false},
		{"11.6.2", true, false, false, true, 2, false, false, true, true},
		{"12.3.0", true, false, false, true, 2, false, false, false, true},
		{"12.4.0", true, true, false, false, 2, false, false, false, true},
		{"13.0.1", true, true, false, false, 2, false, false, false, true},
	} {
		v, p := of(t, tt.version)
		pools := 0
		if p.Metrics.Database {
			pools++
		}
		if _, ok := StoragePool(v); ok {
			pools++
		}
		got := tt
		got.gossip, got.prefixed, got.older, got.broadcast, got.pools = p.Alerting.Gossip, p.Metrics.Prefixed, p.Live.Replies, p.Live.Broadcast, pools
		got.sorted, got.plainAddress, got.configPost, got.ip = p.HealthSorted, p.PlainAddress, p.Alerting.ConfigPost, p.AddressIsIP
		if got != tt {
			t.Errorf("%s is %+v, want %+v", tt.version, got, tt)
		}
	}
}

func TestTheSecondPoolIsLimitedFrom123On(t *testing.T) {
	for version, want := range map[string]int{"11.6.2": 0, "12.3.0": -1, "12.4.0": -1} {
		v, _ := of(t, version)
		if pool, ok := StoragePool(v); !ok || pool.MaxOpen != want {
			t.Errorf("%s: %+v, %v, want max_open %d", version, pool, ok, want)
		}
	}
}
