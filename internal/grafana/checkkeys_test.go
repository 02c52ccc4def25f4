package grafana

import (
	"errors"
	"strings"
	"testing"
)

const someDefaults = `app_mode = production
[server]
http_port = 3000
enable_gzip = false
[smtp]
enabled = false
from_address = x
[feature_toggles]
enable =
[unified_alerting]
enabled =
`

func TestCheckKeys(t *testing.T) {
	v := version(t, "11.6.0")
	for _, c := range []struct {
		section, key  string
		warning, fail string
	}{
		{"server", "enable_gzip", "", ""},
		{"", "app_mode", "", ""},
		{"feature_toggles", "anyToggle", "", ""},
		{"plugin.some-app", "anything", "", ""},
		{"server", "enable_gzipp", "did you mean server.enable_gzip?", ""},
		{"smpt", "enabled", "did you mean smtp.enabled?", ""},
		{"mail", "from_address", "did you mean smtp.from_address?", ""},
		{"server", "hidden_key", "server.hidden_key is not in conf/defaults.ini of Grafana 11.6.0", ""},
		{"unified_alerting", "ha_redis_sentinel_mode_enabled", "", "12.1.0"},
		{"unified_alerting", "ha_single_node_evaluation", "", "12.4.0"},
		{"alerting", "enabled", "", "gone since 11.0.0"},
	} {
		warnings, errs := CheckKeys([]Section{{Name: c.section, Keys: []Key{{Name: c.key, Value: "1"}}}}, []byte(someDefaults), v)
		if c.warning == "" && len(warnings) > 0 || c.warning != "" && (len(warnings) != 1 || !strings.Contains(warnings[0], c.warning)) {
			t.Errorf("%s.%s: warnings %q, want %q", c.section, c.key, warnings, c.warning)
		}
		if c.fail == "" && len(errs) > 0 || c.fail != "" && (len(errs) != 1 || !strings.Contains(errs[0].Error(), c.fail)) {
			t.Errorf("%s.%s: errors %v, want %q", c.section, c.key, errs, c.fail)
		}
		if c.fail != "" {
			var unknown *UnknownKeyError
			if len(errs) == 1 && !errors.As(errs[0], &unknown) {
				t.Errorf("%s.%s: %T", c.section, c.key, errs[0])
			}
		}
	}
}

// The release's own defaults decide where they know a key that the table has later.
func TestDefaultsOfTheReleaseOverruleTheTable(t *testing.T) {
	n := testNode(version(t, "10.0.0"))
	n.Alerting.Mode, n.Alerting.Peers, n.Alerting.Label = OnRedis, nil, ""
	n.Alerting.Redis = Redis{Address: "r:1", Prefix: "p"}
	if _, err := n.Render(); err == nil || !strings.Contains(err.Error(), "10.1.0") {
		t.Errorf("without defaults: got %v, want an error naming 10.1.0", err)
	}
	n.Defaults = []byte("[unified_alerting]\nha_redis_address =\nha_redis_prefix =\nha_redis_peer_name =\n")
	if _, err := n.Render(); err != nil {
		t.Errorf("with defaults: %v", err)
	}
}
