package grafana

import (
	"slices"
	"strings"

	"gopkg.in/ini.v1"
)

// ours are the keys that this tool acts on itself: it connects to the port,
// dumps the database, waits for the members. Another value under config: would
// make it look in the wrong place, so a differing one is an error. The text is
// where the operator says it instead.
func ours() map[string]string {
	m := map[string]string{
		"server.protocol": "grafana.tls", "server.http_port": "config.server.http_port of all hosts or one",
		"security.secret_key": "grafana.secret_key",
		"database.type":       "database.type", "database.host": "database.host", "database.name": "database.name",
		"database.user": "database.user", "database.password": "database.password", "database.url": "database",
		"database.connection_string": "database", "database.skip_migrations": "nothing: the first node must migrate",
		"unified_alerting.enabled": "alerting.legacy", "alerting.enabled": "alerting.legacy",
		"unified_alerting.ha_listen_address": "alerting.port", "unified_alerting.ha_advertise_address": "hosts.*.address",
		"unified_alerting.ha_peers": "hosts", "unified_alerting.ha_redis_address": "alerting.redis.address",
		"unified_alerting.ha_redis_peer_name": "hosts", "unified_alerting.ha_redis_prefix": "alerting.redis.prefix",
		"live.ha_engine": "live.redis", "live.ha_engine_address": "live.redis.address",
		"paths.data": "paths.data", "paths.logs": "paths.logs", "paths.plugins": "grafana.plugins", "paths.provisioning": "grafana.provisioning",
	}
	return m
}

// extra lays the operator's own keys over ours.
func (s *settings) extra() {
	for _, sec := range s.node.Extra {
		name := sec.Name
		if name == "" {
			name = ini.DefaultSection
		}
		for _, k := range sec.Keys {
			s.extraKey(name, k)
		}
	}
}

func (s *settings) extraKey(section string, k Key) {
	full := section + "." + k.Name
	if k.Value == "" {
		s.emptyExtra(section, k.Name)
		return
	}
	k, ok := s.listenKey(section, k)
	if !ok {
		return
	}
	current, written := s.sections[section][k.Name]
	instead, mine := ours()[full]
	switch {
	case full == "security.secret_key" && k.Value == publicSecretKey:
		s.refuse(full, "config: security.secret_key is the public default of every Grafana")
		return
	case section == "feature_toggles" || full == "plugins.allow_loading_unsigned_plugins":
		k.Value = merged(current, written, k.Value)
	case mine && (!written || current.value != k.Value):
		s.refuse(full, "config: %s is what ghadeploy itself depends on; set it in the inventory under %s", full, instead)
		return
	case written && current.value != k.Value:
		s.warn("config: %s replaces the value that ghadeploy would write", full)
	}
	s.put(section, k.Name, setting{value: k.Value, secret: k.Secret || current.secret, expands: !k.Secret && !current.secret})
}

// merged is a list with more in it: lists are not replaced.
func merged(current setting, written bool, more string) string {
	if !written || strings.Contains(","+current.value+",", ","+more+",") {
		return more
	}
	return current.value + "," + more
}

// emptyExtra handles a key without a value. Grafana skips empty values in
// grafana.ini, so a default cannot be blanked there.
func (s *settings) emptyExtra(section, key string) {
	full := section + "." + key
	switch {
	case s.get(section, key) != "":
		s.refuse(full, "config: %s is empty, but ghadeploy needs a value there", full)
	case s.defaults == nil:
		s.warn("config: %s is empty; Grafana skips empty values in grafana.ini, its default stays", full)
	case s.defaults.Section(section).Key(key).Value() != "":
		s.refuse(full, "config: %s is empty; Grafana skips empty values in grafana.ini, so its default %q would stay", full,
			s.defaults.Section(section).Key(key).Value())
	}
}

// toggles adds the migration lock to what the operator enables.
func (s *settings) toggles() {
	if MigrationLock(s.node.Version) != ToggleLock {
		return
	}
	const section, toggle = "feature_toggles", "migrationLocking"
	if v := s.get(section, toggle); v != "" {
		if v == "false" {
			s.warn("feature_toggles.migrationLocking is false: two nodes that start at once can corrupt the schema (#46718)")
		}
		return
	}
	enabled := strings.FieldsFunc(s.get(section, "enable"), func(r rune) bool { return r == ',' || r == ' ' })
	if !slices.Contains(enabled, toggle) {
		enabled = append(enabled, toggle)
	}
	s.set(section, "enable", strings.Join(enabled, ","))
}

// contradictions are settings that Grafana starts with, or fails on, and that
// nobody can have meant.
func (s *settings) contradictions() {
	if s.get("alerting", "enabled") == "true" && s.get(ua, "enabled") == "true" {
		s.refuse("alerting.enabled", "legacy and unified alerting cannot both be enabled; Grafana refuses to start")
	}
	s.listenWarnings()
	if s.get("metrics", "enabled") == "false" {
		s.warn("metrics.enabled is false: alerting members and Live nodes cannot be gated")
	}
	if s.get("metrics", "basic_auth_username") != "" {
		s.warn("metrics.basic_auth_username is set: /metrics wants a login")
	}
	if s.get("server", "socket") != "" {
		s.refuse("server.socket", "config: server.socket hides Grafana from the load balancer and the gates")
	}
	if samesite := s.get("security", "cookie_samesite"); samesite == "none" && s.get("security", "cookie_secure") != "true" {
		s.warn("security.cookie_samesite none without cookie_secure: browsers drop the session cookie")
	}
	if s.get("auth.anonymous", "hide_version") == "true" {
		s.warn("auth.anonymous.hide_version is true: the version is read from /metrics only")
	}
}
