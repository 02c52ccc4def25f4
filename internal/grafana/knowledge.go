package grafana

import "slices"

// kind is what a row of the version table is about.
type kind string

const (
	aKey      kind = "key"
	aSection  kind = "section"
	aToggle   kind = "toggle"
	anAbility kind = "ability"
	aStep     kind = "step"
)

// fact is one row of the version table: name exists from Since on and no
// longer from Until on.
type fact struct {
	Kind          kind
	Section, Name string
	Since, Until  Version // zero Until: still there
	Text          string  // for steps: what it means to an operator
	Source        string
}

// Names of the abilities in the table.
const (
	fileExpander     = "$__file{}"
	grafanaBinary    = "bin/grafana"
	unifiedAlerting  = "unified alerting with high availability"
	legacyAlerting   = "legacy alerting"
	liveURL          = "Redis URL in live.ha_engine_address"
	cacheUsername    = "username in remote_cache.connstr"
	cleanSIGTERM     = "exit status 0 on SIGTERM"
	doubleConnection = "unified storage with a connection string of its own"
	liveBroadcast    = "channels grafana/broadcast of Live"
	liveNamespace    = "namespaces in the names of Live's channels"
	secondPool       = "a second pool of database connections, of unified storage"
	secondPoolBound  = "max_open_conn for both pools of database connections"
	singleEvaluation = "evaluation of alert rules on one host"
	wholeAlertConfig = "an Alertmanager configuration that is told to a host, which takes it at once"
	tableLocks       = "LOCK TABLES while resources move to unified storage"
)

// facts is all that this package knows of versions. Where a change was merged
// between two minor releases and no source says which one carried it, the later
// one stands here: an error too early is better than a key that Grafana ignores
// without a word. [Node.Defaults] settles such cases for the very release.
//
// Sources: "defaults.ini V" is conf/defaults.ini of that release, and "not W" the
// nearest earlier release that was looked at and does not have it; a file and a
// version is that file of the release; "changelog V" is its part of CHANGELOG.md;
// "#N" is github.com/grafana/grafana issue or pull request N. A test compares the
// rows with the keys of real releases (testdata/keys).
func facts() []fact { return slices.Concat(abilities(), keys(), steps()) }

func abilities() []fact {
	return []fact{
		{Kind: anAbility, Name: fileExpander, Since: release(7, 1, 0), Source: "#25075; pkg/setting/expanders.go 7.1.0"},
		{Kind: anAbility, Name: grafanaBinary, Since: release(9, 4, 0), Source: "pkg/cmd/grafana, packaging/wrappers 9.4.0; neither in 9.3.2"},
		{Kind: anAbility, Name: unifiedAlerting, Since: release(8, 2, 0), Source: "#37920, backport #39342; setting_unified_alerting.go 8.2.0"},
		{Kind: anAbility, Name: legacyAlerting, Until: release(11, 0, 0), Source: "changelog 11.0.0-preview: refuses to start with it"},
		{Kind: anAbility, Name: liveURL, Since: release(13, 3, 0), Source: "#129938, merged August 2026; docs v13.3"},
		{Kind: anAbility, Name: cacheUsername, Since: release(12, 3, 0), Source: "pkg/infra/remotecache/redis_storage.go 12.3.0, not 11.6.2"},
		{Kind: anAbility, Name: cleanSIGTERM, Since: release(6, 7, 3), Source: "#23309, #23312; pkg/cmd/grafana-server/main.go 6.7.3, not 6.7.2"},
		{Kind: anAbility, Name: doubleConnection, Since: release(11, 3, 0), Until: release(12, 3, 0),
			Source: "#95662 (11.3); pkg/storage/unified/sql/db/dbimpl 11.5.1, 11.6.2 build a DSN of their own, 12.3.0 takes core's"},
		{Kind: anAbility, Name: liveBroadcast, Since: release(8, 0, 0), Until: release(12, 4, 0),
			Source: "pkg/services/live/live.go 8.5.15 to 12.3.0; gone in 12.4.0"},
		{Kind: anAbility, Name: liveNamespace, Since: release(12, 4, 0),
			Source: "pkg/services/live/orgchannel: StripOrgID in 12.3.0, StripK8sNamespace in 12.4.0"},
		{Kind: anAbility, Name: secondPool, Since: release(11, 3, 0),
			Source: "pkg/storage/unified/sql/db/dbimpl 11.5.1, 11.6.2, 12.3.0, 12.4.0; metrics of 11.6.2 and 12.4.0"},
		{Kind: anAbility, Name: secondPoolBound, Since: release(12, 3, 0),
			Source: "dbimpl/db_engine.go: SetMaxOpenConns in 12.3.0 and 12.4.0, not in 11.5.1 and 11.6.2"},
		{Kind: anAbility, Name: singleEvaluation, Since: release(13, 0, 0),
			Source: "docs v13.0 (#118527); 12.4 reads the key, undocumented, and every host evaluated (#125705)"},
		{Kind: anAbility, Name: tableLocks, Since: release(13, 0, 0),
			Source: "#117251; its backport to 12.4 (#118481) was not merged, 12.4.3 locks nothing"},
		{Kind: anAbility, Name: wholeAlertConfig, Since: release(8, 0, 0), Until: release(12, 1, 0),
			Source: "#103819 took the call away (12.1); pkg/services/ngalert/api/authorization.go 11.6.2, not 12.4.0"},
		{Kind: aToggle, Name: "migrationLocking", Since: release(8, 4, 0), Until: release(11, 0, 0),
			Source: "#44101, #84983; featuremgmt/registry.go 8.4.0 to 10.3.1, not 11.5.1"},
	}
}

func keys() []fact {
	return slices.Concat(
		of("database", since(11, 0, 0), "#84983 (changelog 11.0.0-preview); defaults.ini 11.5.1", "migration_locking"),
		of("database", since(8, 4, 0), "#44101; defaults.ini 8.4.0", "locking_attempt_timeout_sec"),
		of("database", since(7, 5, 6), "#33830; defaults.ini 7.5.6", "isolation_level"),
		of("database", since(9, 3, 0), "defaults.ini 9.3.0, not 9.2.8", "transaction_retries", "query_retries"),
		of("database", since(9, 4, 0), "defaults.ini 9.4.0, not 9.3.2", "wal"),
		of("database", since(10, 3, 0), "defaults.ini 10.3.1, not 9.4.0", "instrument_queries"),
		of("database", since(11, 6, 0), "defaults.ini 11.6.2, not 11.5.1", "high_availability"),
		of("database", since(11, 5, 0), "#96825; defaults.ini 11.5.1, not 10.3.1", "ssl_sni"),
		of("database", since(12, 3, 0), "defaults.ini 12.3.0, not 11.6.2", "delete_auto_gen_ids"),

		section("unified_storage", since(11, 2, 0), "docs v11.2; pkg/setting/setting_unified_storage.go 11.5.1; in defaults.ini from 12.4.0"),
		of("unified_storage", since(13, 2, 0), "#129682, #131361", "migration_locking"),

		of("remote_cache", since(9, 4, 0), "defaults.ini 9.4.0; also 9.2.8, not 9.3.0 to 9.3.2", "prefix", "encryption"),

		section("alerting", until(11, 0, 0), "changelog 11.0.0-preview; defaults.ini 10.3.1, not 11.5.1"),

		section("unified_alerting", since(8, 2, 0), "#37920, backport #39342; defaults.ini 8.2.0, not 8.1.8"),
		of("unified_alerting", since(10, 1, 0), "docs v10.1 (#77747); defaults.ini 10.3.1, not 9.4.0", "ha_label"),
		of("unified_alerting", since(10, 1, 0), "docs v10.1 (#77747), #74399; defaults.ini 10.3.1, not 9.4.0",
			"ha_redis_address", "ha_redis_username", "ha_redis_password", "ha_redis_db", "ha_redis_prefix", "ha_redis_peer_name",
			"ha_redis_max_conns"),
		of("unified_alerting", since(11, 1, 0), "#87567 (changelog 11.1.0)",
			"ha_redis_tls_enabled", "ha_redis_tls_cert_path", "ha_redis_tls_key_path", "ha_redis_tls_ca_path",
			"ha_redis_tls_server_name", "ha_redis_tls_insecure_skip_verify", "ha_redis_tls_cipher_suites", "ha_redis_tls_min_version"),
		of("unified_alerting", since(11, 1, 0), "#88696 (changelog 11.1.0)", "ha_redis_cluster_mode_enabled"),
		of("unified_alerting", since(11, 2, 0), "#88823 (changelog 11.2.0)", "ha_reconnect_timeout"),
		of("unified_alerting", since(12, 1, 0), "#106322 (changelog 12.1.0)",
			"ha_redis_sentinel_mode_enabled", "ha_redis_sentinel_master_name", "ha_redis_sentinel_username",
			"ha_redis_sentinel_password"),
		of("unified_alerting", since(12, 4, 0), "setting_unified_alerting.go 12.4.0, not 12.3.0; see singleEvaluation",
			"ha_single_node_evaluation"),

		section("live", since(8, 0, 0), "defaults.ini 8.0.0, not 7.5.17"),
		of("live", since(8, 0, 4), "defaults.ini 8.0.4, not 8.0.3", "allowed_origins"),
		of("live", since(8, 1, 0), "#36787, #37241; defaults.ini 8.1.0", "ha_engine", "ha_engine_address"),
		of("live", since(10, 3, 0), "#76289; defaults.ini 10.3.1, not 9.4.0", "ha_engine_password"),
		of("live", since(11, 3, 0), "#93759; defaults.ini 11.5.1, not 10.3.1", "ha_prefix"),
		of("live", since(11, 6, 0), "defaults.ini 11.6.2, not 11.5.1", "message_size_limit"),
		of("live", since(12, 4, 0), "defaults.ini 12.4.0, not 12.3.0", "client_queue_max_size"),

		of("plugins", since(7, 0, 0), "defaults.ini 7.0.0, not 6.7.6", "allow_loading_unsigned_plugins"),
		of("plugins", since(8, 0, 0), "#34679; defaults.ini 8.0.0, not 7.5.17", "plugin_admin_enabled"),
		of("plugins", since(10, 3, 0), "defaults.ini 10.3.1, not 9.4.0",
			"disable_plugins", "public_key_retrieval_disabled", "public_key_retrieval_on_startup"),
		of("plugins", since(11, 3, 0), "#94221 (changelog 11.3.0); defaults.ini 11.5.1", "preinstall", "preinstall_disabled"),
		of("plugins", since(12, 1, 0), "#105292; defaults.ini 12.3.0, not 11.6.2", "preinstall_sync"),

		of("rendering", since(9, 1, 2), "defaults.ini 9.1.2; also 8.3.11, 8.4.11, 8.5.11 and 9.0.8 of the older branches",
			"renderer_token"),
		of("rendering", since(7, 0, 0), "defaults.ini 7.0.0, not 6.7.6", "concurrent_render_request_limit"),
		of("rendering", since(9, 3, 0), "defaults.ini 9.3.0, not 9.2.8", "render_key_lifetime"),

		of("security", since(8, 3, 0), "defaults.ini 8.3.0, not 8.2.7", "encryption_provider"),

		of("server", since(7, 4, 0), "defaults.ini 7.4.0, not 7.3.10", "cdn_url"),
		of("server", since(7, 5, 0), "defaults.ini 7.5.0, not 7.4.5", "read_timeout"),
		of("server", since(10, 3, 0), "defaults.ini 10.3.1, not 9.4.0", "min_tls_version"),
		of("server", since(11, 0, 0), "#83589, merged March 2024; defaults.ini 11.5.1, not 10.3.1", "certs_watch_interval"),

		of("analytics", since(8, 5, 0), "defaults.ini 8.5.0, not 8.4.11", "check_for_plugin_updates"),

		of("auth", until(9, 0, 0), "pkg/setting/setting.go 8.5.15, not 9.0.0; in defaults.ini up to 7.1.5",
			"login_maximum_inactive_lifetime_days", "login_maximum_lifetime_days"),
		of("auth", since(7, 2, 0), "defaults.ini 7.2.0, not 7.1.5",
			"login_maximum_inactive_lifetime_duration", "login_maximum_lifetime_duration"),

		section("sso_settings", since(11, 0, 0), "defaults.ini 11.5.1, not 10.3.1; #86913 (changelog 11.1.0)"),
	)
}

// span is from which version on, and up to which, something exists.
type span struct{ since, until Version }

func since(major, minor, patch uint64) span { return span{since: release(major, minor, patch)} }

func until(major, minor, patch uint64) span { return span{until: release(major, minor, patch)} }

func section(name string, s span, source string) []fact {
	return []fact{{Kind: aSection, Section: name, Since: s.since, Until: s.until, Source: source}}
}

// of are keys of a section that came, or went, together.
func of(section string, s span, source string, names ...string) []fact {
	all := make([]fact, len(names))
	for i, name := range names {
		all[i] = fact{Kind: aKey, Section: section, Name: name, Since: s.since, Until: s.until, Source: source}
	}
	return all
}

func steps() []fact {
	return []fact{
		{Kind: aStep, Name: "envelope encryption", Since: release(9, 0, 0), Source: "upgrade guide v9.0, #51069",
			Text: "9.0 writes secrets that older nodes cannot read"},
		{Kind: aStep, Name: "alerting schema", Since: release(9, 4, 0), Source: "upgrade guide v9.4: not backward compatible, do not downgrade",
			Text: "9.4 changes the alerting schema; its guide says not to downgrade"},
		{Kind: aStep, Name: "access control", Since: release(10, 0, 0), Source: "upgrade guide v10.0: only after a downgrade with RBAC disabled",
			Text: "10.0 always uses RBAC; permissions drift apart after a downgrade that disables it"},
		{Kind: aStep, Name: legacyRemoved, Since: release(11, 0, 0), Source: "changelog 11.0.0-preview",
			Text: "11.0 has no legacy alerting; alerts that were not migrated are gone"},
		{Kind: aStep, Name: "unified storage", Since: release(12, 4, 0),
			Source: "pkg/setting/setting_unified_storage.go 12.4.0 (mode 5, autoMigrationThreshold 10); #119199",
			Text:   "12.4 moves playlists to unified storage at start, and dashboards and folders where there are no more than 10"},
		{Kind: aStep, Name: "unified storage for all", Since: release(13, 0, 0),
			Source: "#122993, #124030, #118680 (renamed tables), #117251 (locks)",
			Text:   "13.0 moves all dashboards and folders to unified storage at start and renames tables that older nodes use" + onMySQL},
	}
}
