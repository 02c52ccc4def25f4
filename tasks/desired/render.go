package desired

import (
	"cmp"
	"maps"
	"net"
	"net/url"
	"path"
	"slices"
	"strconv"
	"strings"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/tasks/mask"
)

// where things of a generation lie on a host, below <root>/current.
const (
	EtcDir       = "etc"
	INIFile      = "etc/grafana.ini"
	UnitFile     = "unit"
	EnvFile      = "etc/environment"
	ldapFile     = "etc/ldap.toml"
	SecretsDir   = "etc/secrets"
	TLSDir       = "etc/tls"
	Provisioning = "etc/provisioning"
)

// Node translates what the operator wrote into what grafana.ini is made
// of. ips are the resolved addresses of all hosts by name: Grafana takes no
// host name as an advertise address (grafana/grafana#45060).
func Node(c *inventory.Cluster, h *inventory.Host, v grafana.Version, ips map[string]string, defaults []byte) grafana.Node {
	return nodeBelow(c, h, v, ips, defaults, path.Join(c.Paths.Root, "current"))
}

// nodeBelow is Node with its files below another folder than that of the current generation.
func nodeBelow(c *inventory.Cluster, h *inventory.Host, v grafana.Version, ips map[string]string, defaults []byte, current string) grafana.Node {
	l := Listens(h)
	subPath, _ := h.Config.Get("server", "serve_from_sub_path")
	n := grafana.Node{
		Version: v,
		PerNode: grafana.PerNode{InstanceName: h.Name, Address: ips[h.Name], RedisPeerName: c.Name + "-" + h.Name},
		HTTP: grafana.HTTP{
			Protocol: l.Protocol, Port: l.Port, RootURL: c.Grafana.RootURL, Domain: domain(c.Grafana.RootURL),
			ServeFromSubPath: subPath.Reveal() == "true",
		},
		Security: grafana.Security{
			SecretKey: c.Grafana.SecretKey.Reveal(),
			AdminUser: c.Grafana.Admin.User, AdminPassword: c.Grafana.Admin.Password.Reveal(),
			CookieSecure: strings.HasPrefix(c.Grafana.RootURL, "https:"),
		},
		Database: databaseOf(c, current),
		Cache:    grafana.RemoteCache{Type: c.RemoteCache.Type, Redis: redisOf(c.RemoteCache.Redis, current, "cache")},
		Alerting: alertingOf(c, ips, current),
		Live: grafana.Live{
			Redis: redisOf(c.Live.Redis, current, "live"), MaxConnections: c.Live.MaxConnections, AllowedOrigins: c.Live.AllowedOrigins,
		},
		Paths: grafana.Paths{
			Data: c.Paths.Data, Logs: c.Paths.Logs,
			Plugins: path.Join(current, "plugins"), Provisioning: path.Join(current, Provisioning),
		},
		Renderer: grafana.Renderer{
			ServerURL: c.Grafana.Renderer.ServerURL, CallbackURL: c.Grafana.Renderer.CallbackURL, Token: c.Grafana.Renderer.Token.Reveal(),
		},
		SecretDir: path.Join(current, SecretsDir), Defaults: defaults, Fingerprint: mask.Secret,
	}
	if c.Grafana.TLS.Cert != "" {
		n.HTTP.CertFile, n.HTTP.KeyFile = path.Join(current, TLSDir, "http.crt"), path.Join(current, TLSDir, "http.key")
	}
	for _, p := range c.Grafana.Plugins {
		if p.Unsigned {
			n.UnsignedPlugins = append(n.UnsignedPlugins, p.ID)
		}
	}
	if c.Grafana.LDAP != "" {
		n.Extra = append(n.Extra, grafana.Section{Name: "auth.ldap", Keys: []grafana.Key{
			{Name: "enabled", Value: "true"}, {Name: "config_file", Value: path.Join(current, ldapFile)},
		}})
	}
	n.Extra = append(n.Extra, extra(h.Config)...)
	return n
}

func extra(c inventory.Config) (out []grafana.Section) {
	for _, s := range c {
		sec := grafana.Section{Name: s.Name}
		for _, k := range s.Keys {
			sec.Keys = append(sec.Keys, grafana.Key{Name: k.Name, Value: k.Value.Reveal(), Secret: k.Value.IsSecret()})
		}
		out = append(out, sec)
	}
	return out
}

func domain(rootURL string) string {
	u, err := url.Parse(rootURL)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

func databaseOf(c *inventory.Cluster, current string) grafana.Database {
	d := c.Database
	return grafana.Database{
		Type: d.Type, Host: d.Host, Name: d.Name, User: d.User, Password: d.Password.Reveal(), SSLMode: d.SSLMode,
		CACert: onHost(current, d.CACert, "database-ca.crt"), ClientCert: onHost(current, d.ClientCert, "database.crt"),
		ClientKey: onHost(current, d.ClientKey, "database.key"), ServerName: d.ServerName,
		MaxOpenConn: d.MaxOpenConn, MaxIdleConn: d.MaxIdleConn, ConnMaxLifetime: d.ConnMaxLifetime,
	}
}

// onHost is where a local file will lie on the host; empty when there is none.
func onHost(current, local, name string) string {
	if local == "" {
		return ""
	}
	return path.Join(current, TLSDir, name)
}

func alertingOf(c *inventory.Cluster, ips map[string]string, current string) grafana.Alerting {
	a := c.Alerting
	out := grafana.Alerting{
		Mode: grafana.Mode(a.HA), Legacy: a.Legacy, Port: a.Port, Label: a.Label,
		PeerTimeout: a.PeerTimeout, GossipInterval: a.GossipInterval, PushPullInterval: a.PushPullInterval,
		ReconnectTimeout: a.ReconnectTimeout, SingleNodeEvaluation: a.SingleNodeEvaluation,
		Redis: redisOf(a.Redis, current, "alerting"),
	}
	for _, h := range c.Hosts {
		out.Peers = append(out.Peers, net.JoinHostPort(ips[h.Name], strconv.Itoa(a.Port)))
	}
	return out
}

func redisOf(r inventory.Redis, current, use string) grafana.Redis {
	out := grafana.Redis{
		Address: r.Address, Username: r.Username, Password: r.Password.Reveal(), DB: r.DB, Prefix: r.Prefix,
		Cluster: r.Cluster, MaxConns: r.MaxConns,
	}
	if t := r.TLS; t != nil {
		out.TLS, out.ServerName, out.MinVersion, out.InsecureSkipVerify = true, t.ServerName, t.MinVersion, t.InsecureSkipVerify
		out.CACert = onHost(current, t.CACert, use+"-redis-ca.crt")
		out.Cert, out.Key = onHost(current, t.Cert, use+"-redis.crt"), onHost(current, t.Key, use+"-redis.key")
	}
	if s := r.Sentinel; s != nil {
		out.SentinelMaster, out.SentinelUsername, out.SentinelPassword = s.Master, s.Username, s.Password.Reveal()
	}
	return out
}

// localFile is a file of the operator's machine that belongs into a generation.
type localFile struct {
	path, source string
	owned        bool // by the service user, see File.Owned
	secret       bool // never shown
	unknown      bool // of a format that is not understood: never shown but by its fingerprint
}

// Sources are the files of the operator's machine that Inputs.Files must hold.
func Sources(c *inventory.Cluster) (out []string) {
	for _, l := range localFiles(c) {
		out = append(out, l.source)
	}
	return out
}

// localFiles lists the certificates, keys and other files that the inventory names.
func localFiles(c *inventory.Cluster) (out []localFile) {
	add := func(source, name string, key bool) {
		if source != "" {
			out = append(out, localFile{path: path.Join(TLSDir, name), source: source, owned: key, secret: key})
		}
	}
	add(c.Database.CACert, "database-ca.crt", false)
	add(c.Database.ClientCert, "database.crt", false)
	add(c.Database.ClientKey, "database.key", true)
	add(c.Grafana.TLS.Cert, "http.crt", false)
	add(c.Grafana.TLS.Key, "http.key", true)
	for use, r := range map[string]inventory.Redis{"alerting": c.Alerting.Redis, "live": c.Live.Redis, "cache": c.RemoteCache.Redis} {
		if r.TLS != nil {
			add(r.TLS.CACert, use+"-redis-ca.crt", false)
			add(r.TLS.Cert, use+"-redis.crt", false)
			add(r.TLS.Key, use+"-redis.key", true)
		}
	}
	if c.Grafana.LDAP != "" {
		out = append(out, localFile{path: ldapFile, source: c.Grafana.LDAP})
	}
	for _, name := range slices.Sorted(maps.Keys(c.Grafana.Files)) {
		out = append(out, localFile{path: path.Join(EtcDir, name), source: c.Grafana.Files[name], unknown: true})
	}
	slices.SortFunc(out, func(a, b localFile) int { return cmp.Compare(a.path, b.path) })
	return out
}

// unitOf renders the systemd unit of a host.
func unitOf(c *inventory.Cluster, h *inventory.Host, rel Release, v grafana.Version, systemd int, group string) ([]byte, error) {
	return grafana.Unit{
		Version: v, Systemd: systemd, Binary: rel.Binary, Root: c.Paths.Root, User: c.Paths.User, Group: group, Service: c.Paths.Service,
		Port:     Listens(h).Port,
		DataPath: c.Paths.Data, LogPath: c.Paths.Logs, Environment: true,
	}.Render()
}
