package inventory

import "time"

// Cluster is one inventory file, complete: defaults filled in, groups and
// ranges resolved, references read, relative paths made absolute.
type Cluster struct {
	// Name names the lock, the alerting label and the Redis prefixes.
	Name string
	// File is the path of the inventory as the operator gave it; Dir is the
	// absolute folder that relative paths in it are relative to.
	File, Dir string
	// Extends are the files that the inventory extends, the nearest first; relative ones are
	// relative to what File is relative to.
	Extends []string
	// Hosts runs Grafana, in file order (ranges expanded in place).
	Hosts []*Host
	// Groups in file order, which is also their order of precedence.
	Groups       []*Group
	Grafana      Grafana
	Database     Database
	RemoteCache  RemoteCache
	Alerting     Alerting
	Live         Live
	LoadBalancer LoadBalancer
	Rollout      Rollout
	Hooks        Hooks
	Notify       []Notification
	Paths        Paths
	// KeepReleases is how many generations stay on a host besides what is
	// current, previous or running; default 3.
	KeepReleases int
	// References is how many different references to secrets the inventory has, read or not.
	References int
	// Warnings are what Load found questionable but not wrong (a literal
	// secret, for example).
	Warnings Diagnostics
	// Unresolved: references were not read (see [Options.Resolve]), and placeholders
	// stand for them.
	Unresolved bool

	// place and finish know the text of the file, which holds its literal secrets:
	// as functions no verb of fmt prints them.
	place  func(path []string) Position
	finish func(Diagnostics) Diagnostics
}

// Host looks a host up by name; nil when there is none.
func (c *Cluster) Host(name string) *Host {
	for _, h := range c.Hosts {
		if h.Name == name {
			return h
		}
	}
	return nil
}

// Host is one server. All that groups and the cluster say about it is merged
// in already: cluster < groups in file order < host.
type Host struct {
	Name    string
	Address string // host name or IP; the name when none was given
	Labels  map[string]string
	Groups  []string // names, in file order
	SSH     SSH
	// Config is what belongs in this host's grafana.ini beyond what ghadeploy
	// writes itself: cluster, group and host values merged key by key.
	Config Config
	// Env is the environment of the Grafana process on this host.
	Env map[string]Value
	// Pos is where the host stands in the file.
	Pos Position
}

// Group is a named set of hosts with overrides.
type Group struct {
	Name  string
	Hosts []string // expanded, in file order
}

// SSH says how a host is reached. Empty values fall back to ~/.ssh/config and
// then to the defaults of OpenSSH.
type SSH struct {
	User          string
	Port          int
	IdentityFiles []string // absolute
	Password      Secret
	KnownHosts    []string // absolute; empty means ~/.ssh/known_hosts
	// AcceptNew is host_keys: accept-new; otherwise an unknown key is refused.
	AcceptNew bool
	// Fingerprint pins the host's key ("SHA256:..."); it replaces known_hosts.
	Fingerprint string
	// LegacyAlgorithms offers SHA-1 to old sshds, as the last choice.
	LegacyAlgorithms bool
	ProxyJump        []string // user@host:port, outermost first; empty: as ~/.ssh/config says
	// ProxyCommand runs here and is the connection; "none" overrides ~/.ssh/config.
	ProxyCommand   string
	ConnectTimeout time.Duration
	Become         Become
}

// Become says how the login user becomes root.
type Become struct {
	Method   string // "sudo", "doas" or "none"; default sudo (unused when the login user is root)
	Password Secret
}

// Grafana is what runs on the hosts.
type Grafana struct {
	Version  string // as written, without a leading v
	Artifact Artifact
	RootURL  string
	// SecretKey signs sessions and encrypts data source secrets; the same on
	// every host.
	SecretKey Secret
	Admin     Admin
	// Config of the cluster alone; hosts carry the merged one.
	Config Config
	// Env of the cluster alone; hosts carry the merged one.
	Env          map[string]Value
	Plugins      []Plugin
	Provisioning string // absolute folder, or empty
	LDAP         string // absolute path of an ldap.toml, or empty
	TLS          HTTPTLS
	Renderer     Renderer
	// Files are further local files shipped to etc/: relative name to source.
	Files map[string]string
}

// Artifact is where a release comes from.
type Artifact struct {
	// Source is a path or URL; {version}, {arch} and {os} are filled in per host.
	Source string
	// SHA256 by architecture ("amd64"); under "" when one was given for all.
	SHA256   map[string]string
	Delivery string // "push" or "pull"
}

// Admin is Grafana's first administrator.
type Admin struct {
	User     string
	Password Secret
}

// Plugin is a plugin archive that every host gets.
type Plugin struct {
	ID, Version, Source, SHA256 string
	Unsigned                    bool // allow_loading_unsigned_plugins
}

// HTTPTLS makes Grafana serve HTTPS itself. Paths are local and absolute.
type HTTPTLS struct {
	Cert, Key string
}

// Renderer is a remote image renderer.
type Renderer struct {
	ServerURL, CallbackURL string
	Token                  Secret
}

// Database is the one that all hosts share.
type Database struct {
	Type     string // "postgres", "mysql" or "sqlite3"
	Host     string // host:port, the port filled in
	Name     string
	User     string
	Password Secret
	SSLMode  string
	// CACert, ClientCert and ClientKey are local files, absolute.
	CACert, ClientCert, ClientKey string
	ServerName                    string
	// MaxOpenConn is per host; 0: no limit, Grafana's own default.
	MaxOpenConn int
	// MaxIdleConn is per host; 0: Grafana's own default, 2.
	MaxIdleConn     int
	ConnMaxLifetime int // seconds; 0: as Grafana's default
	Create          *Credentials
	Backup          Backup
	// Rehearsal is an empty database on the same server that upgrades are rehearsed in;
	// empty: one that Create makes and drops.
	Rehearsal string
}

// Credentials of a database administrator.
type Credentials struct {
	User     string
	Password Secret
}

// Backup says how the database is dumped before a version change.
type Backup struct {
	On      string // host name, or "operator": this machine; empty: the first host that has the tools, or else this machine
	Keep    int    // dumps kept; default 5
	Command string // replaces the built-in dump
	Dir     string // on the host; default /var/lib/ghadeploy/backups
}

// RemoteCache is Grafana's [remote_cache].
type RemoteCache struct {
	Type  string // "database" or "redis"; empty: Grafana's default
	Redis Redis
}

// Alerting says how the Alertmanagers find each other.
type Alerting struct {
	HA    string // "gossip", "redis" or "none"
	Port  int    // gossip, TCP and UDP; default 9094
	Redis Redis
	// Legacy turns on the alerting of Grafana before 9 instead of unified.
	Legacy bool
	// Label separates clusters that share a network; default the cluster's name.
	Label string
	// Durations as Grafana writes them ("15s"); empty: Grafana's default.
	PeerTimeout, GossipInterval, PushPullInterval, ReconnectTimeout string
	SingleNodeEvaluation                                            bool
	// GroupInterval is the longest of the notification policies, read from Grafana's
	// database with GroupIntervalAuto: no host is stopped while a resolution may still
	// have to be told. 0: not waited for.
	GroupInterval     time.Duration
	GroupIntervalAuto bool
}

// Live is Grafana Live over several hosts.
type Live struct {
	Redis          Redis // unset Address: Live stays on each host alone
	MaxConnections int
	AllowedOrigins []string
}

// Redis is one Redis endpoint.
type Redis struct {
	Address  string // host:port; a comma-separated list for Cluster and Sentinel
	Username string
	Password Secret
	DB       int
	Prefix   string // default from the cluster's name
	TLS      *RedisTLS
	Cluster  bool
	Sentinel *Sentinel
	MaxConns int
}

// RedisTLS turns TLS on. Paths are local and absolute.
type RedisTLS struct {
	CACert, Cert, Key, ServerName, MinVersion string
	InsecureSkipVerify                        bool
}

// Sentinel finds the Redis master.
type Sentinel struct {
	Master   string
	Username string
	Password Secret
}

// LoadBalancer stands before the hosts.
type LoadBalancer struct {
	Type    string // "haproxy", "nginx", "command" or "none"
	Hosts   []*Host
	Backend string // HAProxy backend or nginx upstream; default "grafana"
	Manage  bool
	Socket  string // HAProxy stats socket: path, or host:port; default: found in haproxy.cfg
	Config  string // configuration file on the balancer; default by type
	// URL reaches Grafana through the balancer; default grafana.root_url.
	URL string
	// Drain, Undrain and Status are commands of type "command", run on the
	// operator's machine with GHADEPLOY_HOST, _ADDRESS and _PORT set.
	Drain, Undrain, Status string
	// CheckInterval is the balancer's own health check interval times its
	// "fall" count: how long type "none" waits after a stop is announced.
	CheckInterval time.Duration
}

// Rollout says how changes reach the hosts.
type Rollout struct {
	// Batch are the sizes of the batches, the last one repeated: "1", "25%".
	Batch []string
	// BatchLabel groups hosts by a label's value instead.
	BatchLabel     string
	MaxUnavailable string // a number or percentage; a hard cap; default "1"
	Canary         bool
	// PauseAfter stops for a confirmation after so many hosts; 0: never.
	PauseAfter int
	Bake       time.Duration // how long the canary is watched
	Drain      time.Duration // longest wait for in-flight requests; default 10s
	// Settle is the pause between turns; SettleAuto waits as long as alerting needs.
	Settle       time.Duration
	SettleAuto   bool
	GateTimeout  time.Duration // deadline of each gate; default 2m
	StartTimeout time.Duration // deadline of a start, migrations included; default 30m
	OnFailure    string        // "rollback", "stop" or "continue"
	// Major is how an upgrade goes that old and new must not serve side by side for:
	// "handover", "one-first", or "auto", which decides by what was measured.
	Major string
	// Rehearse says whether upgrades are rehearsed on a copy first: "always", "never", or
	// "auto", where a major version or a one-way step is crossed.
	Rehearse string
}

// Hooks are local commands; paths are absolute. Each gets JSON on stdin.
type Hooks struct {
	BeforeRun, AfterRun, BeforeHost, AfterHost, OnFailure, OnRollback string
}

// Notification is told how a run ended.
type Notification struct {
	Type string // "webhook", "slack" or "annotation"
	URL  Secret
	On   []string // "start", "success", "failure"; empty: all
}

// Paths on a host.
type Paths struct {
	Root    string // default /opt/grafana
	Data    string // default /var/lib/grafana
	Logs    string // default /var/log/grafana
	Etc     string // link to the current etc; default /etc/grafana
	State   string // default /var/lib/ghadeploy
	Service string // systemd unit name without suffix; default grafana-server
	User    string // system user; default grafana
	Group   string // system group that Grafana runs with; empty: the user's primary group
}
