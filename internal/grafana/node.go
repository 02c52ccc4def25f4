package grafana

import "slices"

// Node is all that the grafana.ini of one host is rendered from. What may
// differ from host to host is in PerNode; everything else is the same on all,
// byte for byte.
type Node struct {
	Version  Version
	PerNode  PerNode
	HTTP     HTTP
	Security Security
	Database Database
	Cache    RemoteCache
	Alerting Alerting
	Live     Live
	Paths    Paths
	Renderer Renderer
	// UnsignedPlugins are the ids that may load without a signature.
	UnsignedPlugins []string
	// Extra is what the operator wrote under config:, over all of the above;
	// sections and keys in the operator's order.
	Extra []Section
	// SecretDir is the folder on the host that $__file{} points into,
	// "/opt/grafana/current/etc/secrets". Used where the version has $__file{}.
	SecretDir string
	// Defaults is conf/defaults.ini of the very release, from its archive. With
	// it, whether a key is known is not a matter of the version table alone, and
	// an empty value under config: can be judged. Optional.
	Defaults []byte
	// Fingerprint stands for a secret in [Rendered.Shown]; the caller owns the
	// key that makes it useless to guess from. nil shows "<secret>".
	Fingerprint func(secret string) string
	// Aside, where it is not nil, makes this a Grafana on the side.
	Aside *Aside
}

// Section is a [section] with its keys, in order.
type Section struct {
	Name string
	Keys []Key
}

// Key is one setting; a Secret one goes to a file of its own where the version can.
type Key struct {
	Name, Value string
	Secret      bool
}

// asks tells whether the operator wrote a key under config:.
func (n Node) asks(section, key string) bool {
	return slices.ContainsFunc(n.Extra, func(s Section) bool {
		return s.Name == section && slices.ContainsFunc(s.Keys, func(k Key) bool { return k.Name == key })
	})
}

// PerNode is what differs between hosts.
type PerNode struct {
	InstanceName string
	// Address is the IP that the other hosts reach this one at.
	Address string
	// RedisPeerName is ha_redis_peer_name: stable and unique.
	RedisPeerName string
}

// HTTP is [server].
type HTTP struct {
	Protocol, Addr    string // Addr empty: all addresses
	Port              int
	Domain, RootURL   string
	ServeFromSubPath  bool
	CertFile, KeyFile string // on the host
}

// Security is [security], with the cookies.
type Security struct {
	SecretKey                string
	AdminUser, AdminPassword string
	CookieSecure             bool
}

// Database is [database]. Files are paths on the host.
type Database struct {
	Type, Host, Name, User, Password          string
	SSLMode, CACert, ClientCert, ClientKey    string
	ServerName                                string
	MaxOpenConn, MaxIdleConn, ConnMaxLifetime int
}

// RemoteCache is [remote_cache].
type RemoteCache struct {
	Type  string
	Redis Redis
}

// Mode is how the nodes' alerting is made one.
type Mode string

// The modes of alerting.
const (
	Gossip  Mode = "gossip"
	OnRedis Mode = "redis"
	Alone   Mode = "none"
)

// Alerting is [unified_alerting], or [alerting] when Legacy.
type Alerting struct {
	Mode                                                            Mode
	Legacy                                                          bool
	Port                                                            int
	Peers                                                           []string // host:port of every host, this one too, in inventory order
	Label                                                           string
	PeerTimeout, GossipInterval, PushPullInterval, ReconnectTimeout string
	SingleNodeEvaluation                                            bool
	Redis                                                           Redis
}

// Live is [live].
type Live struct {
	Redis          Redis // no Address: Live stays on the node
	MaxConnections int
	AllowedOrigins []string
}

// Redis is one Redis endpoint as Grafana's keys spell it. Files are paths on the host.
type Redis struct {
	Address, Username, Password string
	DB                          int
	Prefix                      string
	TLS                         bool
	CACert, Cert, Key           string
	ServerName, MinVersion      string
	InsecureSkipVerify          bool
	Cluster                     bool
	SentinelMaster              string
	SentinelUsername            string
	SentinelPassword            string
	MaxConns                    int
}

// Paths is [paths], on the host.
type Paths struct {
	Data, Logs, Plugins, Provisioning string
}

// Renderer is [rendering].
type Renderer struct {
	ServerURL, CallbackURL, Token string
}
