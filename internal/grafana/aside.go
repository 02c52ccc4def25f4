package grafana

import (
	"slices"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"
)

// Aside makes the grafana.ini of a [Node] one for a Grafana on the side: it opens a copy
// of the database, answers on loopback only, and is no part of the cluster.
type Aside struct {
	// Port on 127.0.0.1.
	Port int
	// Database is the name of the copy, on the same server and with the same login.
	Database string
}

// asideSections are the sections that say what is in the database and how it is read.
// All others are left out: what they are about, logins, mail, pictures, tracing, a
// Grafana on the side has no use for, and they make it speak to others.
func asideSections() []string {
	return []string{ini.DefaultSection, db, "security", "feature_toggles", "unified_alerting", "alerting", "paths", "plugins", "users", "dashboards", "quota"}
}

// asideFamilies are the beginnings of further such sections.
func asideFamilies() []string { return []string{"security.", "unified_storage."} }

// aside takes out of the settings what ties a node to the outside, and says no where a
// default would.
func (s *settings) aside(a Aside) {
	for section := range s.sections {
		keep := slices.Contains(asideSections(), section) ||
			slices.ContainsFunc(asideFamilies(), func(f string) bool { return strings.HasPrefix(section, f) })
		if !keep {
			delete(s.sections, section)
		}
	}
	for key := range s.sections[ua] {
		if strings.HasPrefix(key, "ha_") {
			delete(s.sections[ua], key)
		}
	}
	s.set("server", "protocol", "http")
	s.set("server", "http_addr", "127.0.0.1")
	s.set("server", "http_port", strconv.Itoa(a.Port))
	s.set(db, "name", a.Database)
	for _, no := range []struct{ section, key, value string }{
		{ua, "execute_alerts", "false"}, {"alerting", "execute_alerts", "false"},
		{"smtp", "enabled", "false"}, {"live", "max_connections", "0"},
		{"analytics", "reporting_enabled", "false"}, {"analytics", "check_for_updates", "false"}, {"analytics", "check_for_plugin_updates", "false"},
		{"news", "news_feed_enabled", "false"}, {"snapshots", "external_enabled", "false"},
		{"plugins", "preinstall_disabled", "true"}, {"plugins", "public_key_retrieval_disabled", "true"},
		{"grpc_server", "address", "127.0.0.1:0"}, // also where a toggle turns it on: the serving node has the usual port
		{"log", "mode", "console"}, {"log", "level", "info"}, {"log.console", "format", "text"},
	} {
		s.want(no.section, no.key, no.value)
	}
}

// AsideEnvironment tells whether a variable of a node's environment goes to a Grafana on
// the side as well. One that replaces a setting does only where the section stays.
func AsideEnvironment(name string) bool {
	if !strings.HasPrefix(name, "GF_") {
		return true
	}
	return slices.ContainsFunc([]string{"GF_SECURITY_", "GF_FEATURE_TOGGLES_", "GF_UNIFIED_STORAGE_"}, func(p string) bool { return strings.HasPrefix(name, p) })
}
