package grafana

import (
	"encoding/json"
	"slices"
	"testing"
)

func TestParseVersion(t *testing.T) {
	for in, want := range map[string]string{
		"10.3.1": "10.3.1", "v11.3.0+security-01": "11.3.0+security-01", "12.0.0-pre": "12.0.0-pre", " 9.4.0\n": "9.4.0",
	} {
		if got := version(t, in).String(); got != want {
			t.Errorf("%q: got %s, want %s", in, got, want)
		}
	}
	for _, in := range []string{"", "12", "12.3", "latest", "12.3.1.4", "vv12.3.1", "12.3.x", "012.3.1"} {
		if v, err := ParseVersion(in); err == nil {
			t.Errorf("%q: got %s, want an error", in, v)
		}
	}
}

func TestVersionsSort(t *testing.T) {
	want := []string{"6.5.0", "9.4.0-pre", "9.4.0", "11.3.0", "11.3.0+security-01", "11.3.0+security-02", "11.3.0+security-10", "11.3.1", "12.0.0-beta1", "12.0.0"}
	var versions []Version
	for _, s := range want {
		versions = append(versions, version(t, s))
	}
	slices.Reverse(versions)
	slices.SortFunc(versions, Version.Compare)
	for i, v := range versions {
		if v.String() != want[i] {
			t.Errorf("place %d: got %s, want %s", i, v, want[i])
		}
	}
	if !version(t, "11.3.0").SameRelease(version(t, "11.3.0+security-01")) {
		t.Error("a security build is the same release")
	}
	if version(t, "11.3.0").SameRelease(version(t, "11.3.1")) {
		t.Error("a patch is another release")
	}
}

func TestVersionInJSON(t *testing.T) {
	type doc struct{ A, B Version }
	in := doc{A: version(t, "11.3.0+security-01")}
	b, err := json.Marshal(in)
	if err != nil || string(b) != `{"A":"11.3.0+security-01","B":""}` {
		t.Fatalf("got %s, %v", b, err)
	}
	var out doc
	if err := json.Unmarshal(b, &out); err != nil || out != in {
		t.Errorf("got %v, %v", out, err)
	}
	if err := json.Unmarshal([]byte(`{"A":"new"}`), &out); err == nil {
		t.Error("a bad version was read")
	}
}

func TestCapabilities(t *testing.T) {
	for _, c := range []struct {
		what           string
		has            func(Version) bool
		before, at     string
		gone, goneLast string
	}{
		{"$__file", HasFileExpander, "7.0.6", "7.1.0", "", ""},
		{"bin/grafana", HasGrafanaBinary, "9.3.16", "9.4.0-pre", "", ""},
		{"unified alerting", HasUnifiedAlerting, "8.1.8", "8.2.0", "", ""},
		{"legacy alerting", HasLegacyAlerting, "", "6.5.0", "11.0.0", "10.4.19"},
		{"Redis alerting", RedisAlerting, "9.4.17", "10.1.0", "", ""},
		{"Live password", LivePassword, "10.2.9", "10.3.1", "", ""},
		{"Live prefix", LivePrefix, "11.2.9", "11.3.0", "", ""},
	} {
		if c.before != "" && c.has(version(t, c.before)) {
			t.Errorf("%s: %s has it", c.what, c.before)
		}
		if !c.has(version(t, c.at)) {
			t.Errorf("%s: %s has it not", c.what, c.at)
		}
		if c.gone != "" && (c.has(version(t, c.gone)) || !c.has(version(t, c.goneLast))) {
			t.Errorf("%s: want it in %s and no longer in %s", c.what, c.goneLast, c.gone)
		}
	}
}

func TestMigrationLock(t *testing.T) {
	for v, want := range map[string]Lock{
		"6.5.0": NoLock, "8.3.11": NoLock, "8.4.0": ToggleLock, "10.4.1": ToggleLock, "11.0.0": KeyLock, "13.2.0": KeyLock,
	} {
		if got := MigrationLock(version(t, v)); got != want {
			t.Errorf("%s: got %s, want %s", v, got, want)
		}
	}
}

func TestKeyKnown(t *testing.T) {
	for _, c := range []struct {
		v, section, key string
		known           bool
		introduced      string
	}{
		{"12.0.0", "unified_alerting", "ha_redis_sentinel_mode_enabled", false, "12.1.0"},
		{"12.1.0", "unified_alerting", "ha_redis_sentinel_mode_enabled", true, "12.1.0"},
		{"8.1.0", "unified_alerting", "ha_peers", false, "8.2.0"},
		{"7.5.17", "live", "ha_engine", false, "8.1.0"},
		{"7.5.17", "live", "max_connections", false, "8.0.0"},
		{"9.0.0", "unified_alerting", "ha_peers", true, "8.2.0"},
		{"13.0.0", "alerting", "enabled", false, "0.0.0"},
		{"9.0.0", "server", "http_port", true, "0.0.0"},
	} {
		known, introduced := KeyKnown(version(t, c.v), c.section, c.key)
		if known != c.known || introduced != version(t, c.introduced) {
			t.Errorf("%s %s.%s: got %v, %s", c.v, c.section, c.key, known, introduced)
		}
	}
	if v, ok := Since("live", "ha_prefix"); !ok || v != release(11, 3, 0) {
		t.Errorf("live.ha_prefix: got %s, %v", v, ok)
	}
	if _, ok := Since("server", "http_port"); ok {
		t.Error("server.http_port has always been there")
	}
}

func TestEveryFactHasASource(t *testing.T) {
	seen := map[string]bool{}
	for _, f := range facts() {
		id := string(f.Kind) + f.Section + "." + f.Name
		if f.Source == "" || seen[id] || f.Kind == aStep && f.Text == "" {
			t.Errorf("%s: no source, no text or twice", id)
		}
		seen[id] = true
	}
}

func TestUpgradePolicy(t *testing.T) {
	for _, c := range []struct {
		from, to string
		kind     PolicyKind
		dir      Direction
		dump     bool
		steps    int
	}{
		{"10.3.1", "10.3.1", Rolling, Same, false, 0},
		{"12.3.0", "12.3.1", Rolling, Upgrade, true, 0},
		{"11.3.0", "11.3.0+security-01", Rolling, Upgrade, true, 0},
		{"12.0.0", "12.3.1", Rolling, Upgrade, true, 0},
		{"11.6.0", "12.3.1", OneFirst, Upgrade, true, 0},
		{"8.5.27", "9.0.0", OneFirst, Upgrade, true, 1},
		{"9.0.0", "9.4.0", OneFirst, Upgrade, true, 1},
		{"12.3.1", "12.4.0", OneFirst, Upgrade, true, 1},
		{"12.4.0", "12.4.2", Rolling, Upgrade, true, 0},
		{"8.5.27", "13.2.0", OneFirst, Upgrade, true, 6},
		{"12.3.1", "12.3.0", Rolling, Downgrade, true, 0},
		{"12.3.1", "11.6.0", OneFirst, Downgrade, true, 0},
		{"12.3.1", "12.2.0", OneFirst, Downgrade, true, 0},
	} {
		p := UpgradePolicy(version(t, c.from), version(t, c.to))
		if p.Kind != c.kind || p.Direction != c.dir || p.Dump != c.dump || len(p.Steps) != c.steps || p.Reason == "" {
			t.Errorf("%s to %s: got %+v", c.from, c.to, p)
		}
	}
	if p := UpgradePolicy(Version{}, version(t, "12.3.1")); p.Kind != OneFirst || p.Dump {
		t.Errorf("first deployment: got %+v", p)
	}
}
