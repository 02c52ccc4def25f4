package settings

import (
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// Settings are the values that the server acts on.
type Settings struct {
	InstanceName string
	Server       Server
	Database     Database
	Security     Security
	Auth         Auth
	Alerting     Alerting
	Live         Live
	Paths        Paths
	Metrics      Metrics
	Log          Log
	HideVersion  bool
	Toggles      map[string]bool
	Environment  map[string]string
	Unsigned     []string
}

// Server is [server].
type Server struct {
	Protocol, Addr, Domain, RootURL, SubPath string
	Port                                     string
	EnforceDomain, ServeFromSubPath          bool
	CertFile, CertKey, Socket                string
	ReadTimeout                              time.Duration
}

// Database is [database].
type Database struct {
	Type, Host, Name, User, Password, URL, ConnectionString string
	SSLMode, CACert, ClientCert, ClientKey, ServerName      string
	Isolation                                               string
	MaxOpen, MaxIdle, LifetimeSeconds                       int
	// Locking is whether migrations take the lock; LockTimeout is in seconds, MySQL only.
	Locking        bool
	LockTimeout    int
	SkipMigrations bool
}

// Security is [security].
type Security struct {
	SecretKey, AdminUser, AdminPassword, AdminEmail string
	NoAdmin, CookieSecure                           bool
	SameSite                                        string
}

// Auth is [auth].
type Auth struct {
	CookieName               string
	Rotation                 time.Duration
	MaxInactive, MaxLifetime time.Duration
}

// Alerting is [unified_alerting].
type Alerting struct {
	Enabled, Execute                      bool
	Listen, Advertise, Label              string
	Peers                                 []string
	PeerTimeout, Gossip, PushPull         time.Duration
	ReconnectTimeout, ConfigPoll          time.Duration
	RedisAddress, RedisUser, RedisPass    string
	RedisPrefix, RedisPeer                string
	RedisDB, RedisConns                   int
	RedisCluster                          bool
	SentinelMaster, SentinelUser          string
	SentinelPassword                      string
	RedisTLS, RedisTLSInsecure            bool
	RedisTLSCA, RedisTLSCert, RedisTLSKey string
	RedisTLSName                          string
}

// Live is [live].
type Live struct {
	Max                               int
	Engine, Address, Password, Prefix string
	Origins                           []string
}

// Paths is [paths], absolute.
type Paths struct{ Data, Logs, Plugins, Provisioning string }

// Metrics is [metrics].
type Metrics struct {
	Enabled        bool
	User, Password string
}

// Log is [log].
type Log struct{ Mode, Level string }

// Settings picks the values out of the file. Home makes paths absolute.
func (f *File) Settings(home string) (*Settings, error) {
	r := &reader{f: f}
	s := &Settings{
		InstanceName: r.str("DEFAULT", "instance_name"),
		Server:       r.server(),
		Database:     r.database(),
		Security: Security{
			SecretKey: r.str("security", "secret_key"), AdminUser: r.str("security", "admin_user"),
			AdminPassword: r.str("security", "admin_password"), AdminEmail: r.or("security", "admin_email", "admin@localhost"),
			NoAdmin: r.boolean("security", "disable_initial_admin_creation", false), CookieSecure: r.boolean("security", "cookie_secure", false),
			SameSite: r.or("security", "cookie_samesite", "lax"),
		},
		Auth: Auth{
			CookieName:  r.or("auth", "login_cookie_name", "grafana_session"),
			Rotation:    time.Duration(r.number("auth", "token_rotation_interval_minutes", 10)) * time.Minute,
			MaxInactive: r.lifetime("login_maximum_inactive_lifetime", 7), MaxLifetime: r.lifetime("login_maximum_lifetime", 30),
		},
		Alerting: r.alerting(),
		Live: Live{
			Max: r.number("live", "max_connections", 100), Engine: r.str("live", "ha_engine"), Address: r.str("live", "ha_engine_address"),
			Password: r.str("live", "ha_engine_password"), Prefix: r.str("live", "ha_prefix"), Origins: list(r.str("live", "allowed_origins")),
		},
		Paths: Paths{
			Data: absolute(home, r.str("paths", "data")), Logs: absolute(home, r.str("paths", "logs")),
			Plugins: absolute(home, r.str("paths", "plugins")), Provisioning: absolute(home, r.str("paths", "provisioning")),
		},
		Metrics:     Metrics{Enabled: r.boolean("metrics", "enabled", true), User: r.str("metrics", "basic_auth_username"), Password: r.str("metrics", "basic_auth_password")},
		Log:         Log{Mode: r.or("log", "mode", "console file"), Level: r.or("log", "level", "info")},
		HideVersion: r.boolean("auth.anonymous", "hide_version", false),
		Toggles:     f.toggles(),
		Environment: f.Keys("metrics.environment_info"),
		Unsigned:    list(r.str("plugins", "allow_loading_unsigned_plugins")),
	}
	if f.Knows("database", "migration_locking") {
		s.Database.Locking = r.boolean("database", "migration_locking", true)
	} else if f.Knows("database", "locking_attempt_timeout_sec") {
		s.Database.Locking = s.Toggles["migrationLocking"]
	}
	return s, errors.Join(r.errs...)
}

func (r *reader) server() Server {
	s := Server{
		Protocol: r.or("server", "protocol", "http"), Addr: r.str("server", "http_addr"), Port: r.or("server", "http_port", "3000"),
		Domain: r.str("server", "domain"), RootURL: r.or("server", "root_url", "http://localhost:3000/"),
		EnforceDomain: r.boolean("server", "enforce_domain", false), ServeFromSubPath: r.boolean("server", "serve_from_sub_path", false),
		CertFile: r.str("server", "cert_file"), CertKey: r.str("server", "cert_key"), Socket: r.str("server", "socket"),
	}
	s.ReadTimeout = r.duration("server", "read_timeout", 0)
	u, err := url.Parse(s.RootURL)
	if err != nil {
		r.errs = append(r.errs, fmt.Errorf("invalid root_url: %w", err))
		return s
	}
	s.SubPath = strings.TrimSuffix(u.Path, "/")
	return s
}

func (r *reader) database() Database {
	return Database{
		Type: r.str("database", "type"), Host: r.str("database", "host"), Name: r.str("database", "name"), User: r.str("database", "user"),
		Password: r.str("database", "password"), URL: r.str("database", "url"), ConnectionString: r.str("database", "connection_string"),
		SSLMode: r.str("database", "ssl_mode"), CACert: r.str("database", "ca_cert_path"), ClientCert: r.str("database", "client_cert_path"),
		ClientKey: r.str("database", "client_key_path"), ServerName: r.str("database", "server_cert_name"), Isolation: r.str("database", "isolation_level"),
		MaxOpen: r.number("database", "max_open_conn", 0), MaxIdle: r.number("database", "max_idle_conn", 2),
		LifetimeSeconds: r.number("database", "conn_max_lifetime", 14400),
		LockTimeout:     r.number("database", "locking_attempt_timeout_sec", 0), SkipMigrations: r.boolean("database", "skip_migrations", false),
	}
}

func (r *reader) alerting() Alerting {
	const ua = "unified_alerting"
	a := Alerting{
		Enabled: r.f.Knows(ua, "enabled") && r.boolean(ua, "enabled", true), Execute: r.boolean(ua, "execute_alerts", true),
		Listen: r.or(ua, "ha_listen_address", "0.0.0.0:9094"), Advertise: r.str(ua, "ha_advertise_address"), Label: r.str(ua, "ha_label"),
		Peers: list(r.str(ua, "ha_peers")), PeerTimeout: r.duration(ua, "ha_peer_timeout", 15*time.Second),
		Gossip: r.duration(ua, "ha_gossip_interval", 200*time.Millisecond), PushPull: r.duration(ua, "ha_push_pull_interval", time.Minute),
		ReconnectTimeout: r.duration(ua, "ha_reconnect_timeout", 6*time.Hour), ConfigPoll: r.duration(ua, "alertmanager_config_poll_interval", time.Minute),
		RedisAddress: r.str(ua, "ha_redis_address"), RedisUser: r.str(ua, "ha_redis_username"), RedisPass: r.str(ua, "ha_redis_password"),
		RedisPrefix: r.str(ua, "ha_redis_prefix"), RedisPeer: r.str(ua, "ha_redis_peer_name"), RedisDB: r.number(ua, "ha_redis_db", 0),
		RedisConns: r.number(ua, "ha_redis_max_conns", 5), RedisCluster: r.boolean(ua, "ha_redis_cluster_mode_enabled", false),
		SentinelUser: r.str(ua, "ha_redis_sentinel_username"), SentinelPassword: r.str(ua, "ha_redis_sentinel_password"),
		RedisTLS: r.boolean(ua, "ha_redis_tls_enabled", false), RedisTLSInsecure: r.boolean(ua, "ha_redis_tls_insecure_skip_verify", false),
		RedisTLSCA: r.str(ua, "ha_redis_tls_ca_path"), RedisTLSCert: r.str(ua, "ha_redis_tls_cert_path"),
		RedisTLSKey: r.str(ua, "ha_redis_tls_key_path"), RedisTLSName: r.str(ua, "ha_redis_tls_server_name"),
	}
	if r.boolean(ua, "ha_redis_sentinel_mode_enabled", false) {
		a.SentinelMaster = r.str(ua, "ha_redis_sentinel_master_name")
		switch {
		case a.RedisCluster:
			r.errs = append(r.errs, errors.New("'ha_redis_cluster_mode_enabled' and 'ha_redis_sentinel_mode_enabled' are mutually exclusive"))
		case a.SentinelMaster == "":
			r.errs = append(r.errs, errors.New("'ha_redis_sentinel_master_name' is required when 'ha_redis_sentinel_mode_enabled' is true"))
		}
	}
	if a.Enabled && r.f.Knows("alerting", "enabled") && r.boolean("alerting", "enabled", false) && r.str(ua, "enabled") != "" {
		r.errs = append(r.errs, errors.New("failed to read unified alerting enabled setting: legacy and unified alerting cannot both be enabled at the same time, please disable one of them and restart Grafana"))
	}
	return a
}

// toggles are [feature_toggles]: a list under enable, and key = true.
func (f *File) toggles() map[string]bool {
	out := map[string]bool{}
	for key, value := range f.Keys("feature_toggles") {
		if key == "enable" {
			for _, t := range strings.FieldsFunc(value, func(r rune) bool { return r == ',' || r == ' ' }) {
				out[t] = true
			}
			continue
		}
		if on, err := strconv.ParseBool(value); err == nil {
			out[key] = on
		}
	}
	return out
}

func absolute(home, path string) string {
	if filepath.IsAbs(path) {
		return path
	}
	return filepath.Join(home, path)
}

func list(s string) []string {
	var out []string
	for part := range strings.SplitSeq(s, ",") {
		if part = strings.TrimSpace(part); part != "" {
			out = append(out, part)
		}
	}
	return out
}
