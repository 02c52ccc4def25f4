package reach

import (
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// base is what a host runs.
func base() State {
	return State{User: "grafana", Root: "/opt/grafana", Plugins: []string{"clock-panel", "zabbix-app"}, Settings: map[string]string{
		"database.type": "postgres", "database.host": "db:5432", "database.name": "grafana", "database.user": "grafana", "database.password": "canary-old",
		"security.secret_key": "canary-key", "security.admin_password": "canary-admin", "server.root_url": "https://grafana.example.com/",
		"unified_alerting.enabled": "true", "unified_alerting.ha_peers": "10.0.0.1:9094", "unified_alerting.ha_listen_address": "10.0.0.1:9094",
		"unified_alerting.ha_label": "prod", "live.ha_engine": "redis", "live.ha_engine_address": "redis:6379", "paths.data": "/var/lib/grafana",
		"auth.github.enabled": "true",
	}}
}

func with(changes ...string) State {
	s := base()
	s.Settings = maps.Clone(s.Settings)
	for _, c := range changes {
		k, v, _ := strings.Cut(c, "=")
		s.Settings[k] = v
	}
	return s
}

var counts = map[string]int64{
	"users": 12, "dashboards": 40, "data sources": 3, "alert rules": 5, Sessions: 7, SourceSecrets: 3, OtherSecrets: 1,
	UsersOf + "auth.github": 9, SourcesOf + "zabbix-app": 1, PanelsOf + "zabbix-app": 4, PanelsOf + "clock-panel": 0,
}

func TestEveryKindIsRecognisedAndToldInNumbers(t *testing.T) {
	as := func(change func(*State)) State { s := base(); change(&s); return s }
	full := Stakes{Now: counts, Target: Target{Asked: true, Now: counts}}
	for _, tt := range []struct {
		name    string
		now     State
		stakes  Stakes
		kind    Kind // "": nothing reaches further
		way     Way
		refused bool
		says    []string
	}{
		{"nothing", base(), full, "", "", false, nil},
		{"a setting that reaches no further", with("users.home_page=x"), full, "", "", false, nil},
		{"an empty database", with("database.name=other"), Stakes{Now: counts, Target: Target{Asked: true, New: true}}, Database, OneStop, true,
			[]string{"database.name: grafana -> other", "12 users, 40 dashboards, 5 alert rules, 3 data sources", "empty", "--allow-database"}},
		{"another content", with("database.host=db2"), Stakes{Now: counts, Target: Target{Asked: true, Now: map[string]int64{"users": 11}}}, Database, OneStop, true, []string{"users: 12, there 11"}},
		{"a copy", with("database.host=db2"), full, Database, OneStop, false, []string{"as many"}},
		{"a target that cannot be read", with("database.host=db2"), Stakes{Now: counts, Target: Target{Asked: true, Unread: "no route to host"}}, Database, OneStop, true, []string{"no route to host"}},
		{"a source that cannot be read", with("database.host=db2"), Stakes{Unread: "connection refused", Target: Target{Asked: true, Now: counts}}, Database, OneStop, true, []string{"could not be compared", "connection refused"}},
		{"an alias", with("database.host=db.example.com"), Stakes{Now: counts, Target: Target{Asked: true, Same: true, Now: counts}}, SameTarget, AnyWay, false, []string{"users will notice nothing"}},
		{"another type", with("database.type=mysql", "database.host=my:3306"), Stakes{Now: counts, Target: Target{Asked: true, New: true}}, Database, OneStop, true, []string{"postgres -> mysql"}},
		{"another role may see another schema", with("database.user=tenant2"), Stakes{Now: counts, Target: Target{Asked: true, New: true}}, Database, OneStop, true, []string{"database.user"}},
		{"a URL instead", with("database.url=postgres://u:canary-url@h/d"), Stakes{Now: counts, Target: Target{Asked: true, New: true}}, Database, OneStop, true, []string{"another database.url"}},
		{"the password alone", with("database.password=canary-new"), full, Password, AnyWay, false, []string{"Rotate the database password"}},
		{"secret_key", with("security.secret_key=canary-key-2"), full, SecretKey, OneStop, true, []string{"3 data sources with secrets", "1 other encrypted setting", "7 sessions", "--allow-secret-key"}},
		{"secret_key with nothing encrypted", with("security.secret_key=canary-key-2"), Stakes{Now: map[string]int64{SourceSecrets: 0, OtherSecrets: 0, Sessions: 2}}, SecretKey, OneStop, false, []string{"2 sessions"}},
		{"secret_key, uncounted", with("security.secret_key=canary-key-2"), Stakes{Unread: "too many connections"}, SecretKey, OneStop, true, []string{"not counted: too many connections"}},
		{"admin password", with("security.admin_password=canary-admin-2"), full, Admin, AnyWay, false, []string{"first start only", "reset-admin-password"}},
		{"root_url", with("server.root_url=https://other.example.com/"), full, RootURL, AnyWay, false, []string{"7 sessions", "OAuth"}},
		{"root_url, path only", with("server.root_url=https://grafana.example.com/g/"), full, RootURL, AnyWay, false, []string{"links"}},
		{"cookie name", with("auth.login_cookie_name=x"), full, Cookies, AnyWay, false, []string{"7 sessions end"}},
		{"samesite", with("security.cookie_samesite=strict"), full, Cookies, AnyWay, false, []string{"OAuth"}},
		{"gossip to Redis", with("unified_alerting.ha_peers=", "unified_alerting.ha_redis_address=r:6379"), full, Alerting, Handover, false, []string{"by Redis, no longer by gossip", "--allow-twice", "5 alert rules"}},
		{"gossip to nothing", with("unified_alerting.ha_peers="), full, Alerting, AnyWay, false, []string{"every host notifies"}},
		{"gossip label", with("unified_alerting.ha_label=prod2"), full, Alerting, Handover, false, []string{"ha_label: prod -> prod2"}},
		{"gossip port", with("unified_alerting.ha_listen_address=10.0.0.1:9095"), full, Alerting, Handover, false, []string{"9094 -> 9095"}},
		{"another address of its own", with("unified_alerting.ha_listen_address=0.0.0.0:9094"), full, "", "", false, nil},
		{"a peer more", with("unified_alerting.ha_peers=10.0.0.1:9094,10.0.0.2:9094"), full, "", "", false, nil},
		{"alerting off", with("unified_alerting.enabled=false"), full, AlertsOff, AnyWay, false, []string{"5 alert rules are not evaluated"}},
		{"Live prefix", with("live.ha_prefix=b"), full, Live, AnyWay, false, []string{"published"}},
		{"Live Redis", with("live.ha_engine_address=other:6379"), full, Live, AnyWay, false, []string{"other:6379"}},
		{"service user", as(func(s *State) { s.User = "graf" }), full, ServiceAs, AnyWay, false, []string{"grafana -> graf"}},
		{"data", with("paths.data=/srv/grafana"), full, Paths, AnyWay, false, []string{"neither moved nor deleted"}},
		{"root", as(func(s *State) { s.Root = "/srv/g" }), full, Paths, AnyWay, false, []string{"/opt/grafana -> /srv/g"}},
		{"a plugin in use", as(func(s *State) { s.Plugins = s.Plugins[:1] }), full, Plugins, AnyWay, false, []string{"zabbix-app", "1 data source of zabbix-app", "4 dashboards with zabbix-app"}},
		{"a plugin that nothing uses", as(func(s *State) { s.Plugins = s.Plugins[1:] }), full, Plugins, AnyWay, false, []string{"nothing in the database names them"}},
		{"a plugin, uncounted", as(func(s *State) { s.Plugins = nil }), Stakes{Unread: "timeout"}, Plugins, AnyWay, false, []string{"not counted: timeout"}},
		{"a way to log in", with("auth.github.enabled=false"), full, Login, AnyWay, false, []string{"9 users of auth.github"}},
		{"passwords over the API", with("auth.basic.enabled=false"), full, Login, AnyWay, false, []string{"password over the API"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := Between([]Host{{"h1", base(), tt.now}, {"h2", base(), tt.now}}, tt.stakes)
			if tt.kind == "" {
				if len(got) > 0 {
					t.Errorf("got %v", got)
				}
				return
			}
			if len(got) != 1 || got[0].Kind != tt.kind || got[0].Way != tt.way || (got[0].Refused != "") != tt.refused {
				t.Fatalf("got %+v", got)
			}
			if diff := cmp.Diff([]string{"h1", "h2"}, got[0].Hosts); diff != "" {
				t.Error(diff)
			}
			text := got[0].String() + got[0].Flag
			for _, w := range tt.says {
				if !strings.Contains(text, w) {
					t.Errorf("%s\ndoes not say %q", text, w)
				}
			}
			if strings.Contains(text, "canary") {
				t.Errorf("a secret shows: %s", text)
			}
		})
	}
}

func TestChangesOnDifferentHostsAreToldApart(t *testing.T) {
	got := Between([]Host{{"h1", base(), with("live.ha_prefix=a")}, {"h2", base(), with("live.ha_prefix=b")}, {"h3", base(), base()}}, Stakes{})
	if len(got) != 2 || got[0].Hosts[0] != "h1" || got[1].Hosts[0] != "h2" {
		t.Errorf("got %+v", got)
	}
}

func TestDefaultsAreNoChange(t *testing.T) {
	if got := Between([]Host{{"h1", base(), with("security.cookie_samesite=lax", "auth.login_cookie_name=grafana_session", "auth.basic.enabled=true")}}, Stakes{}); len(got) > 0 {
		t.Errorf("got %v", got)
	}
}

func TestOneIsCountedAsOne(t *testing.T) {
	for _, tt := range []struct {
		n          int64
		kind, want string
	}{{1, "users", "1 user"}, {2, "users", "2 users"}, {1, SourceSecrets, "1 data source with secrets"}, {1, UsersOf + "ldap", "1 user of ldap"}, {1, "data sources", "1 data source"}, {0, "alert rules", "0 alert rules"}} {
		if got := number(tt.n, tt.kind); got != tt.want {
			t.Errorf("%q, want %q", got, tt.want)
		}
	}
}

func TestASecureCookieOverHTTPLetsNobodyIn(t *testing.T) {
	const plain = "server.root_url=http://grafana.example.com/"
	got := Between([]Host{{"h1", with(plain), with(plain, "security.cookie_secure=true")}}, Stakes{})
	if len(got) != 1 || !strings.Contains(got[0].Notice, "nobody can log in") {
		t.Errorf("got %v", got)
	}
}
