package check

import (
	"errors"
	"testing"
	"testing/fstest"

	"github.com/ghadeploy/ghadeploy/internal/grafana"
	"github.com/ghadeploy/ghadeploy/inventory"
	"github.com/ghadeploy/ghadeploy/remote"
	"github.com/ghadeploy/ghadeploy/tasks/database"
)

// The tests of this file are problems that users of Grafana have had, each named
// after the issue it was told in.

// clusterOf two bare hosts, changed.
func clusterOf(change func(c *inventory.Cluster)) *run {
	c := cluster(fakeHosts("", "")...)
	change(c)
	v, _ := grafana.ParseVersion(c.Grafana.Version)
	return &run{Input: Input{Cluster: c, Version: v, Hosts: fakeHosts("", "")}}
}

func TestProblems(t *testing.T) {
	for _, tt := range []struct {
		name   string
		check  func(r *run) []Finding
		change func(c *inventory.Cluster)
		want   Severity
		words  []string
	}{
		{"01_53990_each_node_notifies", alertingFindings, func(c *inventory.Cluster) { c.Alerting.HA = "none" }, Fail, []string{"notified 2 times"}},
		{"07_64635_double_after_rule_edit", alertingFindings, func(c *inventory.Cluster) { c.Grafana.Version = "9.3.2" }, Warning, []string{"9.3.2"}},
		{"09_106322_no_sentinel_before_12_1", alertingFindings, func(c *inventory.Cluster) {
			c.Alerting.HA, c.Alerting.Redis.Sentinel = "redis", &inventory.Sentinel{Master: "m"}
		}, Fail, []string{"12.1"}},
		{"10_82715_live_sentinel", alertingFindings, func(c *inventory.Cluster) { c.Live.Redis.Sentinel = &inventory.Sentinel{Master: "m"} }, Fail, []string{"Live knows neither"}},
		{"10_82715_live_cluster", alertingFindings, func(c *inventory.Cluster) { c.Live.Redis.Cluster = true }, Fail, []string{"Live knows neither"}},
		{"20_15316_cookie_never_sent", rootURLFindings, func(c *inventory.Cluster) {
			c.Grafana.RootURL = "http://g.example.com/"
			c.Hosts[0].Config = inventory.Config{{Name: "security", Keys: []inventory.Key{{Name: "cookie_secure", Value: inventory.PlainValue("true")}}}}
		}, Fail, []string{"endless login"}},
		{"20_31360_another_secret_key_on_one_host", secretKeyFindings, func(c *inventory.Cluster) {
			c.Hosts[0].Config = inventory.Config{{Name: "security", Keys: []inventory.Key{{Name: "secret_key", Value: inventory.SecretValue("other-canary")}}}}
		}, Fail, []string{"secret_key of its own"}},
		{"20_31360_another_secret_key_in_env", secretKeyFindings, func(c *inventory.Cluster) {
			c.Hosts[0].Env = map[string]inventory.Value{"GF_SECURITY_SECRET_KEY": inventory.SecretValue("other-canary")}
		}, Fail, []string{"secret_key of its own"}},
		{"21_63419_secret_key_not_set", secretKeyFindings, func(c *inventory.Cluster) { c.Grafana.SecretKey = inventory.Secret{} }, Fail, []string{"not set", "openssl"}},
		{"21_63419_public_secret_key", secretKeyFindings, func(c *inventory.Cluster) { c.Grafana.SecretKey = inventory.NewSecret(publicSecretKey, "literal") }, Fail, []string{"public default"}},
		{"22_23233_sqlite_on_several_hosts", sharedDatabaseFindings, func(c *inventory.Cluster) { c.Database.Type = "sqlite3" }, Fail, []string{"2 hosts", "postgres"}},
		{"12_migrator_alone_on_its_connection", sharedDatabaseFindings, func(c *inventory.Cluster) { c.Database.MaxOpenConn = 1 }, Fail, []string{"max_open_conn is 1"}},
		{"connections_that_are_not_kept", sharedDatabaseFindings, func(c *inventory.Cluster) { c.Database.MaxOpenConn, c.Database.MaxIdleConn = 25, 0 }, Warning, []string{"keeps 2 of max_open_conn 25"}},
		{"unlimited_connections", sharedDatabaseFindings, func(c *inventory.Cluster) { c.Database.MaxOpenConn = 0 }, Warning, []string{"unlimited"}},
		{"24_36111_plugin_without_version", pluginFindings, func(c *inventory.Cluster) { c.Grafana.Plugins = []inventory.Plugin{{ID: "p", SHA256: "00"}} }, Warning, []string{"no version"}},
		{"24_plugin_twice", pluginFindings, func(c *inventory.Cluster) {
			c.Grafana.Plugins = []inventory.Plugin{{ID: "p", Version: "1", SHA256: "00"}, {ID: "p", Version: "2", SHA256: "00"}}
		}, Fail, []string{"listed twice"}},
		{"24_37935_plugin_installed_in_the_browser", pluginFindings, func(c *inventory.Cluster) {
			c.Hosts[0].Config = inventory.Config{{Name: "plugins", Keys: []inventory.Key{{Name: "plugin_admin_enabled", Value: inventory.PlainValue("true")}}}}
		}, Warning, []string{"one host only"}},
		{"25_24548_root_url_is_one_host", rootURLFindings, func(c *inventory.Cluster) { c.Grafana.RootURL = "https://h1/" }, Warning, []string{"one of the hosts"}},
		{"admin_admin", adminFindings, func(c *inventory.Cluster) { c.Grafana.Admin.Password = inventory.NewSecret("admin", "literal") }, Warning, []string{"default"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if found := tt.check(clusterOf(func(*inventory.Cluster) {})); len(found) > 0 && found[0].Severity != OK {
				t.Fatalf("a good inventory is called:\n%s", list(found))
			}
			found := tt.check(clusterOf(tt.change))
			host := ""
			if len(found) > 0 {
				host = found[0].Host
			}
			want(t, found, tt.want, host, tt.words...)
		})
	}
}

func TestServerProblems(t *testing.T) {
	good := database.Report{Kind: database.MySQL, Version: "8.0.36", Major: 8, MaxConnections: 200, Charset: "utf8mb4", DDLTried: true}
	for _, tt := range []struct {
		name    string
		version string
		change  func(p *database.Report)
		want    Severity
		words   []string
	}{
		{"14_131361_no_lock_tables", "13.2.0", func(p *database.Report) { p.LockTables = "Access denied" }, Fail, []string{"GRANT LOCK TABLES"}},
		{"18_12971_forced_primary_key", "10.3.1", func(p *database.Report) { p.ForcedPrimaryKey = []string{"sql_require_primary_key=ON"} }, Fail, []string{"sql_require_primary_key=ON"}},
		{"19_9496_galera_with_several_writers", "10.3.1", func(p *database.Report) { p.MultiWriter, p.Members = "galera", 3 }, Warning, []string{"3 writers", "one member"}},
		{"19_26008_replica", "10.3.1", func(p *database.Report) { p.Replica = true }, Fail, []string{"writer"}},
		{"12_lock_lost_in_a_transaction_pool", "10.3.1", func(p *database.Report) { p.TransactionPooling = true }, Fail, []string{"pool_mode = session"}},
		{"too_few_connections", "10.3.1", func(p *database.Report) { p.MaxConnections = 30 }, Warning, []string{"2 hosts x max_open_conn 20 = 40", "allows 30"}},
		{"no_rights_to_migrate", "10.3.1", func(p *database.Report) { p.DDL = "ALTER: denied" }, Fail, []string{"ALTER: denied", "GRANT ALL"}},
		{"server_too_old", "10.3.1", func(p *database.Report) { p.Version, p.Major = "5.7.44", 5 }, Warning, []string{"5.7.44"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			r := clusterOf(func(c *inventory.Cluster) { c.Grafana.Version = tt.version })
			if found := r.serverFindings(good); len(found) > 0 {
				t.Fatalf("a good server is called:\n%s", list(found))
			}
			p := good
			tt.change(&p)
			want(t, r.serverFindings(p), tt.want, "", tt.words...)
		})
	}
	t.Run("14_lock_tables_before_13_is_fine", func(t *testing.T) {
		p := good
		p.LockTables = "Access denied"
		for _, v := range []string{"10.3.1", "12.4.3"} {
			if found := clusterOf(func(c *inventory.Cluster) { c.Grafana.Version = v }).serverFindings(p); len(found) > 0 {
				t.Errorf("%s locks no tables:\n%s", v, list(found))
			}
		}
	})
	t.Run("14_131361_locks_turned_off", func(t *testing.T) {
		p := good
		p.LockTables = "pxc_strict_mode"
		off := inventory.Config{{Name: "unified_storage", Keys: []inventory.Key{{Name: "migration_locking", Value: inventory.PlainValue("false")}}}}
		for v, severity := range map[string]Severity{"13.1.0": Fail, "13.2.0": Warning} {
			r := clusterOf(func(c *inventory.Cluster) { c.Grafana.Version, c.Grafana.Config = v, off })
			want(t, r.serverFindings(p), severity, "", "pxc_strict_mode")
		}
	})
	t.Run("19_9496_hosts_reach_different_writers", func(t *testing.T) {
		r := clusterOf(func(*inventory.Cluster) {})
		want(t, r.oneServer(map[string]database.Report{"h1": {ServerID: "a"}, "h2": {ServerID: "b"}}), Fail, "", "h1 reach a", "h2 reach b")
		if found := r.oneServer(map[string]database.Report{"h1": {ServerID: "a"}, "h2": {ServerID: "a"}}); len(found) > 0 {
			t.Errorf("one server is called two: %s", list(found))
		}
	})
}

func TestRedisProblems(t *testing.T) {
	cfg := inventory.Redis{Address: "r:6379", Username: "u", Password: inventory.NewSecret("canary", "env:R")}
	for _, tt := range []struct {
		name, said string
		severity   Severity
		words      []string
	}{
		{"08_74144_wrong_password", "WRONGPASS invalid username-password pair", Fail, []string{"refuses the password", "env:R", "#74144"}},
		{"08_74144_no_password", "NOAUTH Authentication required.", Fail, []string{"wants a password"}},
		{"08_74144_no_rights", "NOPERM this user has no permissions", Fail, []string{"ACL SETUSER u"}},
		{"11_77467_down", "dial tcp: connection refused", Fail, []string{"cannot reach Redis", "systemctl status redis", "#77467"}},
		{"11_77467_filtered", "i/o timeout", Fail, []string{"does not answer", "firewall"}},
		{"10_82715_tls", "TLS with r:6379: first record does not look like a TLS handshake", Fail, []string{"speaks no TLS", "remove tls:"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, []Finding{redisFailure(cfg, errors.New(tt.said))}, tt.severity, "", tt.words...)
		})
	}
	t.Run("forwarding_off_is_said", func(t *testing.T) {
		want(t, []Finding{redisFailure(cfg, remote.ErrForwardingRefused)}, Skipped, "", "AllowTcpForwarding")
	})
}

func TestProvisioningProblems(t *testing.T) {
	file := func(text string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(text)} }
	paths := inventory.Paths{Root: "/opt/grafana", Etc: "/etc/grafana"}
	provider := file("apiVersion: 1\nproviders: [{name: d, type: file, options: {path: /etc/grafana/provisioning/dashboards}}]")
	source := func(name, uid, more string) *fstest.MapFile {
		return file("apiVersion: 1\ndatasources: [{name: " + name + ", uid: " + uid + ", type: prometheus, access: proxy" + more + "}]")
	}
	for _, tt := range []struct {
		name  string
		tree  fstest.MapFS
		words []string
	}{
		{"23_43530_dashboard_uid_twice", fstest.MapFS{"dashboards/p.yaml": provider,
			"dashboards/one.json": file(`{"uid":"x","title":"One","panels":[]}`), "dashboards/two.json": file(`{"uid":"x","title":"Two","panels":[]}`)},
			[]string{"uid", `"x"`, "one.json", "two.json"}},
		{"23_39467_dashboard_title_twice", fstest.MapFS{"dashboards/p.yaml": provider,
			"dashboards/one.json": file(`{"uid":"x","title":"Same","panels":[]}`), "dashboards/two.json": file(`{"uid":"y","title":"Same","panels":[]}`)},
			[]string{`"Same"`}},
		{"23_22777_datasource_uid_twice", fstest.MapFS{"datasources/a.yaml": source("A", "x", ""), "datasources/b.yml": source("B", "x", "")},
			[]string{`data source uid "x"`}},
		{"23_two_default_datasources", fstest.MapFS{"datasources/a.yaml": source("A", "x", ", isDefault: true"), "datasources/b.yaml": source("B", "y", ", isDefault: true")},
			[]string{"default data source"}},
		{"23_64595_broken_yaml", fstest.MapFS{"alerting/a.yaml": file("groups: [")}, []string{"alerting/a.yaml", "#64595"}},
		{"23_64595_broken_json", fstest.MapFS{"dashboards/p.yaml": provider, "dashboards/a.json": file("{")}, []string{"dashboards/a.json"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			want(t, lintProvisioning(tt.tree, paths), Fail, "", tt.words...)
		})
	}
	t.Run("a_good_tree", func(t *testing.T) {
		tree := fstest.MapFS{"dashboards/p.yaml": provider, "dashboards/one.json": file(`{"uid":"x","title":"One","panels":[]}`), "datasources/a.yaml": source("A", "x", "")}
		if found := lintProvisioning(tree, paths); len(found) > 0 {
			t.Errorf("called:\n%s", list(found))
		}
	})
}

func TestHostProblems(t *testing.T) {
	for _, tt := range []struct {
		name, check string
		change      []string
		severity    Severity
		words       []string
	}{
		{"25_40162_package_installed", "other-grafana", []string{"package\tdpkg grafana 10.3.1"}, Fail, []string{"apt-get remove grafana", "systemctl disable --now"}},
		{"25_40162_rpm_installed", "other-grafana", []string{"package\trpm grafana 10.3.1"}, Fail, []string{"dnf remove grafana"}},
		{"25_40162_systemd_refuses_the_unit", "platform", []string{"unit-complaint\tgrafana-server.service:9: Unknown key"}, Fail, []string{"Unknown key"}},
		{"25_40162_systemd_ignores_a_line", "platform", []string{"unit-complaint\tgrafana-server.service:9: Unknown key 'X', ignoring."}, Warning, []string{"ignoring"}},
		{"25_40162_old_systemd", "platform", []string{"systemd\t219"}, Warning, []string{"219"}},
		{"no_systemd", "platform", []string{"init\trunit"}, Fail, []string{"not systemd"}},
		{"strange_architecture", "platform", []string{"arch\tarmv7l"}, Fail, []string{"armv7l"}},
		{"foreign_etc", "other-grafana", []string{"etc\tfolder"}, Fail, []string{"ghadeploy import", "mv /etc/grafana"}},
		{"occupied_port", "ports", []string{"socket\ttcp *:3000 users:((\"nginx\",pid=812,fd=6))"}, Fail, []string{"3000/tcp is held by nginx (pid 812)"}},
		{"occupied_gossip_port", "ports", []string{"socket\tudp 0.0.0.0:9094 users:((\"alertmanager\",pid=9,fd=6))"}, Fail, []string{"9094/udp", "alertmanager", "alerting.port"}},
		{"full_disk", "disk", []string{"disk-releases\t100000 /"}, Fail, []string{"97 MiB free", "1.2 GiB needed"}},
		{"no_inodes", "disk", []string{"inodes-releases\t1000 10"}, Fail, []string{"10 inodes"}},
		{"noexec", "disk", []string{"mount-releases\trw,noexec"}, Fail, []string{"noexec"}},
		{"small_mount_for_releases", "disk", []string{"disk-releases\t100000 /opt/grafana/releases"}, Fail, []string{"97 MiB free for /opt/grafana/releases", "1.2 GiB needed"}},
		{"full_mount_for_logs", "disk", []string{"disk-logs\t2000 /var/log"}, Fail, []string{"1 MiB free for /var/log/grafana", "paths.logs"}},
		{"full_mount_for_state", "disk", []string{"disk-state\t2000 /var/lib/ghadeploy"}, Fail, []string{"1 MiB free for /var/lib/ghadeploy", "paths.state"}},
		{"releases_mounted_noexec", "disk", []string{"disk-releases\t50000000 /opt/grafana/releases", "mount-releases\trw,noexec"}, Fail, []string{"/opt/grafana/releases is on a file system mounted noexec"}},
		{"little_memory", "memory", []string{"memory\t200000 100000"}, Warning, []string{"195 MiB"}},
		{"missing_tools", "tools", []string{"missing\tflock"}, Fail, []string{"flock", "util-linux"}},
		{"selinux", "security-modules", []string{"selinux\tEnforcing"}, Warning, []string{"restorecon"}},
		{"firewalld", "firewall", []string{"firewall\tfirewalld", "firewalld-ports\t3000/tcp 9094/tcp"}, Warning, []string{"--add-port=9094/udp"}},
		{"ufw", "firewall", []string{"ufw\tStatus: active;22/tcp ALLOW Anywhere;"}, Warning, []string{"ufw allow 9094"}},
		{"a_rule", "firewall", []string{"rule\ttcp dport 9094 drop"}, Warning, []string{"tcp dport 9094 drop"}},
		{"forwarding_off", "forwarding", []string{"forwarding\tno"}, Warning, []string{"AllowTcpForwarding"}},
		{"clock_two_minutes_off", "clock", []string{"clock\t1800000120.0"}, Fail, []string{"ahead", "timedatectl"}},
		{"clock_ten_seconds_off", "clock", []string{"clock\t1799999990.0"}, Warning, []string{"behind", "timedatectl"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			hosts := fakeHosts(goodFacts(), goodFacts(tt.change...), goodFacts())
			found := only(t, input(t, cluster(hosts...), hosts), tt.check)
			want(t, found, tt.severity, "h2", tt.words...)
			for _, f := range found {
				if f.Host != "h2" && f.Host != "" && f.Severity != OK {
					t.Errorf("a good host is called: %s", f)
				}
			}
		})
	}
}

// Folders on one full file system are told of once.
func TestAFullDiskIsToldOnce(t *testing.T) {
	var facts []string
	for _, kind := range []string{"root", "releases", "data", "logs", "state"} {
		facts = append(facts, "disk-"+kind+"\t1000 /", "mount-"+kind+"\tro")
	}
	hosts := fakeHosts(goodFacts(facts...))
	found := only(t, input(t, cluster(hosts...), hosts), "disk")
	if len(found) != 2 {
		t.Errorf("%d findings, want one of the space and one of the mount: %v", len(found), found)
	}
}

func TestOwnPortsAreNotOccupied(t *testing.T) {
	own := goodFacts("unit-pid\t77", "socket\ttcp *:3000 users:((\"grafana\",pid=77,fd=6))")
	hosts := fakeHosts(own, own)
	want(t, only(t, input(t, cluster(hosts...), hosts), "ports"), OK, "h1")
}

func TestProblem03_62453_PeerNameMeansAnotherMachine(t *testing.T) {
	here := map[string][]string{"g2": {"10.0.0.2"}}
	want(t, nameFindings(here, map[string][]string{"g2": {"172.17.0.2"}}, []string{"g2"}), Fail, "", "g2 is 10.0.0.2 here but 172.17.0.2", "IPs")
	want(t, nameFindings(here, map[string][]string{"g2": {"127.0.1.1"}}, []string{"g2"}), OK, "")
	want(t, nameFindings(here, nil, []string{"g2"}), Warning, "", "cannot resolve")
}

func TestRenderErrorsAreFindings(t *testing.T) {
	r := clusterOf(func(*inventory.Cluster) {})
	r.Render = func(h *inventory.Host) (grafana.Rendered, error) {
		if h.Name == "h1" {
			return grafana.Rendered{}, errors.Join(errors.New("does not know live.ha_prefix"), errors.New("another"))
		}
		return grafana.Rendered{}, nil
	}
	found := checkRender(t.Context(), r)
	want(t, found, Fail, "h1", "live.ha_prefix")
	want(t, found, Fail, "h1", "another")
}
