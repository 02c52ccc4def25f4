package defaults

import (
	"strings"
	"testing"
)

func TestKeysFollowTheVersion(t *testing.T) {
	tests := []struct {
		version, key string
		want         bool
	}{
		{"6.5.0", "[unified_alerting]", false},
		{"6.5.0", "ha_engine =", false},
		{"6.5.0", "login_maximum_lifetime_days = 30", true},
		{"9.4.0", "login_maximum_lifetime_days = 30", false},
		{"9.4.0", "ha_peers =", true},
		{"9.4.0", "ha_redis_address =", false},
		{"10.3.1", "ha_redis_address =", true},
		{"10.3.1", "migration_locking = true", false},
		{"10.3.1", "[alerting]", true},
		{"11.0.0", "[alerting]", false},
		{"12.0.0", "ha_redis_sentinel_mode_enabled = false", false},
		{"12.1.0", "ha_redis_sentinel_mode_enabled = false", true},
		{"13.0.0", "ha_single_node_evaluation = false", true},
	}
	for _, tt := range tests {
		v, err := Parse(tt.version)
		if err != nil {
			t.Fatal(err)
		}
		text, err := Render(v)
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.Contains(text, "\n"+tt.key); got != tt.want {
			t.Errorf("defaults.ini of %s has %q: %v, want %v", tt.version, tt.key, got, tt.want)
		}
	}
}

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]Version{
		"10.3.1": {10, 3, 1}, "11.3.0+security-01": {11, 3, 0}, "10.4.0-pre": {10, 4, 0}, "2": {2, 0, 0},
	} {
		if got, err := Parse(in); err != nil || got != want {
			t.Errorf("Parse(%q) = %v, %v, want %v", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "1.2.3.4", "1.-2"} {
		if v, err := Parse(bad); err == nil {
			t.Errorf("Parse(%q) = %v, want an error", bad, v)
		}
	}
}
