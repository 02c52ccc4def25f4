package redisconn

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/fleet"
	"github.com/ghadeploy/ghadeploy/tasks/fleet/fleettest"
)

func nodesOf(t *testing.T, r *fleettest.Redis, channels string) ([]string, error) {
	t.Helper()
	h := fleet.Host{Host: &inventory.Host{Name: "h1"}, Conn: &fleettest.Local{Name: "h1", DialFunc: r.Dial}}
	cfg := inventory.Redis{Address: "10.0.0.9:6379", Password: inventory.NewSecret("CANARY-password", "x")}
	return LiveNodes(t.Context(), h, cfg, channels)
}

// Channels as Redis named them beside real servers, and those of neighbours.
func TestOnlyNodesUnderTheOwnPrefixAreSeen(t *testing.T) {
	subscribed := []string{
		"gf_live.control", "gf_live.ping", "gf_live.shard.0", "gf_live.node.171f37a6", "gf_live.node.2041cabb",
		"bar.gf_live.control", "bar.gf_live.node.9ff2da7e", "foobar.gf_live.node.0974", "b*r.gf_live.node.be7f", "[b]ar.gf_live.node.cbd9", "bar.gf_live.node.",
	}
	r := &fleettest.Redis{Channels: func() []string { return subscribed }}
	for _, tt := range []struct {
		version, prefix string
		want            []string
	}{
		{"8.5.15", "", []string{"171f37a6", "2041cabb"}},
		{"10.3.1", "bar", []string{"171f37a6", "2041cabb"}}, // no prefix before 11.3
		{"12.4.0", "bar", []string{"9ff2da7e"}},
		{"12.4.0", "b*r", []string{"be7f"}},
		{"12.4.0", "[b]ar", []string{"cbd9"}},
		{"12.4.0", "ar", nil},
	} {
		v, err := grafana.ParseVersion(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		got, err := nodesOf(t, r, grafana.LiveNodeChannels(v, tt.prefix))
		if err != nil || !slices.Equal(got, tt.want) {
			t.Errorf("%s with prefix %q: %v (%v), want %v", tt.version, tt.prefix, got, err, tt.want)
		}
	}
	for _, p := range r.Patterns() {
		if p == "*" || !strings.HasSuffix(p, "gf_live.node.*") {
			t.Errorf("everybody's channels were asked for: %s", p)
		}
	}
}

// A Redis that does not tell says so in words of ours: its own may repeat what it was sent.
func TestARedisThatDoesNotTellOfItsNodes(t *testing.T) {
	for name, tt := range map[string]struct {
		redis *fleettest.Redis
		want  string
	}{
		"no permission (7)": {&fleettest.Redis{Refuse: "NOPERM User grafana has no permissions to run the 'pubsub|channels' command"}, "forbids PUBSUB"},
		"no permission (6)": {&fleettest.Redis{Refuse: "NOPERM this user has no permissions to run the 'pubsub' command or its subcommand"}, "forbids PUBSUB"},
		"renamed":           {&fleettest.Redis{Refuse: "ERR unknown command 'PUBSUB', with args beginning with: 'channels' "}, "does not know PUBSUB"},
		"renamed (6)":       {&fleettest.Redis{Refuse: "ERR unknown command `PUBSUB`, with args beginning with: `channels`, "}, "does not know PUBSUB"},
		"hostile words":     {&fleettest.Redis{Refuse: "you sent CANARY-password"}, "answers with an error"},
		"loading":           {&fleettest.Redis{Refuse: "LOADING Redis is loading CANARY-password"}, "answers LOADING"},
		"a billion nodes":   {&fleettest.Redis{Raw: "*1000000000\r\n"}, "larger than any"},
		"a gigabyte":        {&fleettest.Redis{Raw: "*1\r\n$1000000000\r\n"}, "larger than any"},
		"a list in a list":  {&fleettest.Redis{Raw: "*1\r\n*99999999\r\n"}, "larger than any"},
		"many lists":        {&fleettest.Redis{Raw: "*10000\r\n" + strings.Repeat("*10000\r\n", 1000)}, "larger than any"},
		"many strings":      {&fleettest.Redis{Raw: "*1000\r\n" + strings.Repeat("$100000\r\n"+strings.Repeat("x", 100_000)+"\r\n", 40)}, "larger than any"},
		"no end of a line":  {&fleettest.Redis{Raw: "+" + strings.Repeat("x", 1<<17)}, "larger than any"},
		"a minus":           {&fleettest.Redis{Raw: "*-7\r\n"}, ""},
		"more than hosts": {&fleettest.Redis{Channels: func() (all []string) {
			for range maxNodes + 1 {
				all = append(all, "gf_live.node.x")
			}
			return all
		}}, "more than any cluster"},
	} {
		t.Run(name, func(t *testing.T) {
			ids, err := nodesOf(t, tt.redis, "gf_live.node.")
			if tt.want == "" {
				return // whatever it means, nothing breaks
			}
			if silent, ok := errors.AsType[*SilentError](err); !ok || !strings.Contains(silent.Error(), tt.want) || strings.Contains(silent.Error(), "CANARY") {
				t.Errorf("%v (%v), want an error that says %q", ids, err, tt.want)
			}
		})
	}
}

// What is not too much passes as it is, however it is cut into pieces.
func TestStringsPassTheirBound(t *testing.T) {
	b := &bounded{}
	text := "+OK\r\n*2\r\n$3\r\n*9\n\r\n$-1\r\n:5\r\n$0\r\n\r\n*0\r\n$4\r\n$999\r\n-ERR x\r\n"
	for i := range text {
		if err := b.follow([]byte(text[i : i+1])); err != nil {
			t.Fatalf("after %q: %v", text[:i+1], err)
		}
	}
	if err := (&bounded{}).follow([]byte(text)); err != nil {
		t.Error(err)
	}
	if err := (&bounded{}).follow([]byte(text + "*65537\r\n")); err == nil {
		t.Error("a list of 65537 elements passed")
	}
}
