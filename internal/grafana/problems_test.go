package grafana

import (
	"strings"
	"testing"
)

// Each is a problem that users of Grafana reported, or a trap of its manual,
// and what rendering says to the inventory that walks into it.
func TestRenderRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		change  func(*Node)
		want    string
	}{
		"53990 every node notifies because alerting is alone": {"12.3.1", func(n *Node) { n.Alerting.Mode = Alone }, "#53990"},
		"53990 gossip without peers":                          {"12.3.1", func(n *Node) { n.Alerting.Peers = nil }, "ha_peers is empty"},
		"45060 host name as advertised address":               {"12.3.1", func(n *Node) { n.PerNode.Address = "g1.example.com" }, "needs an IP address"},
		"62453 address that nobody reaches":                   {"12.3.1", func(n *Node) { n.PerNode.Address = "127.0.0.1" }, "cannot be reached"},
		"106322 sentinel before 12.1": {"12.0.0", func(n *Node) {
			n.Alerting.Mode, n.Alerting.Redis = OnRedis, Redis{Address: "s:26379", Prefix: "p", SentinelMaster: "m"}
		}, "the first version that does is 12.1.0"},
		"15707775 cluster and sentinel at once": {"12.3.1", func(n *Node) {
			n.Alerting.Mode, n.Alerting.Redis = OnRedis, Redis{Address: "s:26379", Prefix: "p", SentinelMaster: "m", Cluster: true}
		}, "exclude each other"},
		"82715 live with a user name": {"12.3.1", func(n *Node) { n.Live.Redis = Redis{Address: "r:6379", Username: "u"} }, "13.3.0"},
		"live on a Redis cluster":     {"12.3.1", func(n *Node) { n.Live.Redis = Redis{Address: "r:6379", Cluster: true} }, "single Redis"},
		"live password before 10.3":   {"9.4.17", func(n *Node) { n.Live.Redis = Redis{Address: "r:6379", Password: "x"} }, "10.3.0"},
		"redis without prefix": {"12.3.1", func(n *Node) {
			n.Alerting.Mode, n.Alerting.Redis = OnRedis, Redis{Address: "r:6379"}
		}, "ha_redis_prefix must be set"},
		"redis without a stable peer name": {"12.3.1", func(n *Node) {
			n.Alerting.Mode, n.Alerting.Redis, n.PerNode.RedisPeerName = OnRedis, Redis{Address: "r:6379", Prefix: "p"}, ""
		}, "ha_redis_peer_name must be set"},
		"14602672137 single node evaluation without a cluster": {"13.2.0", func(n *Node) {
			n.Alerting = Alerting{SingleNodeEvaluation: true}
		}, "needs alerting.ha"},
		"124004 single node evaluation before 13":     {"12.3.1", func(n *Node) { n.Alerting.SingleNodeEvaluation = true }, "13.0.0"},
		"23233 sqlite for several nodes":              {"12.3.1", func(n *Node) { n.Database = Database{Type: "sqlite3"} }, "#23233"},
		"54704631363 a pool of one":                   {"12.3.1", func(n *Node) { n.Database.MaxOpenConn = 1 }, "deadlocks"},
		"31360 public secret key":                     {"12.3.1", func(n *Node) { n.Security.SecretKey = "SW2YcwTIb9zpOOhoPsMm" }, "public default"},
		"no secret key":                               {"12.3.1", func(n *Node) { n.Security.SecretKey = "" }, "not set"},
		"legacy and unified at once":                  {"10.3.1", func(n *Node) { n.Extra = extra("alerting", "enabled", "true") }, "alerting.enabled"},
		"legacy alerting in 11":                       {"11.6.0", func(n *Node) { n.Alerting.Legacy = true }, "gone since 11.0.0"},
		"unified alerting before 8.2":                 {"8.1.8", func(*Node) {}, "8.2.0"},
		"64805 duration without a unit":               {"12.3.1", func(n *Node) { n.Alerting.PushPullInterval = "200" }, "no duration"},
		"mysql TLS without a CA":                      {"12.3.1", func(n *Node) { n.Database = mysqlDB("verify-full") }, "ca_cert must be given"},
		"postgres mode that lib/pq does not know":     {"12.3.1", func(n *Node) { n.Database.SSLMode = "prefer" }, "prefer"},
		"database name that breaks the DSN":           {"12.3.1", func(n *Node) { n.Database.Name = "my db" }, "database.name"},
		"https without a certificate":                 {"12.3.1", func(n *Node) { n.HTTP.Protocol = "https" }, "certificate"},
		"socket":                                      {"12.3.1", func(n *Node) { n.HTTP.Protocol = "socket" }, "TCP"},
		"root_url without a scheme":                   {"12.3.1", func(n *Node) { n.HTTP.RootURL = "grafana.example.com" }, "root_url"},
		"relative data path":                          {"12.3.1", func(n *Node) { n.Paths.Data = "data" }, "not absolute"},
		"another port under config":                   {"12.3.1", func(n *Node) { n.Extra = extra("server", "http_port", "3001") }, "server.http_port is what ghadeploy itself depends on"},
		"peers under config":                          {"12.3.1", func(n *Node) { n.Extra = extra("unified_alerting", "ha_peers", "x:1") }, "under hosts"},
		"advertised name under config":                {"12.3.1", func(n *Node) { n.Extra = extra("unified_alerting", "ha_advertise_address", "x:1") }, "hosts.*.address"},
		"skipped migrations":                          {"12.4.0", func(n *Node) { n.Extra = extra("database", "skip_migrations", "true") }, "must migrate"},
		"a key from the future under config":          {"12.3.1", func(n *Node) { n.Extra = extra("unified_alerting", "ha_single_node_evaluation", "true") }, "12.4.0"},
		"section that closes early":                   {"12.3.1", func(n *Node) { n.Extra = extra("a]\nb", "c", "d") }, "not a name"},
		"key that begins a comment":                   {"12.3.1", func(n *Node) { n.Extra = extra("smtp", "#x", "d") }, "not a name"},
		"line break under config":                     {"12.3.1", func(n *Node) { n.Extra = extra("smtp", "from_name", "a\nb") }, "mark it as a secret"},
		"default that cannot be blanked":              {"12.3.1", func(n *Node) { n.Defaults, n.Extra = []byte(someDefaults), extra("smtp", "from_address", "") }, "would stay"},
		"empty where a value is needed":               {"12.3.1", func(n *Node) { n.Extra = extra("database", "host", "") }, "needs a value"},
		"secret for Grafana's expander":               {"6.5.0", func(n *Node) { n.Alerting, n.Security.AdminPassword = Alerting{}, "a${HOME}" }, "from Grafana 7.1.0 on"},
		"instance name with a variable":               {"12.3.1", func(n *Node) { n.PerNode.InstanceName = "${HOSTNAME}" }, "instance_name"},
		"remote cache on a cluster":                   {"12.3.1", func(n *Node) { n.Cache = redisCache(Redis{Address: "r:1", Cluster: true}) }, "single Redis"},
		"remote cache password with a comma":          {"12.3.1", func(n *Node) { n.Cache = redisCache(Redis{Address: "r:1", Password: "a,b"}) }, "comma"},
		"remote cache with a private CA":              {"12.3.1", func(n *Node) { n.Cache = redisCache(Redis{Address: "r:1", TLS: true, CACert: "/x"}) }, "system's CAs"},
		"remote cache user name in a version without": {"11.6.0", func(n *Node) { n.Cache = redisCache(Redis{Address: "r:1", Username: "u"}) }, "12.3.0"},
	} {
		t.Run(name, func(t *testing.T) {
			n := testNode(version(t, c.version))
			c.change(&n)
			_, err := n.Render()
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want it to say %q", err, c.want)
			}
		})
	}
}

func extra(section, key, value string) []Section {
	return []Section{{Name: section, Keys: []Key{{Name: key, Value: value}}}}
}

func mysqlDB(mode string) Database {
	return Database{Type: "mysql", Host: "db:3306", Name: "g", User: "g", SSLMode: mode}
}

func redisCache(r Redis) RemoteCache { return RemoteCache{Type: "redis", Redis: r} }

func TestRenderWarns(t *testing.T) {
	for name, c := range map[string]struct {
		version string
		change  func(*Node)
		want    string
	}{
		"sub path that the balancer must strip":   {"12.3.1", func(n *Node) { n.HTTP.RootURL = "https://x.example.com/grafana/" }, "strip"},
		"operator overrides ours":                 {"12.3.1", func(n *Node) { n.Extra = extra("plugins", "plugin_admin_enabled", "true") }, "plugins.plugin_admin_enabled"},
		"operator's variable is Grafana's matter": {"12.3.1", func(n *Node) { n.Extra = extra("smtp", "host", "${SMTP}") }, "Grafana will expand ${...}"},
		"operator's interpolation":                {"12.3.1", func(n *Node) { n.Extra = extra("server", "cdn_url", "%(protocol)s://cdn") }, "replace %(...)s"},
		"metrics off":                             {"12.3.1", func(n *Node) { n.Extra = extra("metrics", "enabled", "false") }, "cannot be gated"},
		"migration lock off":                      {"10.3.1", func(n *Node) { n.Extra = extra("feature_toggles", "migrationLocking", "false") }, "#46718"},
		"renderer's public token":                 {"12.3.1", func(n *Node) { n.Renderer.ServerURL = "http://r:8081/render" }, "renderer_token"},
		"live without a prefix":                   {"10.3.1", func(n *Node) { n.Live.Redis = Redis{Address: "r:1", Prefix: "p"} }, "live.ha_prefix"},
		"empty value":                             {"12.3.1", func(n *Node) { n.Extra = extra("smtp", "host", "") }, "its default stays"},
	} {
		t.Run(name, func(t *testing.T) {
			n := testNode(version(t, c.version))
			c.change(&n)
			r, err := n.Render()
			if err != nil {
				t.Fatal(err)
			}
			if all := strings.Join(r.Warnings, "\n"); !strings.Contains(all, c.want) {
				t.Errorf("warnings %q, want %q", all, c.want)
			}
		})
	}
}

func TestRenderKeepsWhatTheOperatorEnables(t *testing.T) {
	n := testNode(version(t, "10.3.1"))
	n.UnsignedPlugins = []string{"a-panel"}
	n.Extra = append(extra("feature_toggles", "enable", "publicDashboards, nestedFolders"), extra("plugins", "allow_loading_unsigned_plugins", "b-panel")...)
	n.Extra = append(n.Extra, extra("", "app_mode", "production")...)
	n.Extra = append(n.Extra, extra("database", "max_open_conn", "80")...)
	r, err := n.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{
		"enable = publicDashboards,nestedFolders,migrationLocking", "allow_loading_unsigned_plugins = a-panel,b-panel",
		"max_open_conn = 80", "app_mode = production",
	} {
		if !strings.Contains(string(r.INI), line+"\n") {
			t.Errorf("no line %q in\n%s", line, r.INI)
		}
	}
	if strings.Index(string(r.INI), "app_mode") > strings.Index(string(r.INI), "[") {
		t.Errorf("app_mode is not before the first section:\n%s", r.INI)
	}
}

func TestRenderAdvertisesIPv6(t *testing.T) {
	n := testNode(version(t, "12.3.1"))
	n.PerNode.Address = "2001:db8::11"
	r, err := n.Render()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"[2001:db8::11]:9094", "[::]:9094"} {
		if !strings.Contains(string(r.INI), want) {
			t.Errorf("no %s in\n%s", want, r.INI)
		}
	}
}
