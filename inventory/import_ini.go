package inventory

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"strconv"
	"strings"

	"gopkg.in/ini.v1"

	"github.com/ghadeploy/ghadeploy/internal/localfile"
)

// FromINI turns the grafana.ini of a running server into an inventory: what
// has a section of its own goes there, the rest under grafana.config. Secrets
// are moved out: the YAML refers to secrets/NAME, and secrets holds what to
// write into each NAME. What belongs to one node only (advertise addresses,
// peers, instance_name) is left out, since ghadeploy writes it per host. The
// version is 0.0.0 until the caller sets it with [SetVersion].
func FromINI(name string, hosts []string, src []byte) (yaml []byte, secrets map[string]string, err error) {
	f, err := foreignINI(src)
	if err != nil {
		return nil, nil, err
	}
	im := &iniImport{file: f, used: map[string]bool{}, secrets: secretFiles{}}
	root := newSheet()
	root.put("cluster", name)
	at := newSheet()
	for _, h := range hosts {
		host, address, _ := strings.Cut(h, "=")
		if address == "" {
			at.put(host, empty())
			continue
		}
		one := newSheet()
		one.put("address", address)
		at.put(host, one)
	}
	root.put("hosts", at)
	grafana := im.grafana()
	root.put("database", im.database())
	root.put("remote_cache", im.remoteCache())
	root.put("alerting", im.alerting(len(hosts)))
	root.put("live", im.live())
	root.put("paths", im.paths())
	grafana.put("config", im.rest())
	root.put("grafana", grafana)
	text, err := root.text("# Made from a grafana.ini. Look through it, then: ghadeploy check\n")
	if err != nil {
		return nil, nil, fmt.Errorf("importing grafana.ini: %w", err)
	}
	return text, im.secrets, nil
}

// foreignINI reads a grafana.ini with the parser's defaults, as Grafana does. What it holds
// is of no one's hand in particular: no error quotes a line of it, for it may be a secret,
// and a name that no inventory may have is refused.
func foreignINI(src []byte) (*ini.File, error) {
	if localfile.IsPrivateKey(src) {
		return nil, Diagnostics{{Pos: Position{File: "grafana.ini"}, Message: "the file is a private key, not a grafana.ini"}}
	}
	f, err := ini.Load(src)
	if err != nil {
		return nil, Diagnostics{{Pos: Position{File: "grafana.ini"}, Message: iniMistake(src, err)}}
	}
	name := newFormats().iniName
	var bad Diagnostics
	for _, section := range f.Sections() {
		if s := section.Name(); s != ini.DefaultSection && !name.re.MatchString(s) {
			bad = append(bad, Diagnostic{Pos: Position{File: "grafana.ini"}, Message: fmt.Sprintf("the section %q is not %s", clip(s), name.want)})
			continue
		}
		for _, k := range section.Keys() {
			if !name.re.MatchString(k.Name()) {
				bad = append(bad, Diagnostic{Pos: Position{File: "grafana.ini"},
					Message: fmt.Sprintf("the key %q in [%s] is not %s", clip(k.Name()), section.Name(), name.want)})
			}
		}
	}
	if len(bad) > 0 {
		return nil, bad
	}
	return f, nil
}

// iniMistake says where a grafana.ini is wrong without quoting it.
func iniMistake(src []byte, err error) string {
	var line, what string
	var delimiter ini.ErrDelimiterNotFound
	var key ini.ErrEmptyKeyName
	switch {
	case errors.As(err, &delimiter):
		line, what = delimiter.Line, "has neither = nor :"
	case errors.As(err, &key):
		line, what = key.Line, "has no key before its ="
	default:
		return "it is no grafana.ini: a section or a quoted value is not closed"
	}
	for i, l := range strings.Split(string(src), "\n") {
		if strings.TrimSpace(l) == strings.TrimSpace(line) {
			return fmt.Sprintf("line %d %s", i+1, what)
		}
	}
	return "a line " + what
}

// localName is where the operator shall copy a file of the server to.
func localName(folder, onServer string) string {
	return "./" + folder + "/" + fileName(onServer[strings.LastIndexByte(onServer, '/')+1:])
}

type iniImport struct {
	file    *ini.File
	used    map[string]bool // section.key
	secrets secretFiles
}

// take returns a value and marks it as dealt with.
func (im *iniImport) take(section, key string) string {
	im.used[section+"."+key] = true
	if !im.file.HasSection(section) || !im.file.Section(section).HasKey(key) {
		return ""
	}
	return im.file.Section(section).Key(key).String()
}

func (im *iniImport) takeInt(section, key string) int {
	n, err := strconv.Atoi(im.take(section, key))
	if err != nil || n < 0 {
		return 0
	}
	return n
}

// takeSpan returns a duration; one without a unit is left to Grafana's default.
func (im *iniImport) takeSpan(section, key string) string {
	if v := im.take(section, key); newFormats().duration.re.MatchString(v) {
		return v
	}
	return ""
}

// secret moves a value out and returns the reference to it. What Grafana reads
// from elsewhere ($__file{}) is not in the ini; its file has to be filled by hand.
func (im *iniImport) secret(name, value string) any {
	if value == "" {
		return ""
	}
	file := fileName(name)
	if !strings.HasPrefix(value, "$__") {
		file = im.secrets.add(name, value)
	}
	return quoted("${file:secrets/" + file + "}")
}

func (im *iniImport) grafana() sheet {
	s := newSheet()
	note(s.put("version", quoted("0.0.0")), "The version that runs today.")
	artifact := newSheet()
	artifact.put("source", "./grafana-{version}.linux-{arch}.tar.gz")
	s.put("artifact", artifact)
	if u := im.take("server", "root_url"); newFormats().url.re.MatchString(u) && !strings.Contains(u, "%(") {
		s.put("root_url", u)
	}
	key := im.take("security", "secret_key")
	if key == "" || key == defaultSecretKey {
		k := s.put("secret_key", quoted("${file:secrets/secret_key}"))
		note(k, "The server used Grafana's public default key. Make one with openssl rand -hex 32;\nwhat the old one encrypted (data source passwords) has to be entered again.")
	} else {
		s.put("secret_key", im.secret("secret_key", key))
	}
	admin := newSheet()
	admin.put("user", im.take("security", "admin_user"))
	admin.put("password", im.secret("admin_password", im.take("security", "admin_password")))
	s.put("admin", admin)
	im.used["server.http_addr"] = true
	if im.take("server", "protocol") == "https" {
		cert, key := im.take("server", "cert_file"), im.take("server", "cert_key")
		if cert != "" && key != "" {
			tls := newSheet()
			tls.put("cert", localName("tls", cert))
			tls.put("key", localName("tls", key))
			note(s.put("tls", tls), "Copy "+cert+" and "+key+" here.")
		}
	}
	if ldap := im.take("auth.ldap", "config_file"); ldap != "" {
		note(s.put("ldap", "./ldap.toml"), "Copy "+ldap+" here.")
	}
	if u := im.take("rendering", "server_url"); newFormats().url.re.MatchString(u) {
		r := newSheet()
		r.put("server_url", u)
		r.put("callback_url", im.take("rendering", "callback_url"))
		r.put("token", im.secret("renderer_token", im.take("rendering", "renderer_token")))
		s.put("renderer", r)
	}
	return s
}

func (im *iniImport) database() sheet {
	s := newSheet()
	get := func(key string) string { return im.take("database", key) }
	kind, host, name, user, password := get("type"), get("host"), get("name"), get("user"), get("password")
	mode := get("ssl_mode")
	if u := get("url"); u != "" {
		d := splitDatabaseURL(u)
		kind, host, name, user, password = d.kind, d.host, d.name, d.user, d.password
		if d.mode != "" {
			mode = d.mode
		}
	}
	if kind == "" {
		kind = "sqlite3"
	}
	k := s.put("type", kind)
	if kind == "sqlite3" {
		note(k, "A file on one host; a cluster needs postgres or mysql.")
		im.used["database.path"] = true
		return s
	}
	s.put("host", host)
	s.put("name", name)
	s.put("user", user)
	s.put("password", im.secret("database_password", password))
	if (kind == "mysql") == contains([]string{"true", "false", "skip-verify"}, mode) {
		s.put("ssl_mode", mode)
	}
	for _, f := range []struct{ ours, theirs string }{{"ca_cert", "ca_cert_path"}, {"client_cert", "client_cert_path"},
		{"client_key", "client_key_path"}} {
		if p := get(f.theirs); p != "" {
			note(s.put(f.ours, localName("tls", p)), "Copy "+p+" here.")
		}
	}
	s.put("server_name", get("server_cert_name"))
	s.put("max_open_conn", im.takeInt("database", "max_open_conn"))
	s.put("max_idle_conn", im.takeInt("database", "max_idle_conn"))
	s.put("conn_max_lifetime", im.takeInt("database", "conn_max_lifetime"))
	return s
}

func (im *iniImport) remoteCache() sheet {
	s := newSheet()
	kind := im.take("remote_cache", "type")
	if kind != "redis" && kind != "database" {
		return s
	}
	s.put("type", kind)
	options := map[string]string{}
	for pair := range strings.SplitSeq(im.take("remote_cache", "connstr"), ",") {
		key, value, _ := strings.Cut(pair, "=")
		options[strings.TrimSpace(key)] = strings.TrimSpace(value)
	}
	if kind == "redis" {
		r := newSheet()
		r.put("address", options["addr"])
		r.put("username", options["username"])
		r.put("password", im.secret("remote_cache_password", options["password"]))
		r.put("prefix", im.take("remote_cache", "prefix"))
		if n, err := strconv.Atoi(options["db"]); err == nil {
			r.put("db", n)
		}
		if options["ssl"] == "true" || options["ssl"] == "insecure" {
			tls := newSheet()
			tls.put("insecure_skip_verify", options["ssl"] == "insecure")
			if len(tls.y.Content) == 0 {
				r.put("tls", empty())
			} else {
				r.put("tls", tls)
			}
		}
		s.put("redis", r)
	}
	return s
}

func (im *iniImport) alerting(hosts int) sheet {
	s := newSheet()
	get := func(key string) string { return im.take("unified_alerting", key) }
	legacy := im.take("alerting", "enabled") == "true"
	get("enabled")
	get("ha_advertise_address")
	get("ha_peers")
	get("ha_redis_peer_name")
	redis := newSheet()
	redis.put("address", get("ha_redis_address"))
	redis.put("username", get("ha_redis_username"))
	redis.put("password", im.secret("alerting_redis_password", get("ha_redis_password")))
	redis.put("db", im.takeInt("unified_alerting", "ha_redis_db"))
	redis.put("prefix", get("ha_redis_prefix"))
	redis.put("max_conns", im.takeInt("unified_alerting", "ha_redis_max_conns"))
	redis.put("cluster", get("ha_redis_cluster_mode_enabled") == "true")
	im.sentinel(redis)
	im.alertingTLS(redis)
	switch {
	case legacy:
		s.put("legacy", true)
	case len(redis.y.Content) > 0 && redis.y.Content[0].Value == "address":
		s.put("ha", "redis")
		s.put("redis", redis)
	case hosts > 1:
		s.put("ha", "gossip")
	}
	if _, port, err := net.SplitHostPort(get("ha_listen_address")); err == nil && port != "9094" {
		if n, err := strconv.Atoi(port); err == nil {
			s.put("port", n)
		}
	}
	s.put("label", get("ha_label"))
	s.put("peer_timeout", im.takeSpan("unified_alerting", "ha_peer_timeout"))
	s.put("gossip_interval", im.takeSpan("unified_alerting", "ha_gossip_interval"))
	s.put("push_pull_interval", im.takeSpan("unified_alerting", "ha_push_pull_interval"))
	s.put("reconnect_timeout", im.takeSpan("unified_alerting", "ha_reconnect_timeout"))
	s.put("single_node_evaluation", get("ha_single_node_evaluation") == "true")
	return s
}

func (im *iniImport) sentinel(redis sheet) {
	get := func(key string) string { return im.take("unified_alerting", "ha_redis_sentinel_"+key) }
	on, master, user, password := get("mode_enabled") == "true", get("master_name"), get("username"), get("password")
	if !on || master == "" {
		return
	}
	s := newSheet()
	s.put("master", master)
	s.put("username", user)
	s.put("password", im.secret("alerting_sentinel_password", password))
	redis.put("sentinel", s)
}

func (im *iniImport) alertingTLS(redis sheet) {
	get := func(key string) string { return im.take("unified_alerting", "ha_redis_tls_"+key) }
	on := get("enabled") == "true"
	s := newSheet()
	for _, f := range []struct{ ours, theirs string }{{"ca_cert", "ca_path"}, {"cert", "cert_path"}, {"key", "key_path"}} {
		if p := get(f.theirs); p != "" {
			note(s.put(f.ours, localName("tls", p)), "Copy "+p+" here.")
		}
	}
	s.put("server_name", get("server_name"))
	s.put("min_version", get("min_version"))
	s.put("insecure_skip_verify", get("insecure_skip_verify") == "true")
	switch {
	case !on:
	case len(s.y.Content) == 0:
		redis.put("tls", empty())
	default:
		redis.put("tls", s)
	}
}

func (im *iniImport) live() sheet {
	s := newSheet()
	redis := newSheet()
	if im.take("live", "ha_engine") == "redis" {
		redis.put("address", im.take("live", "ha_engine_address"))
		redis.put("password", im.secret("live_redis_password", im.take("live", "ha_engine_password")))
		redis.put("prefix", im.take("live", "ha_prefix"))
	}
	s.put("redis", redis)
	s.put("max_connections", im.takeInt("live", "max_connections"))
	s.put("allowed_origins", strings.FieldsFunc(im.take("live", "allowed_origins"), func(r rune) bool { return r == ',' || r == ' ' }))
	return s
}

func (im *iniImport) paths() sheet {
	s := newSheet()
	for _, key := range []string{"data", "logs"} {
		if p := im.take("paths", key); newFormats().path.re.MatchString(p) {
			s.put(key, p)
		}
	}
	// These lie in the generation.
	im.take("paths", "plugins")
	im.take("paths", "provisioning")
	return s
}

// ourReference is what would be taken for a reference of ours in a value of Grafana's.
var ourReference = regexp.MustCompile(`\$\{([a-z_]+:)`)

// rest is everything that has no section of its own, secrets moved out.
func (im *iniImport) rest() sheet {
	s := newSheet()
	for _, section := range im.file.Sections() {
		name := section.Name()
		if name == ini.DefaultSection {
			name = ""
		}
		keys := newSheet()
		for _, k := range section.Keys() {
			if im.used[name+"."+k.Name()] || k.Value() == "" || (name == "" && k.Name() == "instance_name") {
				continue
			}
			var value any = ourReference.ReplaceAllString(k.Value(), "$$$${$1")
			if secretName(name, k.Name()) && !strings.HasPrefix(k.Value(), "$__") {
				value = im.secret(strings.TrimPrefix(name+"."+k.Name(), "."), k.Value())
			} else if n, err := strconv.Atoi(k.Value()); err == nil && strconv.Itoa(n) == k.Value() {
				value = n
				if n == 0 {
					value = "0"
				}
			} else if k.Value() == "true" {
				value = true
			}
			if name == "" {
				s.put(k.Name(), value)
			} else {
				keys.put(k.Name(), value)
			}
		}
		s.put(name, keys)
	}
	return s
}
