package inventory

import (
	"strconv"
	"strings"
	"time"
)

// defaultSecretKey is the public key in every defaults.ini of Grafana.
const defaultSecretKey = "SW2YcwTIb9zpOOhoPsMm"

// semantics checks what no schema can: rules between sections and over the
// number of hosts.
func (d *decoder) semantics(c *Cluster, root *node) {
	d.grafanaRules(c, root.get("grafana"))
	d.databaseRules(c, root.get("database"))
	d.alertingRules(c, root.get("alerting"))
	d.redisRules(root.find("alerting", "redis"), "alerting.redis")
	d.redisRules(root.find("live", "redis"), "live.redis")
	d.redisRules(root.find("remote_cache", "redis"), "remote_cache.redis")
	if n := root.get("remote_cache"); c.RemoteCache.Type == "redis" && c.RemoteCache.Redis.Address == "" {
		d.rep.errorf(n.pos, "remote_cache.type is redis, but remote_cache.redis.address is missing")
	}
	if a, b := root.find("live", "prefix"), root.find("live", "redis", "prefix"); a != nil && b != nil && a.text != b.text {
		d.rep.errorf(a.pos, "live.prefix and live.redis.prefix differ, keep one")
	}
	d.pathRules(c, root)
	d.fileRules(c, root.find("grafana", "files"))
	d.balancerRules(c, root.get("load_balancer"))
	d.rolloutRules(c, root.get("rollout"))
	if notify := root.get("notify"); notify != nil {
		for _, n := range notify.items {
			if kind := d.text(n.get("type"), ""); (kind == "webhook" || kind == "slack") && n.get("url") == nil {
				d.rep.errorf(n.pos, "a notification of type %s needs a url", kind)
			}
		}
	}
}

func (d *decoder) grafanaRules(c *Cluster, n *node) {
	if n == nil {
		return
	}
	if key := n.get("secret_key"); key != nil && c.Grafana.SecretKey.Reveal() == defaultSecretKey {
		d.rep.hintf(key.pos, "make one: openssl rand -hex 32 > secrets/secret_key", "secret_key is Grafana's public default, everyone can read what it encrypts")
	}
	if n.find("admin", "password") == nil {
		d.rep.warnf(n.pos, "set grafana.admin.password", "without grafana.admin.password a new database gets admin/admin")
	}
	if len(c.Hosts) > 1 && c.Grafana.RootURL == "" {
		d.rep.warnf(n.pos, "set grafana.root_url to what users type", "without grafana.root_url links in notifications point at single hosts")
	}
	source := n.find("artifact", "source")
	if c.Grafana.Artifact.Delivery == "pull" && source != nil && !isURL(source.text) {
		d.rep.errorf(source.pos, "delivery: pull needs a URL that the hosts can reach, not a local path")
	}
	d.checksumNeeded(c, source)
	if source != nil {
		for _, m := range placeholder.FindAllString(source.text, -1) {
			if !contains([]string{"{version}", "{arch}", "{os}"}, m) {
				d.rep.hintf(source.pos, didYouMean(m, []string{"{version}", "{arch}", "{os}"}), "unknown placeholder %s, known are {version}, {arch} and {os}", m)
			}
		}
	}
	d.pluginRules(n.get("plugins"))
}

// checksumNeeded: whoever sits between could replace a release that comes by http and the
// checksum beside it; and a checksum from where the release comes from proves nothing of
// that place.
func (d *decoder) checksumNeeded(c *Cluster, source *node) {
	a := c.Grafana.Artifact
	if source == nil || len(a.SHA256) > 0 {
		return
	}
	switch {
	case strings.HasPrefix(strings.ToLower(a.Source), "http://"):
		d.rep.hintf(source.pos, "get it once by a way that you trust: sha256sum FILE, then grafana.artifact.sha256",
			"a release by http:// needs artifact.sha256: anybody on the way can replace it, and the checksum beside it")
	case a.Delivery == "pull":
		d.rep.warnf(source.pos, "set grafana.artifact.sha256",
			"delivery: pull without artifact.sha256 takes the checksum from where the release comes from, and the hosts unpack it as root")
	}
}

func (d *decoder) pluginRules(n *node) {
	if n == nil {
		return
	}
	seen := map[string]bool{}
	for _, p := range n.items {
		if source := p.get("source"); source != nil && isURL(strings.ToLower(source.text)) && p.get("sha256") == nil {
			d.rep.hintf(source.pos, "get it once by a way that you trust: sha256sum FILE, then sha256 beside source",
				"a plugin from a URL needs its sha256: nobody else says which one you mean")
		}
		id := p.get("id")
		if name := d.text(id, ""); name != "" {
			if seen[name] {
				d.rep.errorf(id.pos, "plugin %q is given twice", name)
			}
			seen[name] = true
		}
	}
}

func (d *decoder) databaseRules(c *Cluster, n *node) {
	if n == nil {
		return
	}
	db := c.Database
	if db.Type == "sqlite3" && len(c.Hosts) > 1 {
		d.rep.hintf(n.get("type").pos, "use postgres or mysql", "sqlite3 is a file on one host, %d hosts cannot share it", len(c.Hosts))
	}
	if (db.Type == "postgres" || db.Type == "mysql") && n.get("host") == nil {
		d.rep.errorf(n.pos, `missing key "host" in database: host or host:port`)
	}
	d.poolRules(db, n)
	d.databaseTLSRules(db, n)
	if r := n.get("rehearsal"); r != nil && strings.EqualFold(db.Rehearsal, db.Name) {
		d.rep.hintf(r.pos, "name an empty database of its own", "database.rehearsal is the database that Grafana uses: a rehearsal empties it")
	}
	if on := n.find("backup", "on"); on != nil && db.Backup.On != "" && db.Backup.On != "operator" && c.Host(db.Backup.On) == nil {
		d.rep.hintf(on.pos, didYouMean(db.Backup.On, hostNames(c.Hosts)), "database.backup.on names the unknown host %q", db.Backup.On)
	}
}

func (d *decoder) poolRules(db Database, n *node) {
	if open := n.get("max_open_conn"); open != nil && db.MaxOpenConn == 1 {
		d.rep.errorf(open.pos, "max_open_conn: 1 deadlocks Grafana's migrations, which hold one connection for their lock")
	}
	if idle := n.get("max_idle_conn"); idle != nil && db.MaxOpenConn > 0 && db.MaxIdleConn > db.MaxOpenConn {
		d.rep.errorf(idle.pos, "max_idle_conn %d is more than max_open_conn %d", db.MaxIdleConn, db.MaxOpenConn)
	}
}

func (d *decoder) databaseTLSRules(db Database, n *node) {
	if mode := n.get("ssl_mode"); mode != nil && db.SSLMode != "" {
		allowed := map[string][]string{
			"postgres": {"disable", "allow", "prefer", "require", "verify-ca", "verify-full"},
			"mysql":    {"true", "false", "skip-verify"},
		}[db.Type]
		if allowed != nil && !contains(allowed, db.SSLMode) {
			d.rep.errorf(mode.pos, "ssl_mode of %s must be %s, not %q", db.Type, oneOf(allowed), db.SSLMode)
		}
	}
	if (db.ClientCert == "") != (db.ClientKey == "") {
		d.rep.errorf(positionOf(n.get("client_cert"), positionOf(n.get("client_key"), n.pos)), "client_cert and client_key go together")
	}
}

func (d *decoder) alertingRules(c *Cluster, n *node) {
	a := c.Alerting
	at := positionOf(n.get("ha"), positionOf(n, Position{File: d.rep.file}))
	switch {
	case a.HA == "none" && len(c.Hosts) > 1 && !a.Legacy:
		d.rep.hintf(at, "use ha: gossip or ha: redis; before Grafana 8.2 legacy: true", "with ha: none each of the %d hosts sends every notification", len(c.Hosts))
	case a.HA != "none" && a.Legacy && n.get("ha") != nil:
		d.rep.errorf(at, "legacy alerting has no ha: %s, it de-duplicates through the database", a.HA)
	case a.HA == "redis" && a.Redis.Address == "":
		d.rep.errorf(at, "ha: redis needs alerting.redis.address")
	case a.HA != "redis" && a.Redis.Address != "":
		d.rep.warnf(n.get("redis").pos, "set ha: redis to use it", "alerting.redis is not used with ha: %s", a.HA)
	}
	if s := n.get("single_node_evaluation"); s != nil && a.SingleNodeEvaluation && a.HA == "none" {
		d.rep.errorf(s.pos, "single_node_evaluation without a cluster evaluates wrong, it needs ha: gossip or redis")
	}
}

func (d *decoder) redisRules(n *node, what string) {
	if n == nil || d.bad[n] {
		return
	}
	d.sentinelRules(n, what)
	if db := n.get("db"); db != nil && d.boolean(n.get("cluster")) && d.integer(db, 0) != 0 {
		d.rep.errorf(db.pos, "%s: a Redis Cluster has only database 0", what)
	}
	if t := n.get("tls"); t != nil && (t.get("cert") == nil) != (t.get("key") == nil) {
		d.rep.errorf(t.pos, "%s.tls: cert and key go together", what)
	}
}

func (d *decoder) sentinelRules(n *node, what string) {
	sentinel := n.get("sentinel")
	if sentinel != nil && sentinel.get("master") == nil && (sentinel.get("username") != nil || sentinel.get("password") != nil) {
		d.rep.errorf(sentinel.pos, `missing key "master" in %s.sentinel`, what)
	}
	if sentinel.get("master") != nil && d.boolean(n.get("cluster")) {
		d.rep.errorf(sentinel.pos, "%s: sentinel and cluster exclude each other", what)
	}
	several := strings.Contains(d.text(n.get("address"), ""), ",")
	if several && sentinel.get("master") == nil && !d.boolean(n.get("cluster")) {
		d.rep.errorf(n.get("address").pos, "%s: several addresses need cluster: true or sentinel: {master: NAME}", what)
	}
}

func (d *decoder) balancerRules(c *Cluster, n *node) {
	lb := c.LoadBalancer
	switch lb.Type {
	case "haproxy", "nginx":
		if n != nil && len(lb.Hosts) == 0 && !d.bad[n.get("hosts")] {
			d.rep.errorf(n.pos, "load_balancer of type %s needs hosts", lb.Type)
		}
	case "command":
		for _, name := range []string{"drain", "undrain"} {
			if n.get(name) == nil {
				d.rep.errorf(n.pos, "load_balancer of type command needs %s", name)
			}
		}
	}
	for _, h := range lb.Hosts {
		if g := c.Host(h.Name); g != nil && g.Address != h.Address {
			d.rep.errorf(h.Pos, "%q is also a host of the cluster, with the address %s", h.Name, g.Address)
		}
	}
}

func (d *decoder) rolloutRules(c *Cluster, n *node) {
	if n == nil {
		return
	}
	if m := n.get("max_unavailable"); m != nil && !d.bad[m] && len(c.Hosts) > 1 {
		down, isNumber := strconv.Atoi(m.text)
		if (isNumber == nil && down >= len(c.Hosts)) || m.text == "100%" {
			d.rep.errorf(m.pos, "max_unavailable %s would stop all %d hosts at once", m.text, len(c.Hosts))
		}
	}
	d.batchLabelRules(c, n)
	if bake := n.get("bake"); bake != nil && c.Rollout.Bake > 0 && !c.Rollout.Canary {
		d.rep.warnf(bake.pos, "set canary: true", "bake is not used without canary")
	}
	for _, name := range []string{"gate_timeout", "start_timeout"} {
		if v := n.get(name); v != nil && d.duration(v, time.Hour) < time.Second {
			d.rep.errorf(v.pos, "%s must be at least 1s", name)
		}
	}
}

func (d *decoder) batchLabelRules(c *Cluster, n *node) {
	if label := d.text(n.get("batch_label"), ""); label != "" {
		if n.get("batch") != nil {
			d.rep.errorf(n.get("batch").pos, "batch and batch_label exclude each other")
		}
		for _, h := range c.Hosts {
			if h.Labels[label] == "" {
				d.rep.errorf(n.get("batch_label").pos, "host %s has no label %q", h.Name, label)
				break
			}
		}
	}
}

func hostNames(hosts []*Host) []string {
	out := make([]string, len(hosts))
	for i, h := range hosts {
		out[i] = h.Name
	}
	return out
}
