package inventory

import (
	"net"
	"regexp"
	"strings"
	"time"
)

// placeholder is what artifact.source fills in.
var placeholder = regexp.MustCompile(`\{[a-z_]*\}`)

// jumpHost is user@host:port, user and port optional.
var jumpHost = regexp.MustCompile(`^([^@\s:,]+@)?([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%]+\])(:[0-9]{1,5})?$`)

// cluster decodes a whole inventory.
func (d *decoder) cluster(root *node) *Cluster {
	c := &Cluster{Name: d.text(root.get("cluster"), "")}
	hosts := root.get("hosts")
	groups := d.groups(root.get("groups"), d.quietly().expandHosts(hosts))
	c.Hosts = d.hosts(root, hosts, groups)
	for _, g := range groups {
		c.Groups = append(c.Groups, &Group{Name: g.name, Hosts: g.hosts})
	}
	c.Grafana = d.grafana(root.get("grafana"))
	c.Database = d.database(root.get("database"))
	c.RemoteCache = RemoteCache{Type: d.text(root.find("remote_cache", "type"), ""), Redis: d.redis(root.find("remote_cache", "redis"), c.Name)}
	c.Alerting = d.alerting(root.get("alerting"), c)
	c.Live = d.live(root.get("live"), c.Name)
	c.LoadBalancer = d.loadBalancer(root, c.Grafana.RootURL)
	c.Rollout = d.rollout(root.get("rollout"))
	hooks := root.get("hooks")
	c.Hooks = Hooks{
		BeforeRun: d.program(hooks.get("before_run")), AfterRun: d.program(hooks.get("after_run")),
		BeforeHost: d.program(hooks.get("before_host")), AfterHost: d.program(hooks.get("after_host")),
		OnFailure: d.program(hooks.get("on_failure")), OnRollback: d.program(hooks.get("on_rollback")),
	}
	if notify := root.get("notify"); notify != nil {
		for _, n := range notify.items {
			c.Notify = append(c.Notify, Notification{Type: d.text(n.get("type"), ""), URL: d.secret(n.get("url")), On: d.texts(n.get("on"))})
		}
	}
	c.Paths = d.hostPaths(root.get("paths"))
	c.KeepReleases = d.integer(root.get("keep_releases"), 3)
	return c
}

// quietly is a decoder whose findings are dropped, for what is decoded twice.
func (d *decoder) quietly() *decoder {
	q := *d
	q.rep = &reporter{file: d.rep.file}
	q.bad = make(map[*node]bool, len(d.bad))
	for n := range d.bad {
		q.bad[n] = true
	}
	return &q
}

func (d *decoder) grafana(n *node) Grafana {
	g := Grafana{
		Version: strings.TrimPrefix(d.text(n.get("version"), ""), "v"),
		RootURL: d.text(n.get("root_url"), ""),
		// An inventory without secret_key is refused before this is used.
		SecretKey:    d.secret(n.get("secret_key")),
		Admin:        Admin{User: d.text(n.find("admin", "user"), "admin"), Password: d.secret(n.find("admin", "password"))},
		Config:       d.config(nil, n.get("config")),
		Env:          d.env(nil, n.get("env")),
		Provisioning: d.path(n.get("provisioning")),
		LDAP:         d.path(n.get("ldap")),
		TLS:          HTTPTLS{Cert: d.path(n.find("tls", "cert")), Key: d.path(n.find("tls", "key"))},
	}
	artifact := n.get("artifact")
	g.Artifact = Artifact{Source: d.source(artifact.get("source")), Delivery: d.text(artifact.get("delivery"), "push"), SHA256: map[string]string{}}
	switch sums := artifact.get("sha256"); {
	case sums == nil:
	case sums.shape == mapShape:
		for _, e := range sums.entries {
			if sum := d.text(e.value, ""); sum != "" {
				g.Artifact.SHA256[e.key] = strings.ToLower(sum)
			}
		}
	case d.text(sums, "") != "":
		g.Artifact.SHA256[""] = strings.ToLower(sums.text)
	}
	if r := n.get("renderer"); r != nil {
		g.Renderer = Renderer{ServerURL: d.text(r.get("server_url"), ""), CallbackURL: d.text(r.get("callback_url"), g.RootURL), Token: d.secret(r.get("token"))}
	}
	if plugins := n.get("plugins"); plugins != nil {
		for _, p := range plugins.items {
			g.Plugins = append(g.Plugins, Plugin{ID: d.text(p.get("id"), ""), Version: d.text(p.get("version"), ""), Source: d.source(p.get("source")),
				SHA256: strings.ToLower(d.text(p.get("sha256"), "")), Unsigned: d.boolean(p.get("unsigned"))})
		}
	}
	if files := n.get("files"); files != nil && files.shape == mapShape {
		g.Files = map[string]string{}
		for _, e := range files.entries {
			g.Files[e.key] = d.path(e.value)
		}
	}
	return g
}

func (d *decoder) database(n *node) Database {
	db := Database{
		Type: d.text(n.get("type"), ""), Host: d.text(n.get("host"), ""),
		Name: d.text(n.get("name"), "grafana"), User: d.text(n.get("user"), "grafana"), Password: d.secret(n.get("password")),
		SSLMode: d.text(n.get("ssl_mode"), ""), CACert: d.path(n.get("ca_cert")), ClientCert: d.path(n.get("client_cert")), ClientKey: d.path(n.get("client_key")),
		ServerName: d.text(n.get("server_name"), ""), ConnMaxLifetime: d.integer(n.get("conn_max_lifetime"), 0),
	}
	open, idle := defaultPool(db.Type)
	db.MaxOpenConn = d.integer(n.get("max_open_conn"), open)
	if db.MaxOpenConn > 0 {
		idle = min(idle, db.MaxOpenConn)
	}
	db.MaxIdleConn = d.integer(n.get("max_idle_conn"), idle)
	port := map[string]string{"postgres": "5432", "mysql": "3306"}[db.Type]
	if db.Host != "" && port != "" {
		if _, _, err := net.SplitHostPort(db.Host); err != nil {
			db.Host = net.JoinHostPort(strings.Trim(db.Host, "[]"), port)
		}
	}
	if create := n.get("create"); create != nil {
		db.Create = &Credentials{User: d.text(create.get("user"), ""), Password: d.secret(create.get("password"))}
	}
	b := n.get("backup")
	db.Rehearsal = d.text(n.get("rehearsal"), "")
	db.Backup = Backup{On: d.text(b.get("on"), ""), Keep: d.integer(b.get("keep"), 5), Command: d.text(b.get("command"), ""), Dir: d.text(b.get("dir"), "/var/lib/ghadeploy/backups")}
	if db.Backup.On == "local" {
		db.Backup.On = "operator"
	}
	return db
}

// defaultPool is how many connections a host opens at most to a server, and keeps.
// Without a limit a Grafana under load takes what the server has, and three of them all
// 100 of a PostgreSQL; with the two that Grafana keeps by itself a burst logs in anew for
// nearly every query. More than ten kept would be held for hours after a burst, and
// missed by the other hosts where the server, or a pooler before it, is small.
func defaultPool(databaseType string) (open, idle int) {
	if databaseType == "sqlite3" {
		return 0, 0
	}
	return 25, 10
}

func (d *decoder) redis(n *node, prefix string) Redis {
	if n == nil || d.bad[n] {
		return Redis{}
	}
	r := Redis{
		Address: strings.ReplaceAll(d.text(n.get("address"), ""), " ", ""), Username: d.text(n.get("username"), ""), Password: d.secret(n.get("password")),
		DB: d.integer(n.get("db"), 0), Prefix: d.text(n.get("prefix"), prefix),
		Cluster: d.boolean(n.get("cluster")), MaxConns: d.integer(n.get("max_conns"), 0),
	}
	if r.Cluster && n.get("prefix") == nil {
		// Grafana reads all of its peers' keys with one MGET, which a Redis Cluster
		// refuses unless they share a slot: what stands in braces decides on it.
		r.Prefix = "{" + prefix + "}"
	}
	if t := n.get("tls"); t != nil && !d.bad[t] {
		r.TLS = &RedisTLS{CACert: d.path(t.get("ca_cert")), Cert: d.path(t.get("cert")), Key: d.path(t.get("key")),
			ServerName: d.text(t.get("server_name"), ""), MinVersion: d.text(t.get("min_version"), ""), InsecureSkipVerify: d.boolean(t.get("insecure_skip_verify"))}
	}
	if s := n.get("sentinel"); s.get("master") != nil {
		r.Sentinel = &Sentinel{Master: d.text(s.get("master"), ""), Username: d.text(s.get("username"), ""), Password: d.secret(s.get("password"))}
	}
	return r
}

func (d *decoder) alerting(n *node, c *Cluster) Alerting {
	a := Alerting{
		HA: d.text(n.get("ha"), ""), Port: d.integer(n.get("port"), 9094), Redis: d.redis(n.get("redis"), c.Name),
		Legacy: d.boolean(n.get("legacy")), Label: d.text(n.get("label"), c.Name),
		PeerTimeout: d.text(n.get("peer_timeout"), ""), GossipInterval: d.text(n.get("gossip_interval"), ""),
		PushPullInterval: d.text(n.get("push_pull_interval"), "10s"), ReconnectTimeout: d.text(n.get("reconnect_timeout"), ""),
		SingleNodeEvaluation: d.boolean(n.get("single_node_evaluation")),
	}
	a.GroupInterval, a.GroupIntervalAuto = d.durationOrAuto(n.get("group_interval"))
	if a.HA == "" {
		a.HA = "gossip"
		if a.Legacy || len(c.Hosts) < 2 {
			a.HA = "none"
		}
	}
	return a
}

func (d *decoder) live(n *node, cluster string) Live {
	l := Live{Redis: d.redis(n.get("redis"), cluster), MaxConnections: d.integer(n.get("max_connections"), 0), AllowedOrigins: d.texts(n.get("allowed_origins"))}
	if p := n.get("prefix"); p != nil && l.Redis.Address != "" {
		l.Redis.Prefix = d.text(p, l.Redis.Prefix)
	}
	return l
}

func (d *decoder) loadBalancer(root *node, rootURL string) LoadBalancer {
	n := root.get("load_balancer")
	lb := LoadBalancer{
		Type: d.text(n.get("type"), "none"), Backend: d.text(n.get("backend"), "grafana"), Manage: d.boolean(n.get("manage")),
		Socket: d.text(n.get("socket"), ""), Config: d.text(n.get("config"), ""), URL: d.text(n.get("url"), rootURL),
		Drain: d.program(n.get("drain")), Undrain: d.program(n.get("undrain")), Status: d.program(n.get("status")),
		CheckInterval: d.duration(n.get("check_interval"), 0),
	}
	if hosts := n.get("hosts"); hosts != nil {
		lb.Hosts = d.hosts(root, hosts, nil)
		for _, h := range lb.Hosts {
			// A balancer runs no Grafana.
			h.Config, h.Env = nil, nil
		}
	}
	return lb
}

func (d *decoder) rollout(n *node) Rollout {
	r := Rollout{
		Batch: d.texts(n.get("batch")), BatchLabel: d.text(n.get("batch_label"), ""), MaxUnavailable: d.text(n.get("max_unavailable"), "1"),
		Canary: d.boolean(n.get("canary")), PauseAfter: d.integer(n.get("pause_after"), 0),
		Bake: d.duration(n.get("bake"), 0), Drain: d.duration(n.get("drain"), 10*time.Second),
		GateTimeout: d.duration(n.get("gate_timeout"), 2*time.Minute), StartTimeout: d.duration(n.get("start_timeout"), 30*time.Minute),
		OnFailure: d.text(n.get("on_failure"), "rollback"), Major: d.text(n.get("major"), "auto"), Rehearse: d.text(n.get("rehearse"), "auto"),
	}
	if len(r.Batch) == 0 {
		r.Batch = []string{"1"}
	}
	r.Settle, r.SettleAuto = d.durationOrAuto(n.get("settle"))
	return r
}

func (d *decoder) hostPaths(n *node) Paths {
	return Paths{
		Root: d.text(n.get("root"), "/opt/grafana"), Data: d.text(n.get("data"), "/var/lib/grafana"), Logs: d.text(n.get("logs"), "/var/log/grafana"),
		Etc: d.text(n.get("etc"), "/etc/grafana"), State: d.text(n.get("state"), "/var/lib/ghadeploy"),
		Service: strings.TrimSuffix(d.text(n.get("service"), "grafana-server"), ".service"), User: d.text(n.get("user"), "grafana"),
		Group: d.text(n.get("group"), ""),
	}
}
