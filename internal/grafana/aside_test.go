package grafana

import (
	"strings"
	"testing"
)

// aNodeWithTies is one whose settings tie it to everything that there is.
func aNodeWithTies(v Version, db, mode string) Node {
	n := variantNode(v, db, mode, true)
	n.Renderer = Renderer{ServerURL: "http://renderer.example.com:8081/render", CallbackURL: "http://grafana.example.com/", Token: "tok"}
	n.Extra = append(n.Extra,
		Section{Name: "smtp", Keys: []Key{{Name: "enabled", Value: "true"}, {Name: "host", Value: "mail.example.com:25"}}},
		Section{Name: "auth.ldap", Keys: []Key{{Name: "enabled", Value: "true"}}},
		Section{Name: "feature_toggles", Keys: []Key{{Name: "enable", Value: "someToggle"}}},
	)
	return n
}

func TestAGrafanaOnTheSideIsTiedToNothingButItsCopy(t *testing.T) {
	for _, g := range goldenVersions {
		v := version(t, g.version)
		for _, db := range []string{"postgres", "mysql"} {
			for _, mode := range []string{"gossip", "redis"} {
				if mode == "redis" && !HasUnifiedAlerting(v) {
					continue
				}
				n := aNodeWithTies(v, db, mode)
				n.Aside = &Aside{Port: 23033, Database: "grafana_copy"}
				r, err := n.Render()
				if err != nil {
					continue // a variant that this version cannot have, as without Aside
				}
				s, err := SettingsOf(r.INI)
				if err != nil {
					t.Fatal(err)
				}
				for key, want := range map[[2]string]string{
					{"database", "name"}: "grafana_copy", {"server", "http_addr"}: "127.0.0.1", {"server", "http_port"}: "23033", {"server", "protocol"}: "http",
					{"smtp", "enabled"}: "false", {"analytics", "reporting_enabled"}: "false", {"log", "mode"}: "console",
				} {
					if got := s(key[0], key[1]); got != want {
						t.Errorf("%s %s %s: %s.%s is %q, want %q", v, db, mode, key[0], key[1], got, want)
					}
				}
				for _, no := range []string{"ha_peers", "ha_listen", "ha_redis", "ha_engine", "redis:6379", "renderer.example", "mail.example", "auth.ldap", "execute_alerts = true"} {
					if strings.Contains(string(r.INI), no) {
						t.Errorf("%s %s %s has %s:\n%s", v, db, mode, no, r.INI)
					}
				}
				if s("feature_toggles", "enable") == "" || s("database", "user") == "" || r.Secrets != nil && HasFileExpander(v) && len(r.Secrets["database.password"]) == 0 {
					t.Errorf("%s %s %s has lost what a migration needs:\n%s", v, db, mode, r.INI)
				}
				if HasUnifiedAlerting(v) && s("unified_alerting", "execute_alerts") != "false" {
					t.Errorf("%s %s %s evaluates alert rules:\n%s", v, db, mode, r.INI)
				}
			}
		}
	}
}

func TestTheEnvironmentOfAGrafanaOnTheSideReplacesNoSettingThatTiesIt(t *testing.T) {
	for name, want := range map[string]bool{
		"TZ": true, "DS_PASSWORD": true, "GF_SECURITY_SECRET_KEY": true, "GF_FEATURE_TOGGLES_ENABLE": true,
		"GF_DATABASE_NAME": false, "GF_DATABASE_URL": false, "GF_SMTP_ENABLED": false, "GF_SERVER_HTTP_ADDR": false, "GF_UNIFIED_ALERTING_EXECUTE_ALERTS": false,
	} {
		if got := AsideEnvironment(name); got != want {
			t.Errorf("%s goes along: %v", name, got)
		}
	}
}
