package grafana

// kind is what a row of the version table is about.
type kind string

const (
	aKey      kind = "key"
	aSection  kind = "section"
	aToggle   kind = "toggle"
	aMetric   kind = "metric"
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
	secondPool       = "a second pool of database connections, of unified storage"
	secondPoolBound  = "max_open_conn for both pools of database connections"
)

// facts is all that this package knows of versions. Where a change was merged
// between two minor releases and no source says which one carried it, the later
// one stands here: an error too early is better than a key that Grafana ignores
// without a word. [Node.Defaults] settles such cases for the very release.
//
// Sources: "defaults.ini V" is conf/defaults.ini of that release, "#N" is
// github.com/grafana/grafana issue or pull request N.
func facts() []fact {
	return []fact{
		{Kind: anAbility, Name: fileExpander, Since: release(7, 1, 0), Source: "#25075, docs: only available in Grafana 7.1+"},
		{Kind: anAbility, Name: grafanaBinary, Since: release(9, 4, 0), Source: "archives of 9.4.0 and 10.3.1"},
		{Kind: anAbility, Name: unifiedAlerting, Since: release(8, 2, 0), Source: "#37920, backport #39342"},
		{Kind: anAbility, Name: legacyAlerting, Until: release(11, 0, 0), Source: "docs: legacy alerting deprecation"},
		{Kind: anAbility, Name: liveURL, Since: release(13, 3, 0), Source: "#129938"},
		{Kind: anAbility, Name: cacheUsername, Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},
		{Kind: anAbility, Name: cleanSIGTERM, Since: release(7, 0, 0), Source: "#23309"},
		{Kind: anAbility, Name: doubleConnection, Since: release(11, 3, 0), Until: release(12, 2, 0),
			Source: "pkg/storage/unified/sql/db/dbimpl: quotes the DSN values itself, core does not"},
		{Kind: anAbility, Name: secondPool, Since: release(11, 3, 0), Source: "pkg/storage/unified/sql/db/dbimpl 11.5.1, 11.6.2, 12.3.0, 12.4.0; metrics of 11.6.2 and 12.4.0"},
		{Kind: anAbility, Name: secondPoolBound, Since: release(12, 3, 0), Source: "dbimpl/db_engine.go: SetMaxOpenConns in 12.3.0 and 12.4.0, not in 11.5.1 and 11.6.2"},

		{Kind: aToggle, Name: "migrationLocking", Since: release(8, 4, 0), Until: release(11, 0, 0), Source: "#44101, #84983"},
		{Kind: aKey, Section: "database", Name: "migration_locking", Since: release(11, 0, 0), Source: "#84983"},
		{Kind: aKey, Section: "database", Name: "locking_attempt_timeout_sec", Since: release(8, 4, 0), Source: "#44101"},
		{Kind: aKey, Section: "database", Name: "isolation_level", Since: release(7, 5, 6), Source: "release notes 7.5.6, #33830"},
		{Kind: aKey, Section: "database", Name: "transaction_retries", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "database", Name: "query_retries", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "database", Name: "wal", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "database", Name: "instrument_queries", Since: release(10, 3, 0), Source: "defaults.ini 10.3"},
		{Kind: aKey, Section: "database", Name: "high_availability", Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},
		{Kind: aKey, Section: "database", Name: "ssl_sni", Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},
		{Kind: aKey, Section: "database", Name: "delete_auto_gen_ids", Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},
		{Kind: aSection, Section: "unified_storage", Since: release(11, 2, 0), Source: "#122993, docs v11.2"},
		{Kind: aKey, Section: "unified_storage", Name: "migration_locking", Since: release(13, 2, 0), Source: "#131361"},

		{Kind: aKey, Section: "remote_cache", Name: "prefix", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "remote_cache", Name: "encryption", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},

		{Kind: aSection, Section: "alerting", Until: release(11, 0, 0), Source: "docs: legacy alerting deprecation"},
		{Kind: aSection, Section: "unified_alerting", Since: release(8, 2, 0), Source: "#37920, backport #39342"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_label", Since: release(10, 1, 0), Source: "defaults.ini 10.3, docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_address", Since: release(10, 1, 0), Source: "#74144, docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_username", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_password", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_db", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_prefix", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_peer_name", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_max_conns", Since: release(10, 1, 0), Source: "docs v10.1 (#77747)"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_enabled", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_cert_path", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_key_path", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_ca_path", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_server_name", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_insecure_skip_verify", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_cipher_suites", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_tls_min_version", Since: release(11, 1, 0), Source: "#87567"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_cluster_mode_enabled", Since: release(11, 1, 0), Source: "#88696"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_reconnect_timeout", Since: release(11, 2, 0), Source: "#88823"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_sentinel_mode_enabled", Since: release(12, 1, 0), Source: "#106322"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_sentinel_master_name", Since: release(12, 1, 0), Source: "#106322"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_sentinel_username", Since: release(12, 1, 0), Source: "#106322"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_redis_sentinel_password", Since: release(12, 1, 0), Source: "#106322"},
		{Kind: aKey, Section: "unified_alerting", Name: "ha_single_node_evaluation", Since: release(13, 0, 0), Source: "#118527, #124004"},

		{Kind: aSection, Section: "live", Since: release(8, 0, 0), Source: "docs v8.0"},
		{Kind: aKey, Section: "live", Name: "allowed_origins", Since: release(8, 1, 0), Source: "docs v8.1"},
		{Kind: aKey, Section: "live", Name: "ha_engine", Since: release(8, 1, 0), Source: "#36787, #37241"},
		{Kind: aKey, Section: "live", Name: "ha_engine_address", Since: release(8, 1, 0), Source: "#36787, #37241"},
		{Kind: aKey, Section: "live", Name: "ha_engine_password", Since: release(10, 3, 0), Source: "#76289, defaults.ini 10.3"},
		{Kind: aKey, Section: "live", Name: "ha_prefix", Since: release(11, 3, 0), Source: "#93759"},
		{Kind: aKey, Section: "live", Name: "message_size_limit", Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},
		{Kind: aKey, Section: "live", Name: "client_queue_max_size", Since: release(12, 4, 0), Source: "defaults.ini ~12.4"},

		{Kind: aSection, Section: "plugins", Since: release(6, 5, 0), Source: "defaults.ini 6.5"},
		{Kind: aKey, Section: "plugins", Name: "allow_loading_unsigned_plugins", Since: release(7, 0, 0), Source: "docs v7.0 plugin signatures"},
		{Kind: aKey, Section: "plugins", Name: "plugin_admin_enabled", Since: release(8, 0, 0), Source: "docs v8.0, #34679"},
		{Kind: aKey, Section: "plugins", Name: "disable_plugins", Since: release(10, 3, 0), Source: "defaults.ini 10.3"},
		{Kind: aKey, Section: "plugins", Name: "public_key_retrieval_disabled", Since: release(10, 3, 0), Source: "defaults.ini 10.3"},
		{Kind: aKey, Section: "plugins", Name: "public_key_retrieval_on_startup", Since: release(10, 3, 0), Source: "defaults.ini 10.3"},
		{Kind: aKey, Section: "plugins", Name: "preinstall", Since: release(11, 3, 0), Source: "#94221"},
		{Kind: aKey, Section: "plugins", Name: "preinstall_disabled", Since: release(11, 3, 0), Source: "#94221, #102986"},
		{Kind: aKey, Section: "plugins", Name: "preinstall_sync", Since: release(12, 1, 0), Source: "#105292"},

		{Kind: aKey, Section: "rendering", Name: "renderer_token", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "rendering", Name: "concurrent_render_request_limit", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "rendering", Name: "render_key_lifetime", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "security", Name: "encryption_provider", Since: release(8, 3, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "server", Name: "cdn_url", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "server", Name: "read_timeout", Since: release(9, 4, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "server", Name: "min_tls_version", Since: release(10, 3, 0), Source: "defaults.ini 10.3"},
		{Kind: aKey, Section: "server", Name: "certs_watch_interval", Since: release(11, 0, 0), Source: "defaults.ini ~12.4"},
		{Kind: aKey, Section: "analytics", Name: "check_for_plugin_updates", Since: release(9, 0, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "auth", Name: "login_maximum_inactive_lifetime_days", Until: release(8, 0, 0), Source: "defaults.ini 6.5, 9.4"},
		{Kind: aKey, Section: "auth", Name: "login_maximum_lifetime_days", Until: release(8, 0, 0), Source: "defaults.ini 6.5, 9.4"},
		{Kind: aKey, Section: "auth", Name: "login_maximum_inactive_lifetime_duration", Since: release(7, 0, 0), Source: "defaults.ini 9.4"},
		{Kind: aKey, Section: "auth", Name: "login_maximum_lifetime_duration", Since: release(7, 0, 0), Source: "defaults.ini 9.4"},
		{Kind: aSection, Section: "sso_settings", Since: release(11, 0, 0), Source: "defaults.ini ~12.4"},

		{Kind: aMetric, Name: "alertmanager_cluster_members", Since: release(8, 2, 0), Source: "#37920"},
		{Kind: aMetric, Name: "grafana_live_node_num_nodes", Since: release(8, 1, 0), Source: "#36787"},
		{Kind: aMetric, Name: "grafana_build_info", Since: release(6, 5, 0), Source: "pkg/infra/metrics"},
		{Kind: aMetric, Name: "grafana_plugin_build_info", Since: release(8, 0, 0), Source: "pkg/infra/metrics 9.4"},

		{Kind: aStep, Name: "envelope encryption", Since: release(9, 0, 0), Source: "upgrade guide v9.0, #51069",
			Text: "9.0 writes secrets that older nodes cannot read"},
		{Kind: aStep, Name: "alerting schema", Since: release(9, 4, 0), Source: "upgrade guide v9.4",
			Text: "9.4 changes the alerting schema; its guide says not to downgrade"},
		{Kind: aStep, Name: "access control", Since: release(10, 0, 0), Source: "upgrade guide v10.0",
			Text: "10.0 always uses RBAC; permissions drift apart after a downgrade"},
		{Kind: aStep, Name: "legacy alerting removed", Since: release(11, 0, 0), Source: "docs: legacy alerting deprecation",
			Text: "11.0 has no legacy alerting; alerts that were not migrated are gone"},
		{Kind: aStep, Name: "unified storage", Since: release(12, 4, 0), Source: "#119199, #123616",
			Text: "12.4 moves dashboards and folders to unified storage at start; MySQL users need LOCK TABLES"},
		{Kind: aStep, Name: "unified storage for all", Since: release(13, 0, 0), Source: "#122993, #124030",
			Text: "13.0 moves folders, dashboards and playlists to unified storage at start; MySQL users need LOCK TABLES"},
	}
}
