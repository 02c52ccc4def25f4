package verify

import (
	"context"
	"encoding/json"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
)

func version(t *testing.T, s string) grafana.Version {
	t.Helper()
	v, err := grafana.ParseVersion(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// What a version cannot do is told, in text and JSON, and fails nothing.
func TestWhatAVersionHasNotIsNotProvedAndNoFailure(t *testing.T) {
	p := three()
	for _, n := range p.nodes {
		n.version = version(t, "7.5.17")
	}
	p.in.Cluster.Alerting.HA, p.in.Cluster.Live.Redis.Address = "gossip", "redis:6379"
	p.in.Options.WithAlerts = true
	for _, proof := range []func(context.Context){p.members, p.liveNodes, p.live, p.silences, p.alert} {
		proof(t.Context())
	}
	if len(p.report.Steps) != 5 || len(p.report.Failed()) != 0 {
		t.Fatalf("got %+v", p.report.Steps)
	}
	for _, s := range p.report.Steps {
		if !s.NotProved || s.OK || !strings.HasPrefix(s.Cause, "not proved on this version (7.5.17), because ") {
			t.Errorf("got %+v", s)
		}
	}
	var text strings.Builder
	if err := p.report.WriteText(&text); err != nil || !strings.Contains(text.String(), "not proved on this version (7.5.17), because its Live cannot be shared by Redis") {
		t.Errorf("%v\n%s", err, text.String())
	}
	if b, err := json.Marshal(p.report); err != nil || !strings.Contains(string(b), `"not_proved":true`) {
		t.Errorf("%v: %s", err, b)
	}
}

// Who has legacy alerting had no choice before 8.2: the version is the reason, and else
// what the inventory says.
func TestLegacyAlertingIsWhyAlertingIsNotProved(t *testing.T) {
	for _, tt := range []struct {
		version string
		legacy  bool
		says    string
	}{
		{"7.5.17", true, "not proved on this version (7.5.17), because its alerting shares nothing but the database"},
		{"8.5.15", true, "legacy alerting shares nothing but the database"},
		{"10.3.1", false, "alerting.ha is none"},
	} {
		p := three()
		for _, n := range p.nodes {
			n.version = version(t, tt.version)
		}
		p.in.Cluster.Alerting.HA, p.in.Cluster.Alerting.Legacy = "none", tt.legacy
		p.in.Options.WithAlerts = true
		for _, proof := range []func(context.Context){p.members, p.silences, p.alert} {
			proof(t.Context())
		}
		for _, s := range p.report.Steps {
			if !s.Skipped && !s.NotProved || s.Cause != tt.says {
				t.Errorf("%s: %+v, want %q", tt.version, s, tt.says)
			}
		}
	}
}

func TestLiveChannelsAreTriedTheLikeliestFirst(t *testing.T) {
	for v, want := range map[string]string{"8.5.15": "1/grafana/broadcast/", "12.3.0": "1/grafana/broadcast/", "12.4.0": "stream/", "13.1.0": "stream/"} {
		ways := liveChannels(version(t, v), "x")
		if len(ways) != 4 || !strings.HasPrefix(want, "1/") != strings.HasPrefix(ways[0].name, "stream/") {
			t.Errorf("%s: got %d ways, the first %s", v, len(ways), ways[0].name)
		}
		seen := map[string]bool{}
		for _, w := range ways {
			seen[w.name] = true
		}
		if len(seen) != 2 {
			t.Errorf("%s: got %v", v, seen)
		}
	}
}
