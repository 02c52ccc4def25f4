package reach

import "strings"

// State is what a host runs, or shall run, as far as a change of it reaches further than
// that host.
type State struct {
	// Settings are grafana.ini's, by "section.key", environment variables over the file.
	// Secrets are in it: nothing of it is shown but by a kind of [kinds].
	Settings map[string]string
	Plugins  []string // ids, sorted
	User     string   // the service's; "": not known
	Root     string   // paths.root
}

// defaults are Grafana's own of the settings that are compared, where they are not "".
var defaults = map[string]string{
	"database.type":            "sqlite3",
	"database.path":            "grafana.db",
	"security.secret_key":      "SW2YcwTIb9zpOOhoPsMm",
	"security.admin_user":      "admin",
	"security.admin_password":  "admin",
	"security.cookie_secure":   "false",
	"security.cookie_samesite": "lax",
	"auth.login_cookie_name":   "grafana_session",
	"auth.basic.enabled":       "true",
}

// get is a setting, or Grafana's default of it.
func (s State) get(key string) string {
	if v, there := s.Settings[key]; there && v != "" {
		return v
	}
	return defaults[key]
}

// Keys are all settings that are compared.
func Keys() []string {
	out := []string{
		"database.type", "database.host", "database.name", "database.user", "database.password", "database.url", "database.path",
		"database.ssl_mode",
		"paths.data", "paths.logs", "security.secret_key", "security.admin_user", "security.admin_password",
		"server.root_url", "server.domain", "server.enforce_domain", "server.serve_from_sub_path",
		"auth.login_cookie_name", "security.cookie_samesite", "security.cookie_secure", "unified_alerting.enabled",
		"unified_alerting.ha_peers", "unified_alerting.ha_listen_address", "live.ha_engine", "live.ha_engine_address", "live.ha_prefix",
	}
	out = append(out, meetingKeys...)
	for _, s := range loginSections {
		out = append(out, s+".enabled")
	}
	return out
}

// providers are the ways to log in that are switched on, by section.
func (s State) providers() (out []string) {
	for _, p := range loginSections {
		if strings.EqualFold(s.get(p+".enabled"), "true") {
			out = append(out, p)
		}
	}
	return out
}

// loginSections are the ways to log in that Grafana has, in its documentation's order.
var loginSections = []string{
	"auth.basic", "auth.ldap", "auth.proxy", "auth.jwt", "auth.saml", "auth.anonymous", "auth.azuread", "auth.generic_oauth", "auth.github",
	"auth.gitlab", "auth.google", "auth.grafana_com", "auth.grafananet", "auth.okta",
}

// Module is how user_auth names the users of a way to log in; empty where none are kept there
// (pkg/services/login/authinfo.go, and oauth_ plus the provider's name).
func Module(section string) string {
	switch section {
	case "auth.basic", "auth.anonymous":
		return ""
	case "auth.ldap":
		return "ldap"
	case "auth.proxy":
		return "authproxy"
	case "auth.jwt":
		return "jwt"
	case "auth.saml":
		return "auth.saml"
	}
	return "oauth_" + strings.TrimPrefix(section, "auth.")
}

// mode is how the Alertmanagers of a host meet the others: "Redis", "gossip" or "none".
func (s State) mode() string {
	switch {
	case s.get("unified_alerting.ha_redis_address") != "":
		return "Redis"
	case s.get("unified_alerting.ha_peers") != "":
		return "gossip"
	}
	return "none"
}
